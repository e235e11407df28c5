"""The loop: what a step does, what is kept, how it ends."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import CheckpointError, Experiment, LossTerm, Progress, Step, UserError, hookimpl
from upt_core.interrupt import SIGNALS, Interrupted
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.run.built import Built
from upt_core.training import checkpoint
from upt_core.training.ema import Ema
from upt_core.training.gradients import check_reach, gradient_norms
from upt_core.training.listeners import Listeners
from upt_core.training.trainer import Trainer

Tiny = Callable[..., Experiment]


class Recorder:
    """Keeps what a run tells its listeners."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.steps: list[dict[str, float]] = []
        self.epochs: list[dict[str, float]] = []
        self.metrics: list[dict[str, float]] = []

    @hookimpl
    def run_started(self) -> None:
        self.events.append("started")

    @hookimpl
    def step_ended(self, scalars: Mapping[str, float]) -> None:
        self.steps.append(dict(scalars))

    @hookimpl
    def validation_ended(self, metrics: Mapping[str, float]) -> None:
        self.metrics.append(dict(metrics))

    @hookimpl
    def epoch_ended(self, scalars: Mapping[str, float]) -> None:
        self.epochs.append(dict(scalars))
        self.events.append("epoch")

    @hookimpl
    def run_finished(self) -> None:
        self.events.append("finished")

    @hookimpl
    def run_failed(self, error: BaseException) -> None:
        self.events.append(type(error).__name__)


class StopAt:
    """Sends a signal to this process after a number of logged steps."""

    def __init__(self, steps: int, number: int = signal.SIGTERM) -> None:
        self.left, self.number = steps, number

    @hookimpl
    def step_ended(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def trainer_of(experiment: Experiment, run_dir: Path, *listeners: object) -> tuple[Trainer, Built]:
    built = experiment.build()
    return experiment.trainer(built, run_dir, Listeners(listeners)), built


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.bundle.model.state_dict().items()}


def test_an_interruption_comes_whole_out_of_another_process():
    again = pickle.loads(pickle.dumps(Interrupted(signal.SIGTERM)))
    assert (again.number, str(again)) == (signal.SIGTERM, "ended by SIGTERM")


def same(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class TestRun:
    def test_the_loss_falls(self, tiny: Tiny, run_dir: Path) -> None:
        record = Recorder()
        trainer, _ = trainer_of(tiny(trainer={"epochs": 20}), run_dir, record)
        trainer.train()
        assert record.epochs[-1]["loss/forward"] < 0.5 * record.epochs[0]["loss/forward"]
        assert record.events == ["started", *["epoch"] * 20, "finished"]

    def test_logs_every_terms_value_weight_and_share(self, tiny: Tiny, run_dir: Path) -> None:
        record = Recorder()
        trainer_of(tiny(trainer={"epochs": 1}), run_dir, record)[0].train()
        names = ("forward", "inv_enc", "inv_dec")
        assert {f"loss/{n}" for n in names} | {f"weight/{n}" for n in names} <= set(record.steps[0])
        assert {"lr", "gradient_norm", "loss/total"} <= set(record.steps[0])
        shares = [record.epochs[0][f"gradient_share/{n}"] for n in names]
        assert sum(shares) == pytest.approx(1.0)

    def test_logs_the_share_of_noise_that_is_due_to_query_points(self, tiny: Tiny, run_dir: Path) -> None:
        record = Recorder()
        per_epoch = tiny().build().train.per_epoch
        settings = {"epochs": 4, "sampling_share_every": 2 * per_epoch}
        trainer_of(tiny(trainer=settings), run_dir, record)[0].train()
        logged = [epoch.get("sampling_share") for epoch in record.epochs]
        assert [share is not None for share in logged] == [False, True, False, True]
        assert all(0 < share < 1 for share in logged if share is not None)
        record = Recorder()
        trainer_of(tiny(sampler=None, trainer={"epochs": 1, "sampling_share_every": 1}), run_dir, record)[0].train()
        assert "sampling_share" not in record.epochs[0]

    def test_is_repeatable(self, tiny: Tiny, run_dir: Path) -> None:
        results = []
        for name in ("a", "b"):
            trainer, _ = trainer_of(tiny(), run_dir / name)
            trainer.train()
            results.append(weights(trainer))
        assert same(*results)

    def test_patience_ends_a_run_that_does_not_improve(self, tiny: Tiny, run_dir: Path) -> None:
        record = Recorder()
        frozen = {"epochs": 9, "lr_schedule": 0.0}
        trainer, _ = trainer_of(tiny(trainer=frozen, validation={"patience": 2}), run_dir, record)
        trainer.train()
        assert len(record.metrics) == 3

    def test_the_best_checkpoint_follows_the_monitored_metric(self, tiny: Tiny, run_dir: Path) -> None:
        record = Recorder()
        trainer, _ = trainer_of(tiny(trainer={"epochs": 4}), run_dir, record)
        trainer.train()
        best = checkpoint.load(run_dir / "checkpoints" / "best.pt")
        assert best["state"]["best"] == min(m["relative_l2"] for m in record.metrics)

    def test_validation_comes_every_so_many_epochs_and_at_the_end(self, tiny: Tiny, run_dir: Path) -> None:
        record = Recorder()
        trainer_of(tiny(trainer={"epochs": 5}, validation={"every": 2}), run_dir, record)[0].train()
        assert len(record.metrics) == 3

    @pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_trains_with_every_optimizer_and_precision_of_the_cpu(
        self, tiny: Tiny, run_dir: Path, optimizer: str, precision: str
    ) -> None:
        settings = {"epochs": 1, "optimizer": {"name": optimizer}, "precision": precision}
        trainer, _ = trainer_of(tiny(trainer=settings), run_dir)
        before = weights(trainer)
        assert trainer.train()["relative_l2"] > 0
        assert not same(before, weights(trainer))


class TestAccumulation:
    def test_equals_one_large_batch_also_in_the_last_shorter_window(self, tiny: Tiny, run_dir: Path) -> None:
        """Batches of 4 in windows of 4: the last window has fewer batches, and its last batch fewer samples."""
        dense: dict[str, Any] = {"sampler": None, "losses": {"inv_enc": ..., "inv_dec": ...}}
        plain = {"epochs": 1, "optimizer": {"name": "sgd", "lr": 0.1}, "clip_norm": None, "log_every": 100}
        large, built = trainer_of(tiny(trainer={**plain, "batch_size": 16}, **dense), run_dir / "a")
        small, _ = trainer_of(tiny(trainer={**plain, "batch_size": 4, "accumulate": 4}, **dense), run_dir / "b")
        assert len(built.train.windows) % 16 not in (0, 4, 8, 12)
        for trainer in (large, small):
            trainer.train()
        for name, value in weights(large).items():
            assert torch.allclose(value, weights(small)[name], atol=1e-6), name

    def test_schedules_stand_still_within_a_step(self, tiny: Tiny, run_dir: Path) -> None:
        """Those of the learning rate and of weights see the same as with one large batch."""
        moving = {"name": "inverse_encoding", "weight": {"name": "linear", "start": 0.0, "end": 1.0, "end_epoch": 3}}
        dense: dict[str, Any] = {"sampler": None, "losses": {"moving": moving, "inv_dec": ...}}
        plain = {"epochs": 3, "optimizer": {"name": "sgd", "lr": 0.1}, "lr_schedule": {"name": "warmup_cosine"}}
        found = []
        for parts in (1, 2):
            size = {"batch_size": 10 // parts, "accumulate": parts}
            trainer, built = trainer_of(tiny(trainer={**plain, **size}, **dense), run_dir / str(parts))
            assert len(built.train.windows) % 10 == 0
            trainer.train()
            found.append(weights(trainer))
        for name, value in found[0].items():
            assert torch.allclose(value, found[1][name], atol=1e-6), name

    def test_counts_updates(self, tiny: Tiny, run_dir: Path) -> None:
        trainer, built = trainer_of(tiny(trainer={"epochs": 2, "accumulate": 4}), run_dir)
        trainer.train()
        assert trainer.state.step == 2 * built.train.per_epoch
        assert trainer.state.updates == 2 * -(-built.train.per_epoch // 4)


class TestResume:
    @pytest.mark.parametrize(
        "sampler", [{"name": "stratified", "num_queries": 8}, {"name": "importance", "num_queries": 8}]
    )
    def test_goes_on_bit_by_bit(self, tiny: Tiny, tmp_path: Path, sampler: dict[str, Any]) -> None:
        settings = {"sampler": sampler, "trainer": {"epochs": 3, "ema": 0.9, "lr_schedule": {"name": "warmup_cosine"}}}
        whole, _ = trainer_of(tiny(**settings), tmp_path / "whole")
        whole.train()
        halves = tmp_path / "halves"
        first, _ = trainer_of(tiny(**settings), halves, StopAt(4))
        with pytest.raises(KeyboardInterrupt):
            first.train()
        assert first.state.step == 8, "the run stops after the step in which the signal came"
        second, _ = trainer_of(tiny(**settings), halves)
        last = halves / "checkpoints" / "last.pt"
        torch.manual_seed(1234)
        second.load_state_dict(checkpoint.load(last), last)
        second.train()
        assert same(weights(whole), weights(second))
        assert whole.ema is not None
        assert second.ema is not None
        assert same(whole.ema.average, second.ema.average)
        assert whole.state == second.state

    def test_an_interrupt_leaves_a_checkpoint(self, tiny: Tiny, run_dir: Path) -> None:
        record = Recorder()
        trainer, _ = trainer_of(tiny(), run_dir, StopAt(1), record)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        assert record.events == ["started", "Interrupted"]
        assert checkpoint.load(run_dir / "checkpoints" / "last.pt")["state"]["step"] == 2

    @pytest.mark.parametrize("number", SIGNALS)
    def test_every_signal_that_ends_a_run_leaves_a_checkpoint(self, tiny: Tiny, run_dir: Path, number: int) -> None:
        trainer, _ = trainer_of(tiny(), run_dir, StopAt(1, number))
        with pytest.raises(Interrupted, match=f"ended by {signal.Signals(number).name}") as caught:
            trainer.train()
        assert caught.value.number == number
        assert checkpoint.load(run_dir / "checkpoints" / "last.pt")["state"]["step"] == 2

    def test_a_signal_that_is_switched_off_stays_so(self, tiny: Tiny, run_dir: Path) -> None:
        """As under nohup."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            trainer_of(tiny(trainer={"epochs": 1}), run_dir, StopAt(1, signal.SIGHUP))[0].train()
        finally:
            signal.signal(signal.SIGHUP, before)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"model": {"latent": {"tokens": 4, "dim": 32}}}, "belongs to another architecture"),
            ({"trainer": {"optimizer": {"name": "muon"}}}, "trained with another optimizer"),
            ({"trainer": {"ema": 0.9}}, "trainer.ema differs between this experiment and the checkpoint"),
            ({"sampler": None}, "trained with other samplers"),
        ],
    )
    def test_a_checkpoint_of_another_experiment_is_refused(
        self, tiny: Tiny, tmp_path: Path, changes: dict[str, Any], message: str
    ) -> None:
        trainer, _ = trainer_of(tiny(trainer={"epochs": 1}), tmp_path)
        trainer.train()
        path = tmp_path / "checkpoints" / "last.pt"
        other, _ = trainer_of(tiny(**changes), tmp_path / "other")
        with pytest.raises(CheckpointError, match=message):
            other.load_state_dict(checkpoint.load(path), path)


class TestFailures:
    def test_nan_names_its_term_and_the_step(self, tiny: Tiny, run_dir: Path) -> None:
        class BecomesNan(LossTerm):
            def __call__(self, step: Step) -> torch.Tensor:
                value = step.mean((step.predicted() - step.target()).square().mean(-1))
                return value * (float("nan") if step.progress.step == 3 else 1.0)

        trainer, built = trainer_of(tiny(), run_dir)
        trainer.bundle = LossBundle(
            built.bundle.model,
            [*built.bundle.terms, WeightedTerm("odd", BecomesNan(), FixedValue(1.0))],
            built.bundle.data,
        )
        with pytest.raises(UserError, match=r"losses.odd: the term became nan at step 3 \(epoch 1\); lower trainer"):
            trainer.train()
        assert all(value.isfinite().all() for value in weights(trainer).values()), "the step is not taken"

    def test_a_term_that_reaches_no_parameter_is_refused(self, tiny: Tiny) -> None:
        class Constant(LossTerm):
            def __call__(self, step: Step) -> torch.Tensor:
                return step.mean(step.input().square().mean(-1))

        built = tiny().build()
        bundle = LossBundle(built.bundle.model, [WeightedTerm("idle", Constant(), FixedValue(1.0))], built.bundle.data)
        with pytest.raises(UserError, match="losses.idle: this term reaches no trainable parameter"):
            check_reach(bundle, built.train[0])

    def test_terms_of_frozen_parts_are_refused(self, tiny: Tiny) -> None:
        built = tiny(losses={"forward": {"name": "inverse_encoding"}, "inv_enc": ..., "inv_dec": ...}).build()
        for part in (built.bundle.model.encoder, built.bundle.model.decoder):
            part.requires_grad_(False)
        with pytest.raises(UserError, match="losses.forward: this term reaches no trainable parameter"):
            check_reach(built.bundle, built.train[0])


class TestReach:
    def test_forward_trains_all_three_parts_and_inverse_terms_encoder_and_decoder(self, tiny: Tiny) -> None:
        built = tiny().build()
        norms = gradient_norms(built.bundle, built.train[0], Progress())
        assert set(norms["forward"]) == {"encoder", "approximator", "decoder"}
        assert set(norms["inv_enc"]) == set(norms["inv_dec"]) == {"encoder", "decoder"}
        assert all(value > 0 for parts in norms.values() for value in parts.values())

    @pytest.mark.parametrize("term", ["inverse_encoding", "inverse_decoding"])
    def test_an_inverse_term_alone_moves_encoder_and_decoder(self, tiny: Tiny, run_dir: Path, term: str) -> None:
        losses = {"forward": {"name": term}, "inv_enc": ..., "inv_dec": ...}
        trainer, _ = trainer_of(
            tiny(losses=losses, trainer={"optimizer": {"name": "adamw", "weight_decay": 0.0}}), run_dir
        )
        before = weights(trainer)
        trainer.train()
        moved = {
            name.partition(".")[0] for name, value in weights(trainer).items() if not torch.equal(value, before[name])
        }
        assert moved == {"encoder", "decoder"}


class TestEma:
    def test_averages_with_a_decay_that_grows(self) -> None:
        model = torch.nn.Linear(1, 1, bias=False)
        model.weight.data.fill_(1.0)
        ema = Ema(model, decay=0.5)
        model.weight.data.fill_(2.0)
        expected = 1.0
        for n in range(20):
            ema.update()
            decay = min(0.5, (1 + n) / (10 + n))
            expected = decay * expected + (1 - decay) * 2.0
        assert ema.average["weight"].item() == pytest.approx(expected)

    def test_is_applied_only_inside(self) -> None:
        model = torch.nn.Linear(1, 1)
        ema = Ema(model, decay=0.9)
        own = model.weight.item()
        model.weight.data.add_(1.0)
        with ema.applied():
            assert model.weight.item() == own
        assert model.weight.item() == pytest.approx(own + 1)
