"""bbolt's file format, written only: what etcd keeps its data in, so that its tools can read a snapshot of ours."""

from kvcluster.bolt.writer import BoltWriter

__all__ = ["BoltWriter"]
