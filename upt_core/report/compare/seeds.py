"""Runs that differ in their seed alone, put together: mean, lowest and highest value of a metric over the seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upt_core.figures import number
from upt_core.report.compare.runs import MISSING, Comparison

SEED = "seed"


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, each with another seed.

    Args:
        label: the keys in which this configuration differs from the others, with their values.
        runs: their places in the comparison.
        seeds: of these runs.
    """

    label: str
    runs: list[int]
    seeds: list[Any]

    def values(self, found: Comparison, metric: str) -> list[float]:
        """Those that are measured."""
        row = found.metrics.get(metric, [])
        return [row[i] for i in self.runs if i < len(row) and row[i] is not None]


def groups(found: Comparison) -> list[Group]:
    """The configurations, in the order of the runs; none unless the runs have different seeds and one has two runs."""
    seeds = found.config.get(SEED)
    if seeds is None or MISSING in seeds:
        return []
    together: dict[str, list[int]] = {}
    for i in range(len(found.runs)):
        together.setdefault(_label(found, i), []).append(i)
    made = [Group(label, runs, [seeds[i] for i in runs]) for label, runs in together.items()]
    distinct = all(len(set(map(repr, group.seeds))) == len(group.seeds) for group in made)
    return made if distinct and any(len(group.runs) > 1 for group in made) else []


def summary(values: Sequence[float]) -> str:
    """Mean, lowest and highest: ``0.049 [0.024, 0.097]``; a dash if nothing is measured."""
    if not values:
        return "–"
    mean = number(sum(values) / len(values))
    return f"{mean} [{number(min(values))}, {number(max(values))}]" if len(values) > 1 else mean


def rows(found: Comparison, made: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of a table: a configuration, its seeds, each metric of the test split."""
    metrics = list(found.metrics)
    body = [
        [group.label, ", ".join(map(str, group.seeds)), *(summary(group.values(found, m)) for m in metrics)]
        for group in made
    ]
    return ["configuration", "seeds", *metrics], body


def over_seeds(found: Comparison, made: Sequence[Group], metric: str, lower: bool) -> tuple[str, str] | None:
    """Which configuration is best on average, and whether the seeds decide it: sense, and words.

    None unless two configurations are measured, and one of them with several seeds.
    """
    known = [(group.label, group.values(found, metric)) for group in made]
    known = [(label, values) for label, values in known if values]
    if len(known) < 2 or all(len(values) == 1 for _, values in known):
        return None
    ranked = sorted(known, key=lambda item: sum(item[1]) / len(item[1]), reverse=not lower)
    (best, own), (second, others) = ranked[:2]
    apart = max(own) < min(others) if lower else min(own) > max(others)
    words = (
        f"{best} has the {'lowest' if lower else 'highest'} mean {metric} on the test split: {summary(own)} over "
        f"{_seeds(own)}. {second} has {summary(others)} over {_seeds(others)}."
    )
    alone = " A single seed is weak evidence." if min(len(own), len(others)) == 1 else ""
    if apart:
        runs = "Each of these runs is" if len(own) > 1 else "This run is"
        return "better", f"{words} {runs} better than each run of {second}.{alone}"
    return "even", f"{words} The ranges overlap, so these seeds do not show which is better.{alone}"


def _seeds(values: Sequence[float]) -> str:
    return "1 seed" if len(values) == 1 else f"{len(values)} seeds"


def _label(found: Comparison, i: int) -> str:
    parts = [
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in ((key, values[i]) for key, values in found.config.items() if key != SEED)
        if value != MISSING
    ]
    return ", ".join(parts) or "all runs"
