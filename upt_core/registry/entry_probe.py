"""Loads one entry point, which may end or block this process: ``python -m upt_core.registry.entry_probe DIST NAME``."""

from __future__ import annotations

import resource
import sys
from importlib.metadata import entry_points

from upt_core.registry.discovery import GROUP, load

MOST_BYTES = 4 * 2**30
"""Memory that an import may take: torch takes a tenth of it."""
TOO_LARGE = 77
"""Exit code of a process whose import asked for more."""


def main(distribution: str, name: str) -> None:
    """Loads an entry point and calls its hooks; an exception is no matter here, since a registry reports it.

    Only where memory is what was lacking it is said by the exit code, for who imports next has no limit.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    found = load(
        point
        for point in entry_points(group=GROUP)
        if point.name == name and point.dist is not None and point.dist.name == distribution
    )
    if any("MemoryError" in plugin.cause for plugin in found.broken):
        sys.exit(TOO_LARGE)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
