"""Numbers that go bad in one of several processes, by policy. See ``scenarios``."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
import torch
from scenarios import ADAMW, FSDP, plain_state, trainer_of, with_trainer
from torch import Tensor

from upt_core import Experiment, LossTerm, Step
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.processes import Processes
from upt_core.run.built import Built
from upt_core.shards import whole_state
from upt_core.training import saver
from upt_core.training.guard import all_finite
from upt_core.training.trainer import Trainer

BAD = float("nan")


class Odd(LossTerm):
    """A usual term, times a factor in one process at some steps.

    Args:
        once: at each of them the first time only.
    """

    def __init__(self, rank: int, steps: tuple[int, ...], factor: float = BAD, once: bool = False) -> None:
        self.rank, self.steps, self.factor, self.once = rank, set(steps), factor, once

    def __call__(self, step: Step) -> Tensor:
        value = step.mean((step.predicted() - step.target()).square().mean(-1))
        now = step.progress
        if now.rank != self.rank or now.step not in self.steps:
            return value
        if self.once:
            self.steps.remove(now.step)
        return value * self.factor


def bad_numbers(processes: Processes, folder: Path) -> dict[str, Any]:
    """Policy and strategy → how the run ended; the numbers go bad in the last process."""
    last = processes.size - 1
    cases: dict[str, tuple[Odd, dict[str, Any]]] = {
        "stop": (Odd(last, (5,)), {"on_nan": "stop", "checkpoint": {"every_steps": 2}}),
        "skip": (Odd(last, (3, 4)), {"on_nan": "skip"}),
        "spike": (Odd(last, (28,), 1e6), {"on_nan": "stop", "max_gradient_spike": 10, "epochs": 4}),
        "rewind": (Odd(last, (5,), once=True), {"on_nan": "rewind"}),
        "for ever": (Odd(last, (5,)), {"on_nan": "rewind"}),
    }
    return {
        f"{name} {strategy}": _trained(
            term, {**settings, "strategy": strategy}, folder / f"{name}-{strategy}", processes
        )
        for strategy in ("ddp", "fsdp")
        for name, (term, settings) in cases.items()
    }


def _trained(term: Odd, settings: dict[str, Any], folder: Path, processes: Processes) -> dict[str, Any]:
    term = Odd(term.rank, tuple(term.steps), term.factor, term.once)
    common = {**ADAMW, "accumulate": 1, "epochs": 2, "log_every": 1, "clip_norm": None}
    trainer, built = trainer_of(with_trainer({}, **{**common, **settings}), folder, processes)
    assert isinstance(built, Built)
    trainer.bundle = LossBundle(built.bundle.model, [WeightedTerm("odd", term, FixedValue(1.0))], built.bundle.data)
    told = io.StringIO()
    with redirect_stderr(told):
        error, notes = _error_of(trainer)
    weights: dict[str, Tensor] = whole_state(trainer.bundle.model.state_dict())
    number = trainer.batches[5].points.sample_id_B
    return {
        "error": error,
        "notes": notes,
        "said": told.getvalue(),
        "weights": weights,
        "finite": all_finite(weights.values()),
        "state": {name: getattr(trainer.state, name) for name in ("step", "updates", "skipped")},
        "lr": trainer.control.lr_factor,
        "rows": torch.zeros(0) if number is None else number,
        "all": trainer.plan.epochs * trainer.batches.per_epoch,
    }


def from_yaml(processes: Processes, folder: Path) -> str:
    """Trains ``tiny.yaml`` of a folder."""
    return str(Experiment.from_yaml(folder / "tiny.yaml", [f"output={folder / 'runs'}"]).train().folder)


def no_best(processes: Processes, folder: Path) -> dict[str, Any]:
    """The first of several processes cannot write the best state for a while; all divide the model."""
    run = folder / "no-best"
    in_the_way = run / "checkpoints" / "best.pt" / "a folder"
    settings = {**ADAMW, **FSDP, "accumulate": 1, "epochs": 3, "log_every": 1, "checkpoint": {"every_steps": 2}}
    trainer, _ = trainer_of(with_trainer({}, **settings), run, processes)
    update = trainer.update

    def makes_room(window: Any, means: Any) -> None:
        update(window, means)
        if processes.is_first and trainer.state.step == 14:
            shutil.rmtree(in_the_way.parent)

    trainer.update = makes_room  # type: ignore[method-assign]
    processes.of_first(lambda: in_the_way.mkdir(parents=True))
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(told):
        patch.setattr(saver, "RETRY_SECONDS", 0.0)
        error, _ = _error_of(trainer)
    return {"error": error, "said": told.getvalue(), "state": plain_state(trainer)}


def _error_of(trainer: Trainer) -> tuple[str, list[str]]:
    try:
        trainer.train()
    except Exception as error:
        return f"{type(error).__name__}: {error}", list(getattr(error, "__notes__", []))
    return "", []
