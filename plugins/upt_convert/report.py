"""What became of each key of an old configuration, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

from upt_core.commands import Keys


@dataclass(frozen=True)
class Line:
    """One key of the old file.

    Args:
        path: keys from the root.
        value: as it was written.
        origin: "file:line:column".
        became: the new key and value, or why none is needed; empty: it has no counterpart.
        hint: what to use instead of a key without a counterpart.
    """

    path: Keys
    value: str
    origin: str
    became: str
    hint: str = ""

    def __str__(self) -> str:
        key = ".".join(map(str, self.path))
        after = f" → {self.became}" if self.became else f" ({self.hint})" if self.hint else ""
        return f"{self.origin + ': ' if self.origin else ''}{key}: {self.value}{after}"


@dataclass(frozen=True)
class Report:
    """Every key of the old file, and what was decided where the file says nothing."""

    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()

    @property
    def converted(self) -> tuple[Line, ...]:
        """Keys that have a counterpart, or need none."""
        return tuple(line for line in self.lines if line.became)

    @property
    def lost(self) -> tuple[Line, ...]:
        """Keys that have no counterpart and change nothing any more."""
        return tuple(line for line in self.lines if not line.became)

    def __str__(self) -> str:
        parts = [_block("This is a configuration in the old form. Its keys became:", self.converted)]
        parts.append(_block("Not written there, so decided here:", self.remarks))
        parts.append(_block("WITHOUT A COUNTERPART, these keys change nothing:", self.lost))
        return "\n".join(part for part in parts if part)


def _block(title: str, lines: tuple[object, ...]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""
