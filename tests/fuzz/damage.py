"""Ways to damage the bytes of a file: flipped bits, cuts, spans that are swapped, repeated, blanked or put in."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from hypothesis import strategies as st

Damage = Callable[[bytes], bytes]
_places = st.integers(0, 2**20)
_spans = st.tuples(_places, st.integers(1, 64))


def _at(content: bytes, place: int) -> int:
    return place % max(1, len(content))


def flipped(place: int, bit: int) -> Damage:
    """One bit is another."""

    def change(content: bytes) -> bytes:
        at = _at(content, place)
        return content[:at] + bytes([byte ^ (1 << bit) for byte in content[at : at + 1]]) + content[at + 1 :]

    return change


def overwritten(place: int, new: bytes) -> Damage:
    """Some bytes are others."""
    return lambda content: content[: _at(content, place)] + new + content[_at(content, place) + len(new) :]


def cut(place: int) -> Damage:
    """The file ends early."""
    return lambda content: content[: _at(content, place)]


def grown(place: int, new: bytes) -> Damage:
    """Bytes are put in between."""
    return lambda content: content[: _at(content, place)] + new + content[_at(content, place) :]


def swapped(first: tuple[int, int], second: tuple[int, int]) -> Damage:
    """A span stands where another one was."""

    def change(content: bytes) -> bytes:
        start, length = _at(content, first[0]), first[1]
        other = content[_at(content, second[0]) :][: second[1]]
        return content[:start] + other + content[start + length :]

    return change


_EXTREME = [b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f", b"\0" * 64, b"9" * 12, b"nan", b"inf", b"-1", b"{", b"["]
_kinds: list[st.SearchStrategy[Any]] = [
    st.builds(flipped, _places, st.integers(0, 7)),
    st.builds(overwritten, _places, st.sampled_from(_EXTREME) | st.binary(min_size=1, max_size=8)),
    st.builds(cut, _places),
    st.builds(grown, _places, st.sampled_from(_EXTREME) | st.binary(min_size=1, max_size=8)),
    st.builds(swapped, _spans, _spans),
]


def damages() -> st.SearchStrategy[Damage]:
    """One to four of them, one after the other."""
    several = st.lists(st.one_of(_kinds), min_size=1, max_size=4)
    return several.map(lambda changes: lambda content: reduce(lambda sofar, change: change(sofar), changes, content))
