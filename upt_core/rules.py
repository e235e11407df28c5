"""Rules of an experiment that look at more than one value and need no data."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from upt_core.batch import Progress
from upt_core.config import Document
from upt_core.errors import Problem
from upt_core.kinds import Encoder, FixedValue, LossTerm, Schedule
from upt_core.overrides import COMMAND_LINE
from upt_core.sections import ExperimentSettings
from upt_core.yaml_text import Keys

MAX_EPOCHS_TRIED = 1000
"""A longer run is looked at in that many epochs, evenly spread."""


def broken_rules(settings: ExperimentSettings, document: Document) -> list[Problem]:
    """What is wrong with an experiment whose every value is right by itself."""
    found = [*_terms(settings), *_weights(settings, document), *_monitor(settings), *_precision(settings)]
    return [Problem(path, message, document.origin(path), hint) for path, message, hint in found]


Found = Iterator[tuple[Keys, str, str]]


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


def _weights(settings: ExperimentSettings, document: Document) -> Found:
    """Terms that never act. Where no file says how long the run is (an override, or Python), a short trial is meant."""
    weights = {name: config.weight for name, config in settings.losses.items()}
    if all(isinstance(weight, FixedValue) and weight.value == 0 for weight in weights.values()):
        yield ("losses",), "every loss term has weight 0, so nothing would be trained", "give one of them a weight"
    written = document.origin(("trainer", "epochs"))
    if not written or written.startswith(COMMAND_LINE):
        return
    epochs = settings.trainer.epochs
    for name, weight in weights.items():
        if _is_zero(weight, epochs):
            hint = "shorten its warm-up, lengthen trainer.epochs, or write weight: 0 to switch it off"
            yield ("losses", name, "weight"), f"is 0 in all {epochs} epochs, so the term never acts", hint
    if _is_zero(settings.trainer.lr_schedule, epochs):
        yield ("trainer", "lr_schedule"), f"is 0 in all {epochs} epochs, so nothing would be trained", ""


def _is_zero(weight: Any, epochs: int) -> bool:
    """Whether a schedule (not a plain number) is 0 in the whole run."""
    if isinstance(weight, FixedValue):
        return False
    schedule: Schedule = weight.build()
    stride = max(1, epochs // MAX_EPOCHS_TRIED)
    tried = [*range(0, epochs, stride), epochs - 1]
    return all(schedule(Progress(e, epochs, position=e + part)) == 0 for e in tried for part in (0.0, 0.5))


def _monitor(settings: ExperimentSettings) -> Found:
    monitor, metrics = settings.validation.monitor, list(settings.validation.metrics)
    if monitor is not None and monitor not in metrics:
        near = difflib.get_close_matches(monitor, metrics, n=1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        yield ("validation", "monitor"), f"no metric is called {monitor!r}; there are: {', '.join(metrics)}", hint


def _precision(settings: ExperimentSettings) -> Found:
    if settings.trainer.precision == "fp16" and settings.trainer.device == "cpu":
        yield ("trainer", "precision"), "fp16 needs CUDA", "use bf16 or fp32 on the CPU"
