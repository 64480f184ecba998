"""Struct types of a Go program, read from its binary: fields, tags, and which fields are pointers.

A Go binary carries the types that its reflection may meet, tags included. kubectl's has nearly every type of
Kubernetes' API, and with them two facts that no published schema has: whether a field is a pointer, and whether its
zero value is left out of JSON. A build-time tool for build_messages.py; reads amd64 and arm64 ELF files of Go 1.22 and
later that are not position independent (kubectl is not), by the layout in Go's internal/abi.

    for struct in read_structs(path): struct.package, struct.name, struct.fields
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

BOOL, STRUCT, POINTER, SLICE, ARRAY, CHAN, MAP, STRING = 1, 25, 22, 23, 17, 18, 21, 24
_KIND_MASK = 31
_HAS_PACKAGE, _STARRED_NAME = 1, 2
_TYPE_SIZE, _FIELD_SIZE = 48, 24


class GoType(NamedTuple):
    """kind: Go's reflect.Kind; elem: address of what it points to or holds; fields: of a struct."""

    kind: int
    name: str
    package: str
    elem: int
    fields: tuple[tuple[str, str, int], ...]  # name, tag, address of the type
    pointer: int


class GoBinary:
    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        self._sections = self._read_sections()
        self._base = self._sections[".rodata"][0]
        self._types: dict[int, GoType] = {}

    def _read_sections(self) -> dict[str, tuple[int, int, int]]:
        data = self._data
        (start,) = struct.unpack_from("<Q", data, 0x28)
        size, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
        rows = [struct.unpack_from("<IIQQQQ", data, start + index * size) for index in range(count)]
        names = rows[names_at][4]
        found = {}
        for name, kind, _, address, offset, length in rows:
            if address and kind != 8:  # 8: no bytes in the file
                text = data[names + name : data.index(b"\0", names + name)].decode()
                found[text] = (address, offset, length)
        return found

    def _offset(self, address: int) -> int | None:
        for start, offset, length in self._sections.values():
            if start <= address < start + length:
                return offset + address - start
        return None

    def _text(self, at: int) -> tuple[str, int]:
        size = shift = 0
        while True:
            byte = self._data[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return self._data[at : at + size].decode("utf-8", "replace"), at + size

    def _name(self, address: int) -> tuple[str, str]:
        """A name and its tag."""
        at = self._offset(address)
        if at is None:
            return "", ""
        name, after = self._text(at + 1)
        return name, self._text(after)[0] if self._data[at] & 2 else ""

    def type_at(self, address: int) -> GoType | None:
        found = self._types.get(address)
        at = self._offset(address)
        if found is not None or at is None:
            return found
        row = struct.unpack_from("<QQIBBBBQQii", self._data, at)
        flags, kind, name_offset, pointer_offset = row[3], row[6] & _KIND_MASK, row[9], row[10]
        name = self._name(self._base + name_offset)[0]
        elem, package = 0, ""
        fields: list[tuple[str, str, int]] = []
        if kind in (POINTER, SLICE, ARRAY, CHAN):
            (elem,) = struct.unpack_from("<Q", self._data, at + _TYPE_SIZE)
        elif kind == MAP:
            _, elem = struct.unpack_from("<QQ", self._data, at + _TYPE_SIZE)
        elif kind == STRUCT:
            _, first, count, _ = struct.unpack_from("<QQQQ", self._data, at + _TYPE_SIZE)
            start = self._offset(first) or 0
            for index in range(count):
                field_name, type_address, _ = struct.unpack_from("<QQQ", self._data, start + index * _FIELD_SIZE)
                fields.append((*self._name(field_name), type_address))
            if flags & _HAS_PACKAGE:
                (package_offset,) = struct.unpack_from("<i", self._data, at + _TYPE_SIZE + 32)
                package = self._name(self._base + package_offset)[0]
        name = name[1:] if flags & _STARRED_NAME else name
        pointer = self._base + pointer_offset if pointer_offset else 0
        made = self._types[address] = GoType(kind, name, package, elem, tuple(fields), pointer)
        return made

    def structs(self) -> Iterator[GoType]:
        """Every struct that can be reached from the table of types."""
        _, offset, length = self._sections[".typelink"]
        waiting: list[Any] = [
            self._base + value for (value,) in struct.iter_unpack("<i", self._data[offset : offset + length])
        ]
        seen: set[int] = set()
        while waiting:
            address = waiting.pop()
            if not address or address in seen:
                continue
            seen.add(address)
            found = self.type_at(address)
            if found is None:
                continue
            waiting += [found.elem, found.pointer, *(field[2] for field in found.fields)]
            if found.kind == STRUCT:
                yield found
