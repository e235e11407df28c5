"""Checks at the door of a constructor, for samplers that are built by hand and so never pass through the schema."""

from __future__ import annotations


def at_least(name: str, value: float, low: float) -> None:
    """Refuses a value below its bound.

    Raises:
        ValueError: ``value`` is below ``low``; the message names the parameter.
    """
    if not value >= low:
        raise ValueError(f"{name} must be at least {low:g}; got {value!r}")


def fraction(name: str, value: float, *, zero: bool = False) -> None:
    """Refuses what is not a fraction: 0 < value ≤ 1, or 0 ≤ value ≤ 1 with ``zero``.

    Raises:
        ValueError: ``value`` is outside; the message names the parameter.
    """
    if not (0 <= value <= 1 if zero else 0 < value <= 1):
        raise ValueError(f"{name} must be a fraction, {'0 ≤' if zero else '0 <'} {name} ≤ 1; got {value!r}")
