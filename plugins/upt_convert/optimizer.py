"""``optimizer`` of the old form, muon_hybrid included → ``trainer.optimizer`` and ``trainer.lr_schedule``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upt_convert.translation import Translation
from upt_core.commands import shown

NAMES = {"muon_hybrid": "muon", "muonhybrid": "muon", "adam": "adamw", "adamw_fused": "adamw"}
"""Old name → the optimizer's name here, where they differ."""
PARAMETERS: dict[str, tuple[str, ...]] = {
    "lr": ("lr", "learning_rate", "muon_lr"),
    "weight_decay": ("weight_decay", "muon_weight_decay"),
    "momentum": ("momentum", "muon_momentum"),
    "nesterov": ("nesterov", "muon_nesterov"),
    "ns_steps": ("ns_steps", "muon_ns_steps"),
    "eps": ("eps",),
    "beta1": ("beta1",),
    "beta2": ("beta2",),
}
"""Parameter here → its spellings in the old form."""
COSINE = ("cosine", "cosineannealing", "cosineannealinglr", "cosine_annealing", "warmup_cosine")


def translate_optimizer(t: Translation, section: str, new: str) -> bool:
    """The optimizer of a section, and its learning-rate schedule; whether it names one.

    Args:
        section: ``training`` or ``stages.NAME``.
        new: where the trainer's keys go: ``trainer``, or ``stages.0.trainer``.
    """
    old = f"{section}.optimizer"
    found = t.get(old)
    if found is not None and not isinstance(found, str | Mapping):
        t.problem(old, f"expected an optimizer's name, or a mapping with its name; got {shown(found)}")
        return True
    if isinstance(found, str):
        _name(t, old, found, f"{new}.optimizer", old)
    elif isinstance(found, Mapping):
        key = f"{old}.name" if t.has(f"{old}.name") else f"{old}.type"
        _name(t, key, t.get(key, "adamw"), f"{new}.optimizer", old)
    inside = old if isinstance(found, Mapping) else section
    if found is not None or t.first(section, PARAMETERS["lr"]):
        if found is None:
            _name(t, old, "adamw", f"{new}.optimizer", inside)
        _parameters(t, inside, f"{new}.optimizer")
    _schedule(t, section, new)
    return found is not None


def translate_root_optimizer(t: Translation) -> None:
    """``optimizer`` at the root, where neither ``training`` nor the run's stage names one."""
    found = t.get("optimizer")
    if found is None:
        return
    if not isinstance(found, str | Mapping):
        t.problem("optimizer", f"expected an optimizer's name, or a mapping with its name; got {shown(found)}")
        return
    if t.made("trainer.optimizer.name") is not None:
        t.say("optimizer", "not used: training or a stage names its own")
        return
    if isinstance(found, str):
        _name(t, "optimizer", found, "trainer.optimizer", "optimizer")
        return
    key = "optimizer.name" if t.has("optimizer.name") else "optimizer.type"
    _name(t, key, t.get(key, "adamw"), "trainer.optimizer", "optimizer")
    _parameters(t, "optimizer", "trainer.optimizer")


def _name(t: Translation, key: str, name: Any, new: str, old: str) -> None:
    """The optimizer's name. Nothing but AdamW is meant where none is given."""
    name = NAMES.get(name.lower(), name.lower()) if isinstance(name, str) else name
    t.put(new, {"name": name}, old)
    t.put(f"{new}.name", name, key)
    t.say(key, f"{new}.name: {shown(name)}")


def _parameters(t: Translation, old: str, new: str) -> None:
    for parameter, spellings in PARAMETERS.items():
        t.move(t.first(old, spellings), f"{new}.{parameter}")
    betas = t.get(f"{old}.betas")
    if betas is None:
        return
    if not (isinstance(betas, list) and len(betas) == 2):
        t.problem(f"{old}.betas", f"expected a list of two numbers; got {shown(betas)}")
        return
    for parameter, beta in zip(("beta1", "beta2"), betas, strict=True):
        t.put(f"{new}.{parameter}", beta, f"{old}.betas")
    t.say(f"{old}.betas", f"{new}.beta1: {shown(betas[0])} and {new}.beta2: {shown(betas[1])}")


def _schedule(t: Translation, section: str, new: str) -> None:
    """A cosine schedule of the learning rate; others have no counterpart and are reported as such."""
    old = t.first(section, ("scheduler", "lr_scheduler", "lr_schedule"))
    if old is None:
        _warm_up(t, section, new)
        return
    found = t.get(old)
    key = old if isinstance(found, str) else f"{old}.name" if t.has(f"{old}.name") else f"{old}.type"
    name = t.get(key)
    if not (isinstance(name, str) and name.lower() in COSINE):
        return
    t.put(f"{new}.lr_schedule", {"name": "warmup_cosine", "warmup_epochs": 0}, old)
    t.say(key, f"{new}.lr_schedule.name: warmup_cosine")
    warmup = t.first(old, ("warmup_epochs", "warmup")) or t.first(section, ("warmup_epochs",))
    t.move(warmup, f"{new}.lr_schedule.warmup_epochs")
    _lowest_rate(t, old, new)


def _warm_up(t: Translation, section: str, new: str) -> None:
    """A warm-up alone: the rate rises to its value and stays there."""
    warmup = t.first(section, ("warmup_epochs",))
    if warmup is None:
        return
    t.put(f"{new}.lr_schedule", {"name": "warmup_cosine", "final": 1.0}, warmup)
    t.move(warmup, f"{new}.lr_schedule.warmup_epochs")


def _lowest_rate(t: Translation, old: str, new: str) -> None:
    """The rate at the end, which is a factor of the first one here."""
    lowest = t.first(old, ("eta_min", "min_lr"))
    rate = t.made(f"{new}.optimizer.lr")
    if lowest is None or not isinstance(rate, int | float) or not rate:
        return
    final = t.number(lowest, 0.0) / rate
    t.put(f"{new}.lr_schedule.final", final, lowest)
    t.say(lowest, f"{new}.lr_schedule.final: {final:g} (of lr {rate:g})")
