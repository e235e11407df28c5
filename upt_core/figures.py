"""Numbers, counts and times as a person reads them: in terminals, pages and notebooks."""

from __future__ import annotations


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def count(value: int) -> str:
    """A whole number in groups of three: 1,234,567."""
    return f"{value:,}"


def many(value: int, what: str) -> str:
    """A count and what is counted: 1 sample, 2 samples."""
    return f"{count(value)} {what}{'' if value == 1 else 's'}"


def duration(seconds: float) -> str:
    """Time in the units a person would use: 0.8 s, 42 s, 3 min 05 s, 2 h 07 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
