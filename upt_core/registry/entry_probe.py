"""Loads one entry point, which may end or block this process: ``python -m upt_core.registry.entry_probe DIST NAME``."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

from upt_core.registry.discovery import GROUP, load


def main(distribution: str, name: str) -> None:
    """Loads an entry point and calls its hooks; an exception is no matter here, since a registry reports it."""
    load(
        point
        for point in entry_points(group=GROUP)
        if point.name == name and point.dist is not None and point.dist.name == distribution
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
