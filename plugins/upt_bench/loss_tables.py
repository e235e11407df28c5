"""The tables of the pages on losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upt_bench.results import Results
from upt_bench.table import curve, markdown, pivot

_BY = ["losses"]


def _share(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"points": f"{row['count']:,} ({100 * row['ratio']:.3g} %)", "ms": 1e3 * row["seconds"]}


def _times(results: Results) -> str:
    return markdown(*pivot([_share(row) for row in results.curves["loss_costs"]], "points", _BY, "ms"))


def _memory(results: Results) -> str:
    rows = [_share(row) for row in results.curves["loss_costs"]]
    both = [
        row | {"precision": precision, "mib": row[f"mib_{precision}"]} for row in rows for precision in ("fp32", "bf16")
    ]
    return markdown(*pivot(both, "points", [*_BY, "precision"], "mib"))


TABLES: dict[str, Callable[[Results], str]] = {
    "loss_times": _times,
    "loss_memory": _memory,
    "decoder_memory": curve("decoder_memory", "precision", ["count"], "mib"),
}
