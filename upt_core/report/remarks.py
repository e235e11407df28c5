"""What a reader should notice in the figures of a run, and what to try."""

from __future__ import annotations

import math
from collections.abc import Iterator

from upt_core.report.load import RunData
from upt_core.report.verdict import verdicts

RISE, FEW = 1.1, 0.3
"""A validation figure that ended this many times above its best has risen; shares of query points below ``FEW``."""


def remarks(run: RunData) -> list[str]:
    """Sentences; none where nothing is out of the ordinary."""
    return [*_against_baselines(run), *_of_validation(run), *_of_sampling(run), *_of_terms(run)]


def _against_baselines(run: RunData) -> Iterator[str]:
    if any(found.sense == "worse" for found in verdicts(run)):
        yield (
            "The model is worse than a baseline without training. Train longer, lower the learning rate, or check "
            "whether the time step is so small that the state hardly changes."
        )


def _of_validation(run: RunData) -> Iterator[str]:
    series = run.series("validation").get(run.monitor)
    if series is None or len(series.value) < 3 or not run.description.get("lower_is_better", True):
        return
    best = int(series.value.argmin())
    if best == len(series.value) - 1 and run.results is not None:
        yield f"The best {run.monitor} is the last one: the model was still improving, so more epochs may help."
    elif series.value[-1] > RISE * series.value[best]:
        yield (
            f"Validation rose from {series.value[best]:.3g} after epoch {series.epoch[best]:.0f} to "
            f"{series.value[-1]:.3g} at the end: the model overfits the training data, or the learning rate is too "
            "high. The checkpoint of the best epoch is kept."
        )


def _of_sampling(run: RunData) -> Iterator[str]:
    for found in run.densities[-1:]:
        share = float(found["effective_share"])
        if share < FEW:
            yield (
                f"The weights of sampler {found['stream']!s} differ so much that its query points are worth only "
                f"{100 * share:.0f} % as many equally weighted points: raise the floor of importance, or mix the "
                "sampler with uniform (mixture)."
            )


def _of_terms(run: RunData) -> Iterator[str]:
    for name, series in run.series("epoch", "gradient_share/").items():
        last = float(series.value[-1])
        if math.isfinite(last) and last < 1e-3:
            yield f"The term {name} has {100 * last:.2g} % of the gradient, so at its weight it has almost no effect."
