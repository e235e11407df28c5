"""The stages of a run: each is the experiment with a few keys put on top, validated as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from upt_core.config.document import Document
from upt_core.config.overlay import overlaid
from upt_core.config.sections import ExperimentSettings, StageSettings
from upt_core.config.settings import validate
from upt_core.config.tasks import Task, tasks_of
from upt_core.config.yaml_text import Keys
from upt_core.errors import ConfigError, Problem
from upt_core.registry import Registry

OVERRIDDEN = ("sampler", "losses", "trainer", "validation")
STAGES = "stages"


@dataclass(frozen=True)
class Stage:
    """A stage with its whole settings; a run without stages is one stage without a name."""

    name: str
    freeze: tuple[str, ...]
    cache_latents: bool
    settings: ExperimentSettings
    document: Document
    tasks: tuple[Task, ...] = ()


def stages_of(settings: ExperimentSettings, document: Document, registry: Registry) -> list[Stage]:
    """The stages of an experiment, in order.

    Raises:
        ConfigError: with every problem of every stage, and its place.
    """
    if not settings.stages:
        return [Stage("", (), False, settings, document, tuple(tasks_of(settings, document, registry)))]
    problems = list(_own_problems(settings, document))
    stages = []
    for number, stage in enumerate(settings.stages):
        own = overlaid(document, (STAGES, number), OVERRIDDEN, STAGES)
        try:
            whole = validate(own, registry)
            tasks = tuple(tasks_of(whole, own, registry))
            stages.append(Stage(stage.name, tuple(stage.freeze), stage.cache_latents, whole, own, tasks))
        except ConfigError as error:
            problems += [replace(problem, path=(STAGES, number, *problem.path)) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return stages


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
