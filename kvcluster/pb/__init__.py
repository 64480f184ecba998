"""The etcd v3 messages, in a descriptor pool of our own.

Every Python etcd client registers `etcdserverpb.*` in protobuf's default pool, so two of them in one process clash.
These messages are built from a checked-in descriptor set in a private pool: importing kvcluster before or after any
other client is always safe, and the bytes on the wire are the same.

Messages of all packages stand here under their short names (`pb.PutRequest`, `pb.KeyValue`, `pb.LockRequest`); no name
occurs twice. Enum values are attributes of their message (`pb.Event.DELETE`, `pb.Compare.EQUAL`); the only top-level
enum is `pb.AlarmType`. Sources: proto/*.proto; rebuilt by `make proto`; types for readers and checkers: __init__.pyi.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.internal import api_implementation
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

DESCRIPTOR_SET: bytes = Path(__file__).with_name("descriptors.binpb").read_bytes()


def _open_pool() -> tuple[Any, Callable[[Any], type[Message]]]:
    """A descriptor pool, and what makes a class of a descriptor.

    The public modules hand on what the C implementation has, but load its whole Python twin first, which takes as long as
    half of a member's own modules. So they are asked only where this protobuf has another implementation, or has moved it.
    """
    if api_implementation.Type() == "upb":
        try:
            from google._upb import _message
            from google.protobuf.pyext.cpp_message import GeneratedProtocolMessageType

            return _message.DescriptorPool(), lambda descriptor: GeneratedProtocolMessageType(
                descriptor.name, (Message,), {"DESCRIPTOR": descriptor, "__module__": None}
            )
        except (ImportError, AttributeError):
            pass
    from google.protobuf import descriptor_pool, message_factory

    return descriptor_pool.DescriptorPool(), message_factory.GetMessageClass


_pool, _class_of = _open_pool()


def _files() -> Iterator[bytes]:
    """The files of the set, which is nothing but field 1 again and again. By hand: the messages that describe messages
    take longer to load than all of ours."""
    at = 0
    while at < len(DESCRIPTOR_SET):
        assert DESCRIPTOR_SET[at] == 0x0A
        at += 1
        size = shift = 0
        while True:
            byte = DESCRIPTOR_SET[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield DESCRIPTOR_SET[at : at + size]
        at += size


FILES: list[Any] = []
"""Their descriptors, services included."""


def _load() -> None:
    names = globals()
    for file in _files():
        descriptor = _pool.AddSerializedFile(file)
        FILES.append(descriptor)
        for name, message in descriptor.message_types_by_name.items():
            names[name] = _class_of(message)
        for name, enum in descriptor.enum_types_by_name.items():
            names[name] = EnumTypeWrapper(enum)


_load()
