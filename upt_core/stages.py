"""The stages of a run: each is the experiment with a few keys put on top, validated as a whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

from upt_core.config import Document
from upt_core.errors import ConfigError, Problem
from upt_core.merge import merge
from upt_core.registry import Registry
from upt_core.sections import ExperimentSettings, StageSettings
from upt_core.settings import validate
from upt_core.yaml_text import Keys, Origins

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


def stages_of(settings: ExperimentSettings, document: Document, registry: Registry) -> list[Stage]:
    """The stages of an experiment, in order.

    Raises:
        ConfigError: with every problem of every stage, and its place.
    """
    if not settings.stages:
        return [Stage("", (), False, settings, document)]
    problems = list(_own_problems(settings, document))
    stages = []
    for number, stage in enumerate(settings.stages):
        own = _document(document, number)
        try:
            stages.append(Stage(stage.name, tuple(stage.freeze), stage.cache_latents, validate(own, registry), own))
        except ConfigError as error:
            problems += [replace(problem, path=(STAGES, number, *problem.path)) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return stages


def _document(document: Document, number: int) -> Document:
    """The experiment's document without its stages, with one stage on top."""
    base = {key: copy.deepcopy(value) for key, value in document.data.items() if key != STAGES}
    below = {path: place for path, place in document.origins.items() if path[:1] != (STAGES,)}
    prefix: Keys = (STAGES, number)
    stage = document.data[STAGES][number]
    top = {key: copy.deepcopy(stage[key]) for key in OVERRIDDEN if key in stage}
    above: Origins = {
        path[2:]: place for path, place in document.origins.items() if path[:2] == prefix and path[2:3] != ()
    }
    data, origins = merge(base, below, top, {path: place for path, place in above.items() if path[0] in OVERRIDDEN})
    if isinstance(data.get("losses"), dict):
        data["losses"] = {name: term for name, term in data["losses"].items() if term is not None}
    return Document(data, origins)


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
