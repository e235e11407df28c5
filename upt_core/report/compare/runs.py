"""What several runs have different: configurations, versions, metrics. Reads run folders; torch is not needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upt_core.errors import UserError
from upt_core.report.load import RunData, load
from upt_core.run.written_config import config_of

MISSING = "(absent)"
"""Stands where a run lacks a key that another one has."""

SHORT = 28
"""Characters of a name that fits into a headline, a legend or the head of a column."""

Table = dict[str, list[Any]]
"""Key or metric → one value for each run; None or ``MISSING`` where a run has none."""


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other; every list has one item for each run, in the order in which they were named.

    Args:
        runs: what their folders hold.
        names: short and distinct: long ones without the words at their beginning and end that all share.
        titles: the names of the folders, whole and distinct.
        states: how far each came.
        config: dotted key → values, of the keys that differ.
        versions: of Python, torch, the device, the code, the plugins' distributions: those that differ.
        metrics: of the model on the test split; None for a run that is not finished.
        best: of the metric that chose each run's best checkpoint.
        last: validation metrics of the last validation.
    """

    runs: list[RunData]
    names: list[str]
    titles: list[str]
    states: list[str]
    config: Table
    versions: Table
    metrics: Table
    best: list[dict[str, Any] | None]
    last: Table

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "runs": [str(run.folder) for run in self.runs],
            "states": self.states,
            "config": self.config,
            "versions": self.versions,
            "test": self.metrics,
            "best": self.best,
            "last_validation": self.last,
        }


def compare(folders: Sequence[Path]) -> Comparison:
    """Runs beside each other; they may be of different length, not finished, or of different experiments.

    Raises:
        UserError: fewer than two runs, one named twice, or a folder that is not a run.
    """
    if len(folders) < 2:
        raise UserError("a comparison needs at least two run folders")
    for i, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:i]]:
            raise UserError(f"{folder}: this run is named twice")
    runs = [load(folder) for folder in folders]
    test = [(run.results or {}).get("model", {}) for run in runs]
    last = [{name: float(s.value[-1]) for name, s in run.series("validation").items()} for run in runs]
    return Comparison(
        runs,
        short_names(_titles(folders)),
        _titles(folders),
        [_state(run) for run in runs],
        _different([_config(folder) for folder in folders]),
        _different([dict(_versions(run.environment)) for run in runs]),
        _beside(test),
        [_best(folder) for folder in folders],
        _beside(last),
    )


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key → scalar of nested mappings and lists; an empty one counts as a value."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    found = False
    for key, item in items:
        found = True
        yield from flattened(item, f"{path}.{key}" if path else str(key))
    if not found:
        yield path, value


def _titles(folders: Sequence[Path]) -> list[str]:
    """The folders' names; those that two runs share get the folder above in front."""
    names = [folder.resolve().name for folder in folders]
    return [
        name if names.count(name) == 1 else f"{folder.resolve().parent.name}/{name}"
        for name, folder in zip(names, folders, strict=True)
    ]


def short_names(names: Sequence[str]) -> list[str]:
    """Names; long ones without the words at their beginning and end that all share, for which … stands."""
    if max(map(len, names)) <= SHORT:
        return list(names)
    words = [re.findall(r"[^-_/ .]+[-_/ .]*", name) for name in names]
    least = min(map(len, words)) - 1  # a word of each is left
    first = _same(words, least)
    if first and all(row[first][0].isdigit() for row in words):
        first -= 1  # ``seed-1`` rather than ``1``
    last = _same([row[::-1] for row in words], least - first)
    found = [
        "…" * (first > 0) + "".join(row[first : len(row) - last]).rstrip("-_/ .") + "…" * (last > 0) for row in words
    ]
    return found if len(set(found)) == len(found) else list(names)


def _same(rows: Sequence[Sequence[str]], most: int) -> int:
    """How many words all rows begin with."""
    return next((k for k in range(most) if len({row[k].rstrip("-_/ .") for row in rows}) > 1), max(0, most))


def _state(run: RunData) -> str:
    done = f"{run.epochs_done} of {run.epochs} epochs"
    return f"finished after {done}" if run.results is not None else f"not finished, {done}"


def _config(folder: Path) -> dict[str, Any]:
    return dict(flattened(config_of(folder)))


def _versions(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("python", "torch", "device", "platform"):
        if name in environment:
            yield name, environment[name]
    git = environment.get("git") or {}
    if git:
        yield "git commit", f"{git['commit'][:12]}{' with changes' if git.get('changed') else ''}"
    for plugin in environment.get("plugins", {}).values():
        yield plugin["distribution"], plugin["version"]


def _best(folder: Path) -> dict[str, Any] | None:
    path = folder / "results.json"
    found: dict[str, Any] | None = None
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8")).get("best")  # damage is told by ``load``
    return found


def _beside(rows: Sequence[Mapping[str, Any]], missing: Any = None) -> Table:
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: [row.get(key, missing) for row in rows] for key in keys}


def _different(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The keys of which not all rows have the same value; types count, so that 1 and true differ."""
    found = _beside(rows, MISSING)
    return {
        key: values for key, values in sorted(found.items()) if len({(type(v).__name__, repr(v)) for v in values}) > 1
    }
