"""What the trainer adds to a bare loop over the same batches, with the same bundle, and what terms of weight 0 add."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from upt_bench.clock import times
from upt_bench.main_example import main_example
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_bench.three_losses import whole_step
from upt_core import Experiment, Trainer
from upt_core.commands import Built

EPOCHS = 10
"""Whole epochs, so that what the trainer does at their ends, and once at the end of the run, is in it as in a short
run; validation is in neither of the two."""
FIRST = "{forward: {name: forward, norm: relative}}"
LATER = ("inverse_encoding", "consistency")
"""Terms that a run may begin without."""


def measure(setting: Setting, results: Results) -> None:
    """Both loops in turn, how long training waits for a checkpoint, and steps before terms have a weight."""
    setting.say("the trainer beside a bare loop")
    experiment = _experiment(setting)
    with tempfile.TemporaryDirectory() as folder:
        built = experiment.build()
        trainer = _trainer(experiment, built, Path(folder))
        bare = _bare(experiment, experiment.build())
        found = times({"trainer": lambda: _again(trainer), "bare": bare}, setting.device, 7, 600.0)
        steps = EPOCHS * built.train.per_epoch
        stall = _stall(trainer)
    ratio = found.ratio("trainer", "bare")
    seconds = {name: found.median(name) / steps for name in ("trainer", "bare")}
    results.figures += [
        Figure(
            "trainer_over_bare_loop",
            "the trainer's time over that of a bare loop with the same bundle",
            ratio.value,
            1.03,
            unit="×",
            detail=f"{1e3 * seconds['trainer']:.2f} ms and {1e3 * seconds['bare']:.2f} ms a step",
            noise=ratio.noise,
        ),
        Figure(
            "checkpoint_stall",
            "training waits for a checkpoint, of a step",
            100 * stall / seconds["bare"],
            unit="%",
            detail=f"{1e3 * stall:.2f} ms to copy the state; a thread writes it",
        ),
        _warm_up(setting),
    ]


def _experiment(setting: Setting, *changes: str) -> Experiment:
    return Experiment.from_yaml(main_example(), [f"trainer.device={setting.device}", *_size(setting.quick), *changes])


def _warm_up(setting: Setting) -> Figure:
    """Steps with terms whose weight is still 0, beside steps without the terms."""
    setting.say("steps before terms have a weight")
    late = "{name: linear, start: 0.0, end: 1.0, start_epoch: 29}"
    changes = {
        "without": [f"losses={FIRST}"],
        "weight 0": [f"losses.{name}.weight={late}" for name in LATER],
    }
    with tempfile.TemporaryDirectory() as folder:
        actions = {}
        for name, changed in changes.items():
            experiment = _experiment(setting, "trainer.log_every=1000000", *changed)
            built = experiment.build()
            batch = built.train[0].to(built.device)
            actions[name] = whole_step(experiment, built, batch, Path(folder))
        found = times(actions, setting.device, 300, 0.5 if setting.quick else 60.0)
    ratio = found.ratio("weight 0", "without")
    return Figure(
        "warm_up",
        "a step with two terms of weight 0 over one without these terms",
        ratio.value,
        1.02,
        unit="×",
        detail=f"{1e3 * found.median('weight 0'):.2f} ms and {1e3 * found.median('without'):.2f} ms; inverse_encoding "
        "and consistency",
        noise=ratio.noise,
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
