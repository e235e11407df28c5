"""Rules on what begins, or is warm, only after the run has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from upt_core.config.document import Document
from upt_core.config.explain import DEFAULT, explain
from upt_core.config.overrides import COMMAND_LINE
from upt_core.config.sections import ExperimentSettings
from upt_core.config.yaml_text import Keys
from upt_core.kinds import FixedValue, Schedule
from upt_core.progress import Progress

MAX_EPOCHS_TRIED = 1000
"""A longer run is looked at in that many epochs, evenly spread."""

Found = Iterator[tuple[Keys, str, str]]


def too_short(settings: ExperimentSettings, document: Document) -> Found:
    """Path, message and hint of each thing for which a run is too short, where a file says how long it is.

    Where an override or Python says it, a short trial is meant; a run that is read back may have been such a trial;
    with stages, each of them is looked at by itself.
    """
    written = document.origin(("trainer", "epochs"))
    if not written or written.startswith(COMMAND_LINE) or _is_run(written) or settings.stages:
        return
    never = list(_never(settings))
    yield from never
    yield from _too_late(settings, document, [path for path, _, _ in never])


def _is_run(origin: str) -> bool:
    """Whether a place is in the configuration that is kept with a run."""
    file = Path(origin.rsplit(":", 2)[0])
    return file.name == "config.yaml" and (file.parent / "environment.json").is_file()


def _never(settings: ExperimentSettings) -> Found:
    """Schedules that are 0 from the first epoch to the last."""
    epochs = settings.trainer.epochs
    for name, config in settings.losses.items():
        if _is_zero(config.weight, epochs):
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


def _too_late(settings: ExperimentSettings, document: Document, known: list[Keys]) -> Found:
    """Values that are written, not defaults; a parameter of one of these names counts the run's epochs."""
    epochs = settings.trainer.epochs
    for path, value, origin in explain(document, settings):
        if origin == DEFAULT or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if path[0] not in ("sampler", "losses", "trainer") or any(path[: len(other)] == other for other in known):
            continue
        if path[-1] == "start_epoch" and value >= epochs:
            hint = "begin earlier, or lengthen trainer.epochs; epochs count from 0"
            yield path, f"is {value}, but the last of {epochs} epochs is {epochs - 1}", hint
        if path[-1] == "warmup_epochs" and value > epochs:
            hint = "shorten the warm-up, or lengthen trainer.epochs"
            yield path, f"is {value}, longer than the run of {epochs} epochs", hint
