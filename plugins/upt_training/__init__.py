"""The built-in schedules, metrics and optimizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upt_core import hookimpl

if TYPE_CHECKING:
    from upt_core.hookspecs import Register


@hookimpl
def register_schedules(register: Register) -> None:
    """Registers the schedules by path: none is imported before it is used."""
    register("constant", "upt_training.constant:Constant")
    register("linear", "upt_training.linear:Linear")
    register("cosine", "upt_training.cosine:Cosine")
    register("curriculum", "upt_training.curriculum:Curriculum")


@hookimpl
def register_metrics(register: Register) -> None:
    """Registers the metrics by path."""
    register("relative_l2", "upt_training.relative_l2:RelativeL2")


@hookimpl
def register_optimizers(register: Register) -> None:
    """Registers the optimizers by path."""
    register("adamw", "upt_training.adamw:AdamW")
