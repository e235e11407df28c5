"""Rules of an experiment that look at more than one value and need no data."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from upt_core.config.document import Document
from upt_core.config.run_length import too_short
from upt_core.config.sections import ExperimentSettings
from upt_core.config.yaml_text import Keys
from upt_core.errors import Problem
from upt_core.kinds import FixedValue, LossTerm

if TYPE_CHECKING:
    from upt_core.parts import Encoder


def broken_rules(settings: ExperimentSettings, document: Document) -> list[Problem]:
    """What is wrong with an experiment whose every value is right by itself."""
    found = [
        *_data(settings),
        *_terms(settings),
        *_all_off(settings),
        *too_short(settings, document),
        *_monitor(settings),
        *_precision(settings),
    ]
    return [Problem(path, message, document.origin(path), hint) for path, message, hint in found]


Found = Iterator[tuple[Keys, str, str]]


def _data(settings: ExperimentSettings) -> Found:
    if settings.data is None and not settings.tasks:
        yield ("data",), "is missing", "name a data set, or several tasks with a data set each"
    if settings.data is not None and settings.tasks:
        yield ("data",), "stands beside tasks, which have data sets of their own", "move it into a task"


def _terms(settings: ExperimentSettings) -> Found:
    """Terms that cannot work with the encoder, or with the sampler that is written beside them."""
    encoder: type[Encoder] = settings.model.encoder.plugin
    for name, config in settings.losses.items():
        term: LossTerm = config.build()
        sampler = config.sampler.build() if config.sampler is not None else None
        if sampler is not None and not term.pointwise:
            yield ("losses", name, "sampler"), "this term looks at all points", "remove its sampler"
            continue
        try:
            term.check_parts(encoder, sampler)
        except ValueError as error:
            yield ("losses", name), str(error), ""


def _all_off(settings: ExperimentSettings) -> Found:
    weights = [config.weight for config in settings.losses.values()]
    if all(isinstance(weight, FixedValue) and weight.value == 0 for weight in weights):
        yield ("losses",), "every loss term has weight 0, so nothing would be trained", "give one of them a weight"


def _monitor(settings: ExperimentSettings) -> Found:
    monitor, metrics = settings.validation.monitor, list(settings.validation.metrics)
    if monitor is not None and monitor not in metrics:
        near = difflib.get_close_matches(monitor, metrics, n=1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        yield ("validation", "monitor"), f"no metric is called {monitor!r}; there are: {', '.join(metrics)}", hint


def _precision(settings: ExperimentSettings) -> Found:
    if settings.trainer.precision == "fp16" and settings.trainer.device == "cpu":
        yield ("trainer", "precision"), "fp16 needs CUDA", "use bf16 or fp32 on the CPU"
