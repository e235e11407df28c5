"""The tables of the page on supernodes."""

from __future__ import annotations

from collections.abc import Callable

from upt_bench.results import Results
from upt_bench.table import curve

TABLES: dict[str, Callable[[Results], str]] = {
    "supernode_steps": curve("supernode_steps", "case", ["points"], "seconds", 1e3),
    "neighbour_searches": curve("neighbour_searches", "way", ["points"], "seconds", 1e3),
}
