"""The built-in schedules."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_schedules(register: Register) -> None:
    """Registers the schedules by path: none is imported before it is used."""
    register("constant", "upt_schedules.constant:Constant")
    register("linear", "upt_schedules.linear:Linear")
    register("cosine", "upt_schedules.cosine:Cosine")
    register("curriculum", "upt_schedules.curriculum:Curriculum")
    register("warmup_cosine", "upt_schedules.warmup_cosine:WarmupCosine")
    register("warmup_stable_decay", "upt_schedules.warmup_stable_decay:WarmupStableDecay")
