"""What became of each key of an old configuration, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

from upt_core.commands import Keys

TRAINED = ("data", "latent", "encoder", "operator", "training", "optimizer")
"""Sections whose keys change what is trained, or how: each such key that is lost has a line of its own."""


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
        parts.append(_block("Not set in the old file, so chosen here:", self.remarks))
        trained = tuple(line for line in self.lost if line.path[0] in TRAINED)
        parts.append(_block("WITHOUT A COUNTERPART, so results may differ:", trained))
        parts.append(_block("Without a counterpart, but without effect on training:", _by_section(self.lost)))
        return "\n".join(part for part in parts if part)


def _by_section(lost: tuple[Line, ...]) -> tuple[str, ...]:
    """One line for each other section, a stage being a section: how many of its keys are lost, and which."""
    found: dict[str, list[str]] = {}
    for line in lost:
        if line.path[0] not in TRAINED:
            depth = 2 if line.path[0] == "stages" and len(line.path) > 2 else 1
            section = ".".join(map(str, line.path[:depth]))
            found.setdefault(section, []).append(".".join(map(str, line.path[depth:])) or line.value)
    return tuple(f"{section}: {_counted(keys)}" for section, keys in found.items())


def _counted(keys: list[str]) -> str:
    return f"{len(keys)} key{'s' if len(keys) > 1 else ''} ({', '.join(keys[:6])}{', …' if len(keys) > 6 else ''})"


def _block(title: str, lines: tuple[object, ...]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""
