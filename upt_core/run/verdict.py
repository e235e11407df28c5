"""The verdict in words: whether the model of a run beats its baseline, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Sense = Literal["better", "even", "worse", "unknown"]
EVEN = 0.02
"""Figures that differ by less, relatively, are called even."""


@dataclass(frozen=True)
class Verdict:
    """A judgement.

    Args:
        sense: of the model beside its best baseline.
        words: a sentence.
    """

    sense: Sense
    words: str


def verdict(results: Mapping[str, Mapping[str, float]], metric: str, lower: bool = True) -> Verdict:
    """The model beside its best baseline in one metric, on the test split.

    Args:
        results: name of a predictor ("model", or a baseline) → metric → value.
        metric: its name; of several tasks TASK/METRIC.
        lower: whether lower is better.
    """
    task, _, name = metric.rpartition("/")
    where = f"{task}: " if task else ""
    model = results["model"][metric]
    rivals = {who: found[metric] for who, found in results.items() if who != "model" and metric in found}
    if not rivals:
        return Verdict("unknown", f"{where}{name} {model:.3g} on the test split; there is no baseline to compare with.")
    who, rival = (min if lower else max)(rivals.items(), key=lambda pair: pair[1])
    figures = f"{name} {model:.3g} against {rival:.3g} on the test split"
    ratio = (rival / model if lower else model / rival) if model > 0 and rival > 0 else None
    if ratio is None:
        return Verdict("unknown", f"{where}{figures} ({who}).")
    if ratio > 1 + EVEN:
        return Verdict("better", f"{where}Better than {_named(who)}: {figures}, {_times(ratio)} {_side(lower)}.")
    if ratio < 1 / (1 + EVEN):
        return Verdict("worse", f"{where}Worse than {_named(who)}: {figures}, {_times(1 / ratio)} {_side(not lower)}.")
    return Verdict("even", f"{where}No better than {_named(who)}: {figures}.")


def _named(who: str) -> str:
    meaning = {"persistence": "persistence (the input, unchanged)", "mean field": "the mean field of the training data"}
    return meaning.get(who, who)


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:.0f} times"


def _side(smaller: bool) -> str:
    return "smaller" if smaller else "larger"
