"""The tasks of an experiment: several data sets, each with its own encoder and decoder, and one approximator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from upt_core.config.document import Document
from upt_core.config.overlay import overlaid
from upt_core.config.plain import as_plain
from upt_core.config.sections import ExperimentSettings
from upt_core.config.settings import validate
from upt_core.config.yaml_text import Keys
from upt_core.errors import ConfigError, Problem
from upt_core.registry import Registry

TASKS = "tasks"
OVERRIDDEN = ("data", "normalize", "mean", "model", "sampler", "losses", "validation")


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


def tasks_of(settings: ExperimentSettings, document: Document, registry: Registry) -> list[Task]:
    """The tasks of an experiment, in order; none where it has one data set.

    Raises:
        ConfigError: with every problem of every task, and its place.
    """
    tasks: list[Task] = []
    problems: list[Problem] = []
    for name, task in settings.tasks.items():
        own = overlaid(document, (TASKS, name), OVERRIDDEN, TASKS)
        try:
            tasks.append(Task(name, task.weight, validate(own, registry), own))
        except ConfigError as error:
            problems += [replace(problem, path=(TASKS, name, *problem.path)) for problem in error.problems]
    problems += _shared_problems(tasks, settings, document)
    if problems:
        raise ConfigError(problems)
    return tasks


def _shared_problems(tasks: list[Task], settings: ExperimentSettings, document: Document) -> Iterator[Problem]:
    """The approximator and the latent state are one for all tasks, and so is the metric that decides."""
    for task in tasks:
        for key in ("latent", "approximator"):
            if as_plain(getattr(task.settings.model, key)) != as_plain(getattr(settings.model, key)):
                path: Keys = (TASKS, task.name, "model", key)
                yield Problem(path, "all tasks share it; set it in the experiment's model", document.origin(path))
        if settings.validation.monitored not in task.settings.validation.metrics:
            path = (TASKS, task.name, "validation")
            message = f"lacks the metric {settings.validation.monitored!r}, whose mean over the tasks decides"
            yield Problem(path, message, document.origin(path))
