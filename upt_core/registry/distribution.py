"""The installed distribution that a plugin came with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """An installed distribution that brings plugins."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
