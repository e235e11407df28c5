"""``stages`` of the old form → the trainer of the run, or ``stages`` of the new form where there are several."""

from __future__ import annotations

import re
from collections.abc import Mapping

from upt_convert.training import EPOCHS, translate_trainer
from upt_convert.translation import Translation
from upt_core.commands import shown

OTHER_METHODS = ("diff", "consistency", "distill", "steady", "prior")
"""Stages with such a word in their name train something else than encoder, approximator and decoder."""


def translate_stages(t: Translation) -> None:
    """One stage says how the run is trained; of several, each is a stage of the run."""
    names = [name for name in _names(t) if not _is_left_out(t, name)]
    if len(names) == 1:
        _single(t, f"stages.{names[0]}")
        return
    for number, name in enumerate(names):
        _stage(t, name, f"stages.{number}")
    if names:
        _as_list(t)
        for key in ("epochs", "optimizer"):
            first = t.made("stages")[0].get("trainer", {}).get(key)
            if t.made(f"trainer.{key}") is None and first is not None:
                t.put(f"trainer.{key}", first, f"stages.{names[0]}")


def _names(t: Translation) -> list[str]:
    stages = t.get("stages", {})
    if not isinstance(stages, Mapping):
        t.problem("stages", f"expected a mapping of stages by name; got {shown(stages)}")
        return []
    for name, stage in stages.items():
        if not isinstance(stage, Mapping | None):
            t.problem(f"stages.{name}", f"expected a mapping of keys; got {shown(stage)}")
    return [str(name) for name, stage in stages.items() if isinstance(stage, Mapping) and "." not in str(name)]


def _is_left_out(t: Translation, name: str) -> bool:
    """Whether a stage trains nothing that could be trained here; where it has no epochs, that is said."""
    epochs = t.first(f"stages.{name}", EPOCHS)
    if epochs is not None and t.get(epochs) == 0:
        t.say(f"stages.{name}", "no stage: it has 0 epochs")
        return True
    return any(word in name.lower() for word in OTHER_METHODS)


def _single(t: Translation, section: str) -> None:
    """The stage's values go over those of ``training``."""
    translate_trainer(t, section, "trainer", "validation")
    for key in _same_keys(t, section):
        t.say(f"training.{key}", f"not used: {section}.{key} sets it")


def _same_keys(t: Translation, section: str) -> list[str]:
    training = t.get("training", {})
    return [key for key in t.get(section) if isinstance(training, Mapping) and key in training]


def _stage(t: Translation, name: str, new: str) -> None:
    """One stage of several."""
    old = f"stages.{name}"
    t.put(new, {"name": re.sub(r"[^A-Za-z0-9_-]", "_", name)}, old)
    translate_trainer(t, old, f"{new}.trainer", f"{new}.validation")
    t.move(t.first(old, ("freeze", "frozen")), f"{new}.freeze")


def _as_list(t: Translation) -> None:
    """Stages were collected as a mapping of numbers; the new form has a list."""
    t.new.data["stages"] = list(t.made("stages").values())
    numbered = {path: place for path, place in t.new.origins.items() if path[:1] == ("stages",) and len(path) > 1}
    for path, place in numbered.items():
        del t.new.origins[path]
        t.new.origins["stages", int(path[1]), *path[2:]] = place
