"""Looks at the tags of a MATLAB file of version 5: scipy takes their types on trust, and ends the process on others.

A file is elements, each a tag (type, bytes) and its content; an element of the type matrix holds elements itself, and a
compressed one holds one matrix. Source: MathWorks, MAT-File Format, chapter 1 (level 5).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

HEADER = 128
NUMBERS = {*range(1, 8), 9, 12, 13, 16, 17, 18}
"""Types of content that are numbers or letters."""
FLAGS, MATRIX, COMPRESSED = 6, 14, 15
PARTS = {4: 4, 5: 6, **dict.fromkeys(range(6, 16), 4)}
"""Class of a matrix → elements with numbers: flags, sizes, name, values; sparse ones have rows and columns, too.
Complex ones have one more. Cells, structs and objects hold matrices."""
_AT_ONCE = 1 << 20


class _Stream(Protocol):
    def take(self, size: int) -> bytes: ...

    def skip(self, size: int) -> None: ...


def check_tags(path: Path) -> None:
    """Reads every tag of a file of version 5, and none of its numbers; of other versions nothing.

    Raises:
        ValueError: a tag has a type that is none, a length that does not fit, or a matrix too few parts.
    """
    with path.open("rb") as file:
        header = file.read(HEADER)
        order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
        if order is None or 0 in header[:4]:
            return
        plain = _Plain(file)
        while len(tag := file.read(8)) == 8:
            kind, size, inside = _tag(tag, order)
            start = file.tell()
            if kind == COMPRESSED:
                packed = _Inflated(file, size)
                inner, length, _ = _tag(packed.take(8), order)
                if inner != MATRIX:
                    raise ValueError(f"an element has the unknown type {inner}")
                _check_matrix(packed, length, order)
            elif kind == MATRIX:
                _check_matrix(plain, size, order)
            elif kind not in NUMBERS:
                raise ValueError(f"an element has the unknown type {kind}")
            file.seek(start if inside else start + size)


def _check_matrix(stream: _Stream, length: int, order: str) -> None:
    """A matrix of so many bytes: its flags, and as many parts as they say; scipy would take the next for its own."""
    if length == 0:
        return  # an empty one
    kind, size, _ = _tag(stream.take(8), order)
    if (kind, size) != (FLAGS, 8) or length < 16:
        raise ValueError("a matrix begins without its flags")
    (flags,) = struct.unpack(order + "II", stream.take(8))[:1]
    own, is_complex = flags & 0xFF, bool(flags & 0x800)
    found = 1 + _check_elements(stream, length - 16, order)
    if own in PARTS and found < PARTS[own] + is_complex:
        raise ValueError(f"a matrix of class {own} has {found} of its {PARTS[own] + is_complex} parts")


def _check_elements(stream: _Stream, length: int, order: str) -> int:
    """The elements within so many bytes of a matrix; how many hold numbers."""
    found = 0
    while length >= 8:
        kind, size, inside = _tag(stream.take(8), order)
        length -= 8
        if not inside and size > length:
            raise ValueError(f"an element of {size} bytes is longer than its matrix")
        if kind == MATRIX:
            _check_matrix(stream, size, order)
        elif kind in NUMBERS:
            found += 1
        else:
            raise ValueError(f"an element of a matrix has the unknown type {kind}")
        if kind != MATRIX and not inside:
            size = min(size + -size % 8, length)
            stream.skip(size)
        length -= 0 if inside else size
    stream.skip(length)
    return found


def _tag(tag: bytes, order: str) -> tuple[int, int, bool]:
    """Type, bytes, and whether these few bytes are in the tag itself."""
    kind, size = struct.unpack(order + "II", tag)
    return (kind & 0xFFFF, kind >> 16, True) if kind >> 16 else (kind, size, False)


class _Plain:
    """A file from where it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, size: int) -> bytes:
        """The next bytes."""
        return self._file.read(size)

    def skip(self, size: int) -> None:
        """Passes over bytes."""
        self._file.seek(size, 1)


class _Inflated:
    """The content of a compressed element of so many bytes, with little of it in memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._pieces = _inflated(file, size)
        self._left = b""

    def take(self, size: int) -> bytes:
        """The next bytes."""
        while len(self._left) < size:
            self._left += next(self._pieces, None) or _ended()
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def skip(self, size: int) -> None:
        """Passes over bytes."""
        while size > len(self._left):
            size -= len(self._left)
            self._left = next(self._pieces, None) or _ended()
        self._left = self._left[size:]


def _ended() -> bytes:
    raise ValueError("a compressed element ends early")


def _inflated(file: BinaryIO, size: int) -> Iterator[bytes]:
    stream = zlib.decompressobj()
    while size > 0 and (packed := file.read(min(size, _AT_ONCE))):
        size -= len(packed)
        while packed:
            if piece := stream.decompress(packed, _AT_ONCE):
                yield piece
            packed = stream.unconsumed_tail
