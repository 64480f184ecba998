"""Compiles proto/*.proto into kvcluster/pb: one descriptor set and one stub file.

The descriptor set is data: nothing generated is imported at run time, so the messages can live in a descriptor pool
of their own (see kvcluster/pb/__init__.py). `make proto` runs this; tests/house checks that the result is fresh.

    python proto/build.py            write kvcluster/pb/descriptors.binpb and kvcluster/pb/__init__.pyi
    python proto/build.py --check    exit 1 if either file is stale
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "kvcluster" / "pb"

_SCALARS = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_STRING: "str",
}


def compile_descriptors() -> bytes:
    """The serialized FileDescriptorSet of every .proto file, in dependency order, without source comments."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        names = sorted(path.name for path in HERE.glob("*.proto"))
        code = protoc.main(["protoc", f"-I{HERE}", "--include_imports", f"--descriptor_set_out={out}", *names])
        if code:
            raise SystemExit(f"protoc failed with exit code {code}")
        return FileDescriptorSet.FromString(out.read_bytes()).SerializeToString(deterministic=True)


def _class_name(type_name: str) -> str:
    parts = type_name.removeprefix(".").split(".")  # ".etcdserverpb.Compare.X" -> "Compare.X"; packages are in lower case
    return ".".join(part for part in parts if not part[0].islower())


def _python_type(field: FieldDescriptorProto) -> str:
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        return _class_name(field.type_name)
    return _SCALARS.get(field.type, "int")


def _enum_lines(enum: EnumDescriptorProto, indent: str) -> list[str]:
    return [f"{indent}{value.name}: int" for value in enum.value]


def _message_lines(message: DescriptorProto) -> list[str]:
    lines = [f"class {message.name}(Message):"]
    for enum in message.enum_type:
        lines += _enum_lines(enum, "    ")
    arguments = []
    for field in message.field:
        kind = _python_type(field)
        is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            container = "RepeatedCompositeFieldContainer" if is_message else "RepeatedScalarFieldContainer"
            lines.append(f"    {field.name}: {container}[{kind}]")
            arguments.append(f"{field.name}: Iterable[{kind}] = ...")
        elif is_message:
            lines += ["    @property", f"    def {field.name}(self) -> {kind}: ..."]
            arguments.append(f"{field.name}: {kind} | None = ...")
        else:
            lines.append(f"    {field.name}: {kind}")
            arguments.append(f"{field.name}: {kind} = ...")
    star = "*, " if arguments else ""
    lines.append(f"    def __init__(self, {star}{', '.join(arguments)}) -> None: ...")
    return [*lines, ""]


def build_stub(descriptors: bytes) -> str:
    """The text of kvcluster/pb/__init__.pyi: every message of every package under its own short name."""
    lines = [
        "# Written by proto/build.py; do not edit.",
        "from collections.abc import Iterable",
        "",
        "from google.protobuf.descriptor import FileDescriptor",
        "from google.protobuf.internal.containers import RepeatedCompositeFieldContainer, RepeatedScalarFieldContainer",
        "from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper",
        "from google.protobuf.message import Message",
        "",
        "DESCRIPTOR_SET: bytes",
        "FILES: list[FileDescriptor]",
        "AlarmType: EnumTypeWrapper",
        "",
    ]
    for file in FileDescriptorSet.FromString(descriptors).file:
        for message in file.message_type:
            lines += _message_lines(message)
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    descriptors = compile_descriptors()
    outputs = {TARGET / "descriptors.binpb": descriptors, TARGET / "__init__.pyi": build_stub(descriptors).encode()}
    if "--check" in argv:
        stale = [path.name for path, content in outputs.items() if not path.exists() or path.read_bytes() != content]
        print(f"stale: {', '.join(stale)}; run `make proto`" if stale else "fresh")
        return 1 if stale else 0
    for path, content in outputs.items():
        path.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
