"""``upt bench loop``: what the trainer adds to a bare loop over the same batches, with the same bundle."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from upt_bench.clock import medians
from upt_bench.main_example import main_example
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Experiment, Trainer
from upt_core.commands import Built

EPOCHS = 3
"""Whole epochs, so that what the trainer does at their ends is in it; validation is in neither of the two."""


def measure(setting: Setting, results: Results) -> None:
    """Both loops in turn, and how long training waits for a checkpoint."""
    setting.say("the trainer beside a bare loop")
    experiment = Experiment.from_yaml(main_example(), [f"trainer.device={setting.device}", *_size(setting.quick)])
    with tempfile.TemporaryDirectory() as folder:
        built = experiment.build()
        trainer = _trainer(experiment, built, Path(folder))
        bare = _bare(experiment, experiment.build())
        found = medians({"trainer": lambda: _again(trainer), "bare": bare}, setting.device, 7, 300.0)
        steps = EPOCHS * built.train.per_epoch
        stall = _stall(trainer)
    results.figures.append(
        Figure(
            "trainer_over_bare_loop",
            "the trainer's time over that of a bare loop with the same bundle",
            found["trainer"] / found["bare"],
            1.03,
            unit="×",
            detail=f"{1e3 * found['trainer'] / steps:.2f} ms and {1e3 * found['bare'] / steps:.2f} ms a step",
        )
    )
    results.figures.append(
        Figure(
            "checkpoint_stall",
            "training waits for a checkpoint, of a step",
            100 * stall / (found["bare"] / steps),
            unit="%",
            detail=f"{1e3 * stall:.2f} ms to copy the state; a thread writes it",
        )
    )


def _size(quick: bool) -> list[str]:
    return ["data.num_trajectories=24", "data.points=64", "sampler.base.num_queries=16"] if quick else []


def _trainer(experiment: Experiment, built: Built, folder: Path) -> Trainer:
    """A trainer as a run has it, but for the validation, which a bare loop would do as well."""
    plan = replace(experiment.plan(), epochs=EPOCHS, budget=None, validate_every=EPOCHS)
    trainer = experiment.trainer(built, folder, plan=plan)
    trainer.validate = lambda: {plan.monitor: 1.0}
    return trainer


def _again(trainer: Trainer) -> None:
    trainer.state = type(trainer.state)()
    trainer.train()


def _bare(experiment: Experiment, built: Built) -> Callable[[], None]:
    """The loop that one would write by hand: batches, losses, gradient, clipping, optimizer, schedule, average."""
    settings, model = experiment.settings.trainer, built.bundle.model
    trainer = _trainer(experiment, built, Path())
    optimizers = experiment.optimizers(model)
    groups = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    schedule, average = experiment.lr_schedule(), trainer.ema

    def loop() -> None:
        trainer.state = type(trainer.state)()
        built.bundle.train()
        for batch in built.train.iterate(0, EPOCHS * built.train.per_epoch):
            progress = trainer.progress()
            losses = built.bundle(batch.to(built.device), progress)
            losses.total.backward()
            if settings.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm, foreach=True)
            for group, rate in groups:
                group["lr"] = rate * schedule(progress)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            if average is not None:
                average.update()
            trainer.state.step += 1

    return loop


def _stall(trainer: Trainer) -> float:
    """Seconds until a checkpoint is handed to its thread, the median of 9."""
    found = []
    for _ in range(9):
        started = time.perf_counter()
        trainer.save_beside()
        found.append(time.perf_counter() - started)
        trainer.finish_saving()
    return sorted(found)[4]
