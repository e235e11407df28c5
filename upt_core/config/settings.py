"""A document → the validated experiment, its tasks and its stages, or every problem that they have."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from upt_core.config.document import Document
from upt_core.config.merge import COMMAND_LINE, merge
from upt_core.config.problems import nothing_to_remove, problems_of
from upt_core.config.sections import ExperimentSettings, StageSettings, as_plain
from upt_core.config.yaml_text import Keys
from upt_core.errors import ConfigError, Problem
from upt_core.kinds import FixedValue, Schedule
from upt_core.progress import Progress
from upt_core.registry import Registry

if TYPE_CHECKING:
    from upt_core.model import Encoder
    from upt_core.step import LossTerm


TASKS, STAGES = "tasks", "stages"
OF_A_TASK = ("data", "normalize", "mean", "model", "sampler", "losses", "validation")
OF_A_STAGE = ("sampler", "losses", "trainer", "validation")
"""Keys that a task, and a stage, may put on top of the experiment's."""
MAX_EPOCHS_TRIED = 1000
"""A longer run is looked at in that many epochs, evenly spread."""
Found = Iterator[tuple[Keys, str, str]]


@dataclass(frozen=True)
class Task:
    """A task with its whole settings.

    Args:
        weight: its share of the batches, relative to the other tasks.
    """

    name: str
    weight: float
    settings: ExperimentSettings
    document: Document


@dataclass(frozen=True)
class Stage:
    """A stage with its whole settings; a run without stages is one stage without a name."""

    name: str
    freeze: tuple[str, ...]
    cache_latents: bool
    settings: ExperimentSettings
    document: Document
    tasks: tuple[Task, ...] = ()


def validate(document: Document, registry: Registry) -> ExperimentSettings:
    """The experiment of a document.

    With an outlined registry keys, types, bounds and names are checked, which needs no torch; what constructors refuse
    and what values mean together are left out, and nothing can be built.

    Raises:
        ConfigError: with every problem that was found, each with its place.
    """
    try:
        settings = ExperimentSettings.model_validate(document.data, context={"registry": registry})
    except ValidationError as error:
        raise ConfigError(problems_of(error, document, registry)) from error
    problems = [] if registry.outlined else broken_rules(settings, document)
    if problems:
        raise ConfigError(problems)
    return settings


def stages_of(settings: ExperimentSettings, document: Document, registry: Registry) -> list[Stage]:
    """The stages of an experiment, in order.

    Raises:
        ConfigError: with every problem of every stage, and its place.
    """
    problems = list(_removals(document))
    if not settings.stages and not problems:
        return [Stage("", (), False, settings, document, tuple(tasks_of(settings, document, registry)))]
    problems += _own_problems(settings, document)
    stages = []
    for number, stage in enumerate(settings.stages):
        own = overlaid(document, (STAGES, number), OF_A_STAGE, STAGES)
        try:
            whole = validate(own, registry)
            tasks = tuple(tasks_of(whole, own, registry))
            stages.append(Stage(stage.name, tuple(stage.freeze), stage.cache_latents, whole, own, tasks))
        except ConfigError as error:
            problems += [replace(problem, path=(STAGES, number, *problem.path)) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return stages


def tasks_of(settings: ExperimentSettings, document: Document, registry: Registry) -> list[Task]:
    """The tasks of an experiment, in order; none where it has one data set.

    Raises:
        ConfigError: with every problem of every task, and its place.
    """
    tasks: list[Task] = []
    problems: list[Problem] = []
    for name, task in settings.tasks.items():
        own = overlaid(document, (TASKS, name), OF_A_TASK, TASKS)
        try:
            tasks.append(Task(name, task.weight, validate(own, registry), own))
        except ConfigError as error:
            problems += [replace(problem, path=(TASKS, name, *problem.path)) for problem in error.problems]
    problems += _shared_problems(tasks, settings, document)
    if problems:
        raise ConfigError(problems)
    return tasks


def overlaid(document: Document, prefix: Keys, keys: Sequence[str], without: str) -> Document:
    """The document, without one of its keys, with those ``keys`` of the mapping at ``prefix`` put on top.

    Loss terms that are set to null are taken away. Values keep the places that they came from.
    """
    base = {key: copy.deepcopy(value) for key, value in document.data.items() if key != without}
    below = {path: place for path, place in document.origins.items() if path[:1] != (without,)}
    part: Any = document.data
    for key in prefix:
        part = part[key]
    top = {key: copy.deepcopy(part[key]) for key in keys if key in part}
    depth = len(prefix)
    above = {
        path[depth:]: place
        for path, place in document.origins.items()
        if path[:depth] == prefix and len(path) > depth and path[depth] in keys
    }
    data, origins = merge(base, below, top, above)
    if isinstance(data.get("losses"), dict):
        data["losses"] = {name: term for name, term in data["losses"].items() if term is not None}
    return Document(data, origins)


def _removals(document: Document) -> Iterator[Problem]:
    """Stages and tasks that take away loss terms which neither the experiment nor a task has."""
    sections: list[tuple[Keys, Any]] = [((STAGES, i), part) for i, part in enumerate(document.data.get(STAGES, []))]
    sections += [((TASKS, name), part) for name, part in document.data.get(TASKS, {}).items()]
    everywhere = [document.data, *(part for _, part in sections)]
    known = {str(name) for part in everywhere for name, term in part.get("losses", {}).items() if term is not None}
    for prefix, part in sections:
        for name in [name for name, term in part.get("losses", {}).items() if term is None and str(name) not in known]:
            path: Keys = (*prefix, "losses", name)
            yield nothing_to_remove(path, document.origin(path), sorted(known))


def _own_problems(settings: ExperimentSettings, document: Document) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, stage in enumerate(settings.stages):
        path: Keys = (STAGES, number)
        if stage.name in seen:
            where = (*path, "name")
            yield Problem(where, f"stage {seen[stage.name] + 1} is called {stage.name!r} too", document.origin(where))
        seen[stage.name] = number
        yield from _frozen_problems(stage, path, document)


def _frozen_problems(stage: StageSettings, path: Keys, document: Document) -> Iterator[Problem]:
    if stage.cache_latents and "encoder" not in stage.freeze:
        where = (*path, "cache_latents")
        hint = "add encoder to freeze, or remove cache_latents"
        yield Problem(where, "latents change while the encoder trains", document.origin(where), hint)
    if len(set(stage.freeze)) == 3:
        where = (*path, "freeze")
        yield Problem(where, "with all parts frozen there is nothing to train", document.origin(where))


def _shared_problems(tasks: list[Task], settings: ExperimentSettings, document: Document) -> Iterator[Problem]:
    """The approximator and the latent state are one for all tasks, and so is the metric that decides."""
    for task in tasks:
        for key in ("latent", "approximator"):
            if as_plain(getattr(task.settings.model, key)) != as_plain(getattr(settings.model, key)):
                path: Keys = (TASKS, task.name, "model", key)
                yield Problem(path, "all tasks share it; set it in the experiment's model", document.origin(path))
        if settings.validation.monitored not in task.settings.validation.metrics:
            path = (TASKS, task.name, "validation")
            message = (
                f"lacks the metric {settings.validation.monitored!r}, whose mean over the tasks decides which "
                "checkpoint is the best"
            )
            yield Problem(path, message, document.origin(path))


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


def _data(settings: ExperimentSettings) -> Found:
    if settings.data is None and not settings.tasks:
        yield ("data",), "is missing", "name a data set, or several tasks, each with a data set"
    if settings.data is not None and settings.tasks:
        yield ("data",), "is given together with tasks, and each task has its own data set", "move it into a task"


def _terms(settings: ExperimentSettings) -> Found:
    """Terms that cannot work with the encoder, or with the sampler that is written beside them."""
    encoder: type[Encoder] = settings.model.encoder.plugin
    for name, config in settings.losses.items():
        term: LossTerm = config.build()
        sampler = config.sampler.build() if config.sampler is not None else None
        if sampler is not None and not term.pointwise:
            yield ("losses", name, "sampler"), "this term uses all points", "remove its sampler"
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
    written = [found for key in ("sampler", "losses", "trainer") for found in _numbers(document.data.get(key), (key,))]
    for path, value in written:
        if any(path[: len(other)] == other for other in known):
            continue
        if path[-1] == "start_epoch" and value >= epochs:
            hint = "begin earlier, or lengthen trainer.epochs; epochs count from 0"
            yield path, f"is {value}, but the last of {epochs} epochs is {epochs - 1}", hint
        if path[-1] == "warmup_epochs" and value > epochs:
            hint = "shorten the warm-up, or lengthen trainer.epochs"
            yield path, f"is {value}, longer than the run of {epochs} epochs", hint


def _numbers(value: Any, path: Keys) -> Iterator[tuple[Keys, float]]:
    """Every number in a part of a document, with its path."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _numbers(item, (*path, key))
