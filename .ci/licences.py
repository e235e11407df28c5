"""Refuses licences, in a table that pip-licenses wrote, that would bind a user's own code; counts the others."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

BINDING = re.compile(r"(?<!L)(?<!Lesser )\bA?GPL|Affero|(?<!Lesser )General Public License|UNKNOWN", re.IGNORECASE)
"""Copyleft beyond one's own files, and licences nobody stated. LGPL and MPL bind changes of the library alone."""


def rows(table: str) -> list[tuple[str, str]]:
    """(distribution, licence) of each row of a Markdown table with the columns Name, Version, License."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    return [(name, licence) for name, _, licence in cells[2:]]


def main(path: str) -> int:
    """Print how many distributions stand under which licence; 1 if one of them must be looked at first."""
    found = rows(Path(path).read_text(encoding="utf-8"))
    for licence, count in Counter(licence for _, licence in found).most_common():
        print(f"{count:4d}  {licence}")
    bad = [f"{name}: {licence}" for name, licence in found if BINDING.search(licence)]
    if bad:
        print("These licences bind whoever uses upt, or are not stated; look before you publish:", *bad, sep="\n  ")
    return int(bool(bad) or not found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
