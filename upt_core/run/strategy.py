"""How several processes hold a model: each the whole of it, or parts of it, and what cannot be trained in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from upt_core.config.document import Document
from upt_core.config.settings import Stage
from upt_core.errors import ConfigError, Problem
from upt_core.loss_bundle import LossBundle
from upt_core.precision import Precision
from upt_core.processes import Processes
from upt_core.task_bundle import TaskBundle

if TYPE_CHECKING:
    from upt_core.training.sharding import Sharding


def check_strategy(stages: Sequence[Stage], processes: Processes) -> None:
    """Refuses what cannot be trained in parts, before anything is built.

    Raises:
        ConfigError: parts are compiled, stages differ, or torch is too old.
    """
    trainers = [stage.settings.trainer for stage in stages]
    if not processes.several or all(trainer.strategy != "fsdp" for trainer in trainers):
        return
    document = stages[0].document
    for key in ("strategy", "precision"):
        found = list(dict.fromkeys(str(getattr(trainer, key)) for trainer in trainers))
        if len(found) > 1:
            raise _problem(
                document,
                key,
                f"stages have {', '.join(found)}, but fsdp divides one model for all stages; give all "
                "stages the same value",
            )
    if any(trainer.compile for trainer in trainers):
        raise _problem(document, "compile", "is true, but fsdp does not compile; use strategy: ddp, or compile: false")
    from torch.distributed.fsdp import FSDPModule

    if not hasattr(FSDPModule, "reset_iter_state"):
        raise _problem(
            document, "strategy", f"is fsdp, which needs torch 2.13 or later; this is {torch.__version__}; use ddp"
        )


def shard(bundle: LossBundle | TaskBundle, precision: Precision, processes: Processes) -> Sharding:
    """Divides a bundle's model over the processes."""
    from upt_core.training.sharding import Sharding  # late: torch loads much for it

    sharding = Sharding(bundle.model, precision, processes)

    def most(count: int) -> int:
        return count if sharding.whole else max(processes.of_all(count))

    for part in bundle.parts.values():
        part.recompute = replace(part.recompute, most=most)
    return sharding


def _problem(document: Document, key: str, message: str) -> ConfigError:
    path = ("trainer", key)
    return ConfigError([Problem(path, message, document.origin(path))])
