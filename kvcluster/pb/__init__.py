"""The etcd v3 messages, in a descriptor pool of our own.

Every Python etcd client registers `etcdserverpb.*` in protobuf's default pool, so two of them in one process clash.
These messages are built from a checked-in descriptor set in a private pool: importing kvcluster before or after any
other client is always safe, and the bytes on the wire are the same.

Messages of all packages stand here under their short names (`pb.PutRequest`, `pb.KeyValue`, `pb.LockRequest`); no name
occurs twice. Enum values are attributes of their message (`pb.Event.DELETE`, `pb.Compare.EQUAL`); the only top-level
enum is `pb.AlarmType`. Sources: proto/*.proto; rebuilt by `make proto`; types for readers and checkers: __init__.pyi.
"""

from importlib.resources import files

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

DESCRIPTOR_SET: bytes = files(__name__).joinpath("descriptors.binpb").read_bytes()

_pool = descriptor_pool.DescriptorPool()


def _load() -> None:
    names = globals()
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET).file:
        _pool.Add(file)  # type: ignore[no-untyped-call]
        descriptor = _pool.FindFileByName(file.name)
        for name, message in descriptor.message_types_by_name.items():
            names[name] = message_factory.GetMessageClass(message)
        for name, enum in descriptor.enum_types_by_name.items():
            names[name] = EnumTypeWrapper(enum)


_load()
