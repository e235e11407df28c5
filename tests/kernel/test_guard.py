"""Numbers gone bad: by policy the run ends, leaves out the step, or goes back; what is saved can always go on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import Experiment, LossTerm, Points, Queries, Step, UserError, hookimpl
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, OutOfMemory, WeightedTerm
from upt_core.training import checkpoint
from upt_core.training.guard import Spikes, all_finite
from upt_core.training.listeners import Listeners
from upt_core.training.plan import seconds_of
from upt_core.training.trainer import Trainer
from upt_samplers.uniform import Uniform

Tiny = Callable[..., Experiment]
Bad = Callable[[Step, Tensor], Tensor]


class At(LossTerm):
    """A usual term, except at some steps, where its value goes through a function."""

    def __init__(self, bad: Bad, *steps: int) -> None:
        self.bad, self.steps = bad, steps

    def __call__(self, step: Step) -> Tensor:
        value = step.mean((step.predicted() - step.target()).square().mean(-1))
        return self.bad(step, value) if step.progress.step in self.steps else value


class NanGradient(torch.autograd.Function):
    """Leaves a value alone, and makes its gradient NaN."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient * float("nan")


def nan(step: Step, value: Tensor) -> Tensor:
    return value * float("nan")


def nan_gradient(step: Step, value: Tensor) -> Tensor:
    found: Tensor = NanGradient.apply(value)
    return found


def large_gradient(step: Step, value: Tensor) -> Tensor:
    return value * 1e6


class Scalars:
    """Keeps the figures of steps and epochs."""

    def __init__(self) -> None:
        self.steps: list[Mapping[str, float]] = []
        self.epochs: list[Mapping[str, float]] = []

    @hookimpl
    def step_ended(self, scalars: Mapping[str, float]) -> None:
        self.steps.append(scalars)

    @hookimpl
    def epoch_ended(self, scalars: Mapping[str, float]) -> None:
        self.epochs.append(scalars)


def trainer_of(tiny: Tiny, folder: Path, term: LossTerm, *listeners: object, **settings: Any) -> Trainer:
    experiment = tiny(trainer={"epochs": 2, "log_every": 1, **settings})
    built = experiment.build()
    trainer = experiment.trainer(built, folder, Listeners(listeners))
    terms = [*built.bundle.terms, WeightedTerm("odd", term, FixedValue(1.0), 1, built.bundle.terms[0].sampler)]
    trainer.bundle = LossBundle(built.bundle.model, terms, built.bundle.data)
    return trainer


def finite(trainer: Trainer) -> bool:
    return all_finite(trainer.bundle.model.state_dict().values())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (nan, r"losses.odd: the term became nan at step 5 \(epoch 1\); lower trainer.optimizer.lr"),
        (nan_gradient, r"the gradient became nan at step 5 \(epoch 1\); lower trainer.optimizer.lr"),
    ],
)
def test_stop_names_what_went_bad_keeps_the_batch_and_the_last_sound_state(
    tiny: Tiny, run_dir: Path, bad: Bad, message: str
) -> None:
    trainer = trainer_of(tiny, run_dir, At(bad, 5), checkpoint={"every_steps": 2})
    with pytest.raises(UserError, match=message) as caught:
        trainer.train()
    samples, inputs = caught.value.__notes__
    batch = torch.load(run_dir / "bad-batch-5.pt", weights_only=True)
    assert samples == f"the batch: training samples {batch['sample_B'].tolist()}"
    assert inputs == f"its inputs are in {run_dir / 'bad-batch-5.pt'}"
    assert torch.equal(batch["input_BNC"], trainer.batches[5].input_BNC)
    assert finite(trainer), "the step is not taken"
    saved = checkpoint.load(run_dir / "checkpoints" / "last.pt")
    assert saved["state"]["step"] <= 5
    assert all_finite(saved["model"].values())


@pytest.mark.parametrize("bad", [nan, nan_gradient])
def test_skip_leaves_the_step_out_and_counts(tiny: Tiny, run_dir: Path, bad: Bad, capsys: Any) -> None:
    scalars = Scalars()
    trainer = trainer_of(tiny, run_dir, At(bad, 3, 4), scalars, on_nan="skip")
    trainer.train()
    assert finite(trainer)
    assert trainer.state.skipped == 2
    assert scalars.epochs[0]["skipped_steps"] == 2.0
    assert math.isfinite(scalars.epochs[0]["loss/total"]), "what is left out counts in no mean"
    assert capsys.readouterr().err.count("remark: step 3 is skipped: ") == 1


def test_skipping_every_step_ends_the_run(tiny: Tiny, run_dir: Path) -> None:
    trainer = trainer_of(tiny, run_dir, At(nan, *range(100)), on_nan="skip", batch_size=1)
    with pytest.raises(
        UserError, match="20 steps in a row were skipped, so training makes no progress; the last: losses"
    ):
        trainer.train()


def test_rewind_goes_on_from_the_last_checkpoint_with_a_smaller_rate(tiny: Tiny, run_dir: Path, capsys: Any) -> None:
    class Once(At):
        """Bad the first time that its step comes."""

        def __call__(self, step: Step) -> Tensor:
            value = super().__call__(step)
            if step.progress.step in self.steps:
                self.steps = ()
            return value

    scalars = Scalars()
    trainer = trainer_of(tiny, run_dir, Once(nan, 5), scalars, on_nan="rewind")
    trainer.train()
    assert "continuing from step 0 with 0.5 times the learning rate" in capsys.readouterr().err
    assert trainer.control.lr_factor == 0.5
    assert scalars.steps[-1]["lr"] == pytest.approx(0.0005)
    assert trainer.state.step == 2 * trainer.batches.per_epoch


class Heard(Uniform):
    """Uniform points; keeps whether what it is told is finite, in its state too."""

    adaptive = True

    def __init__(self) -> None:
        super().__init__(8)
        self.told: list[bool] = []

    def observe(self, points: Points, queries: Queries, error_BQ: Tensor) -> None:
        self.told.append(bool(torch.isfinite(error_BQ).all()))

    def state_dict(self) -> dict[str, Any]:
        return {"told": list(self.told)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.told = list(state["told"])


@pytest.mark.parametrize(("on_nan", "taught"), [("rewind", 0), ("skip", -1)])
def test_a_step_that_is_left_out_or_taken_back_teaches_no_sampler(
    tiny: Tiny, run_dir: Path, on_nan: str, taught: int
) -> None:
    class Once(LossTerm):
        """NaN at its points, the first time that a step comes."""

        bad = True

        def __call__(self, step: Step) -> Tensor:
            value_BQ = (step.predicted() - step.target()).square().mean(-1)
            if step.progress.step == 5 and self.bad:
                self.bad, value_BQ = False, value_BQ * float("nan")
            return step.mean(value_BQ)

    trainer = trainer_of(tiny, run_dir, Once(), on_nan=on_nan)
    sampler, built = Heard(), trainer.bundle
    term = WeightedTerm("odd", Once(), FixedValue(1.0), 1, sampler)
    trainer.bundle = LossBundle(built.model, [term], built.data)
    trainer.train()
    assert sampler.told == [True] * (trainer.state.step + taught)


def test_a_sampler_that_fails_to_learn_undoes_no_step(tiny: Tiny, run_dir: Path) -> None:
    class Fails(Heard):
        def observe(self, points: Points, queries: Queries, error_BQ: Tensor) -> None:
            super().observe(points, queries, error_BQ)
            if len(self.told) == 3:
                raise RuntimeError("cannot learn")

    trainer = trainer_of(tiny, run_dir, At(nan))
    built = trainer.bundle
    trainer.bundle = LossBundle(built.model, [WeightedTerm("odd", At(nan), FixedValue(1.0), 1, Fails())], built.data)
    with pytest.raises(RuntimeError, match="cannot learn"):
        trainer.train()
    saved = checkpoint.load(run_dir / "checkpoints" / "last.pt")
    assert saved["state"]["step"] == 3
    own = trainer.bundle.model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in saved["model"].items())


def test_rewinding_for_ever_ends_the_run(tiny: Tiny, run_dir: Path) -> None:
    trainer = trainer_of(tiny, run_dir, At(nan, 5), on_nan="rewind")
    with pytest.raises(
        UserError, match="training was rewound 5 times, and values became NaN or infinite again: losses.odd: the term"
    ):
        trainer.train()


def test_a_state_that_cannot_go_on_never_takes_the_place_of_one_that_can(tiny: Tiny, run_dir: Path) -> None:
    """Weights made NaN between two steps, as by a listener or a failing device."""

    class Spoils:
        @hookimpl
        def epoch_ended(self, trainer: Trainer) -> None:
            if trainer.state.step == trainer.batches.per_epoch:
                trainer.control.checkpoint()
            else:
                with torch.no_grad():
                    next(trainer.bundle.model.decoder.parameters()).fill_(float("nan"))

    trainer = trainer_of(tiny, run_dir, At(nan), Spoils())
    with pytest.raises(
        UserError, match=r"weights: decoder\..* has NaN or infinite values at step \d+; the state is not saved"
    ):
        trainer.train()
    saved = checkpoint.load(run_dir / "checkpoints" / "last.pt")
    assert all_finite(saved["model"].values())
    assert saved["state"]["step"] == trainer.batches.per_epoch


def test_an_fp16_factor_that_fell_to_nothing_is_named(tiny: Tiny, run_dir: Path) -> None:
    """Every gradient overflows, so the scaler halves its factor at each step; it begins close to the limit here."""
    trainer = trainer_of(tiny, run_dir, At(large_gradient))
    trainer.optimization.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**-19, backoff_factor=0.25)
    for parameter in trainer.bundle.model.parameters():
        parameter.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(UserError, match="fp16: the loss scale fell to its minimum, because gradients overflow at"):
        trainer.train()


def test_a_validation_that_is_not_finite_is_told_and_never_the_best(tiny: Tiny, run_dir: Path, capsys: Any) -> None:
    trainer = trainer_of(tiny, run_dir, At(nan))
    trainer.validate = lambda: {"relative_l2": float("nan")}
    trainer.train()
    assert trainer.state.best is None
    assert "remark: validation: relative_l2 is nan after step" in capsys.readouterr().err


class TestSpikes:
    def test_a_spike_is_left_out_and_counted(self, tiny: Tiny, run_dir: Path, capsys: Any) -> None:
        trainer = trainer_of(tiny, run_dir, At(large_gradient, 25), batch_size=1, max_gradient_spike=100.0)
        trainer.train()
        assert trainer.state.skipped == 1
        assert "over 100 times its running mean" in capsys.readouterr().err

    def test_the_mean_follows_a_lasting_change(self) -> None:
        spikes = Spikes(5.0)
        assert not any(spikes.is_one(1.0) for _ in range(30))
        found = [spikes.is_one(20.0) for _ in range(100)]
        assert found[0]
        assert not found[-1]

    def test_the_first_gradients_are_none(self) -> None:
        spikes = Spikes(5.0)
        assert not any(spikes.is_one(norm) for norm in (1e-9, 1.0, 1e9))


class TestOutOfMemory:
    def test_names_term_points_and_cure(self, tiny: Tiny, run_dir: Path) -> None:
        """An allocation of 2⁶⁰ bytes, which no machine has."""

        def too_large(step: Step, value: Tensor) -> Tensor:
            return value + torch.empty(1 << 58).sum()

        trainer = trainer_of(tiny, run_dir, At(too_large, 3))
        told = (
            r"losses.odd: out of memory with 4 samples of 32 points, 8 query points each: .*can't allocate memory.*; "
            r"lower trainer.batch_size \(and raise trainer.accumulate as much, which changes nothing else\)"
        )
        with pytest.raises(OutOfMemory, match=told):
            trainer.train()
        assert checkpoint.load(run_dir / "checkpoints" / "last.pt")["state"]["step"] == 3, "nothing is lost"

    def test_other_errors_stay_what_they_are(self, tiny: Tiny, run_dir: Path) -> None:
        def wrong(step: Step, value: Tensor) -> Tensor:
            raise RuntimeError("shapes differ")

        with pytest.raises(RuntimeError, match="shapes differ"):
            trainer_of(tiny, run_dir, At(wrong, 3)).train()


def test_an_unexpected_error_loses_no_step_and_the_run_goes_on_bit_by_bit(tiny: Tiny, tmp_path: Path) -> None:
    def defect(step: Step, value: Tensor) -> Tensor:
        raise ZeroDivisionError("a defect")

    whole = trainer_of(tiny, tmp_path / "whole", At(defect), ema=0.9)
    whole.train()
    first = trainer_of(tiny, tmp_path / "halves", At(defect, 9), ema=0.9)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        first.train()
    path = tmp_path / "halves" / "checkpoints" / "last.pt"
    saved = checkpoint.load(path)
    assert saved["state"]["step"] == 9
    second = trainer_of(tiny, tmp_path / "halves", At(defect), ema=0.9)
    second.load_state_dict(saved, path)
    second.train()
    assert second.state == whole.state
    for name, value in whole.bundle.model.state_dict().items():
        assert torch.equal(value, second.bundle.model.state_dict()[name])


def test_max_time_ends_a_run_with_its_test_figures(tiny: Tiny, run_dir: Path, capsys: Any) -> None:
    tiny(trainer={"epochs": 100000, "max_time": "0.5s"}).train(run_dir)
    assert "trainer.max_time is spent" in capsys.readouterr().err
    assert json.loads((run_dir / "results.json").read_text())["predictors"]["model"]
    assert checkpoint.load(run_dir / "checkpoints" / "last.pt")["seconds"] >= 0.5


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400)])
def test_times_have_units(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
