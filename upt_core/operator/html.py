"""An operator as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upt_core import html
from upt_core.figures import number
from upt_core.operator import described


def summary(found: Mapping[str, Any], run: str | None, test: dict[str, dict[str, float]] | None) -> str:
    """HTML of what ``upt info`` says: fields, box, parts, training data, test; origin and scales are folded away.

    Args:
        found: what ``upt_core.operator.facts`` says of an operator.
        run: name of its run.
        test: figures of its test: predictor → metric → value.
    """
    return html.block(
        f"Operator of the run {run}" if run else "Operator",
        html.described(described.summary(found)),
        results(test) if test else "",
        html.folded("origin, versions and scales", html.described(described.details(found))),
    )


def results(predictors: dict[str, dict[str, float]]) -> str:
    """HTML of the metrics of the model beside those of the baselines, on the test split."""
    metrics = list(next(iter(predictors.values())))
    rows = [[name, *(number(values[metric]) for metric in metrics)] for name, values in predictors.items()]
    return html.figures(["test", *metrics], rows)
