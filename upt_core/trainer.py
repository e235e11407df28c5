"""The loop. It receives finished objects and knows no plugin by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy
import torch
from torch import Tensor

from upt_core import checkpoint
from upt_core.batch import Batch
from upt_core.ema import Ema
from upt_core.errors import CheckpointError, UserError
from upt_core.interrupt import Interrupt
from upt_core.kinds import Schedule
from upt_core.loader import Batches
from upt_core.loss_bundle import LossBundle, Losses
from upt_core.means import Means
from upt_core.measures import Scalars, Setting, measures_of_epoch, refresh_samplers
from upt_core.plan import Plan, State
from upt_core.precision import autocast
from upt_core.progress import Progress
from upt_core.task_batches import TaskBatches
from upt_core.task_bundle import TaskBundle


class Trainer:
    """Trains a loss bundle.

    Args:
        bundle: model and loss terms, on their device.
        batches: of the training split.
        optimizers: together they hold every trainable parameter once.
        lr_schedule: factor of the learning rates.
        plan: how long, how precisely.
        validate: computes the metrics of the validation split with the weights as they are.
        hooks: listeners of the run (``upt_core.hookspecs.RunHooks``).
        run_dir: the run's folder.
        checkpoints: folder of ``last.pt`` and ``best.pt``.
        extra: plain data to be kept in every checkpoint.
    """

    def __init__(
        self,
        bundle: LossBundle | TaskBundle,
        batches: Batches | TaskBatches,
        optimizers: Sequence[torch.optim.Optimizer],
        lr_schedule: Schedule,
        plan: Plan,
        validate: Callable[[], Scalars],
        hooks: pluggy.PluginManager,
        run_dir: Path,
        checkpoints: Path,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.bundle = bundle
        self.batches = batches
        self.optimizers = list(optimizers)
        self.lr_schedule = lr_schedule
        self.plan = plan
        self.validate = validate
        self.hook = hooks.hook
        self.run_dir = run_dir
        self.checkpoints = checkpoints
        self.extra = dict(extra or {})
        self.device = next(bundle.model.parameters()).device
        self.state = State()
        self.ema = Ema(bundle.model, plan.ema) if plan.ema is not None else None
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        self._unchecked: list[tuple[int, dict[str, Tensor]]] = []

    def progress(self) -> Progress:
        """Where training stands now."""
        epoch, batch = divmod(self.state.step, self.batches.per_epoch)
        position = epoch + batch / self.batches.per_epoch
        return Progress(epoch, self.plan.epochs, self.state.step, position)

    def train(self) -> Scalars:
        """Trains to the last epoch, or until patience is spent; the metrics of the last validation.

        An interrupt (Ctrl-C, SIGTERM) ends the run after the current step, with a checkpoint to resume from.

        Raises:
            UserError: a loss term gave NaN or infinity.
            KeyboardInterrupt: the run was interrupted; nothing is lost.
        """
        self.hook.run_started(trainer=self, run_dir=self.run_dir)
        try:
            with Interrupt() as interrupt:
                while not self.finished:
                    self._epoch(interrupt)
        except BaseException as error:
            self.hook.run_failed(trainer=self, error=error)
            raise
        self.hook.run_finished(trainer=self, metrics=self.state.metrics)
        return self.state.metrics

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or patience spent."""
        out_of_patience = self.plan.patience is not None and self.state.waited >= self.plan.patience
        return out_of_patience or self.state.step >= self.plan.epochs * self.batches.per_epoch

    def _in_run(self, progress: Progress) -> Progress:
        """Progress counted over all stages of the run, for listeners."""
        plan = self.plan
        return Progress(
            progress.epoch + plan.epochs_before,
            plan.epochs_of_run or plan.epochs,
            progress.step + plan.steps_before,
            progress.position + plan.epochs_before,
            progress.rank,
        )

    def _epoch(self, interrupt: Interrupt) -> None:
        started, progress = time.perf_counter(), self.progress()
        first = self.state.step
        if first == progress.epoch * self.batches.per_epoch:
            refresh_samplers(self._setting(), progress)
        self.bundle.train()
        means = Means()
        stop = (progress.epoch + 1) * self.batches.per_epoch
        for window in self._windows(self.state.step, stop):
            self.update(window, means)
            if interrupt.requested and self.state.step < stop:
                self._save("last.pt")
                raise KeyboardInterrupt
        done = Progress(progress.epoch, self.plan.epochs, self.state.step, progress.epoch + 1.0)
        self._check_finite()
        scalars = means.compute()
        scalars["seconds"] = time.perf_counter() - started
        scalars["samples_per_second"] = (
            self.batches.num_samples * (stop - first) / self.batches.per_epoch / scalars["seconds"]
        )
        scalars.update(measures_of_epoch(self._setting(), progress, self.plan.sampling_share_every))
        self._validate(done)
        self._save("last.pt")
        self.hook.epoch_ended(trainer=self, progress=self._in_run(done), scalars=scalars)
        if interrupt.requested:
            raise KeyboardInterrupt

    def _setting(self) -> Setting:
        return Setting(self.bundle, self.batches, self.device, self.plan.precision)

    def _windows(self, start: int, stop: int) -> Iterator[list[Batch]]:
        """Batches in groups of ``accumulate``; the last group of an epoch may be shorter."""
        pin_memory = self.device.type == "cuda"
        window: list[Batch] = []
        for batch in self.batches.iterate(start, stop, self.plan.workers, pin_memory):
            window.append(batch)
            if len(window) == self.plan.accumulate:
                yield window
                window = []
        if window:
            yield window

    def update(self, window: Sequence[Batch], means: Means) -> None:
        """One step of the optimizers: the mean gradient of the samples of a window of batches."""
        progress = self.progress()
        samples = sum(batch.points.batch_size for batch in window)
        trained = False
        for batch in window:
            progress = self.progress()
            batch = batch.to(self.device)
            with autocast(self.device, self.plan.precision):
                losses = self.bundle(batch, progress)
            if losses.total is not None:
                self.scaler.scale(losses.total * (batch.points.batch_size / samples)).backward()
                trained = True
            means.add(losses, batch.points.batch_size)
            self._unchecked.append((self.state.step, {name: value.detach() for name, value in losses.values.items()}))
            self.state.step += 1
        if self.device.type == "cpu":
            self._check_finite()
        norm = self._step_optimizers(progress) if trained else None
        self.state.updates += 1
        if self.state.updates % self.plan.log_every == 0:
            self._log(progress, losses, norm)

    def _step_optimizers(self, progress: Progress) -> Tensor | None:
        factor = self.lr_schedule(progress)
        norm = None
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        if self.plan.clip_norm is not None:
            norm = torch.nn.utils.clip_grad_norm_(self.bundle.model.parameters(), self.plan.clip_norm, foreach=True)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update()
        return norm

    def _log(self, progress: Progress, losses: Losses, norm: Tensor | None) -> None:
        self._check_finite()
        scalars = {"lr": self.optimizers[0].param_groups[0]["lr"]}
        if losses.total is not None:
            scalars["loss/total"] = float(losses.total.detach())
        scalars.update({f"loss/{name}": float(value.detach()) for name, value in losses.values.items()})
        scalars.update({f"weight/{w.name}": w.weight(progress) for w in self.bundle.terms})
        if norm is not None:
            scalars["gradient_norm"] = float(norm)
        self.hook.step_ended(trainer=self, progress=self._in_run(progress), scalars=scalars)

    def _check_finite(self) -> None:
        """Names the first term that gave NaN or infinity. On CUDA this waits for the device: done when logging."""
        unchecked, self._unchecked = self._unchecked, []
        for step, values in unchecked:
            for name, value in values.items():
                if not math.isfinite(float(value)):
                    raise UserError(
                        f"losses.{name}: the term became {float(value)} at step {step} "
                        f"(epoch {step // self.batches.per_epoch}); "
                        f"lower trainer.optimizer.lr or the term's weight, set trainer.clip_norm, or use fp32; "
                        f"the last good checkpoint is in {self.checkpoints}"
                    )

    def _validate(self, progress: Progress) -> None:
        last = progress.epoch + 1 == self.plan.epochs
        if (progress.epoch + 1) % self.plan.validate_every and not last:
            return
        self.bundle.eval()
        if self.ema is not None:
            with self.ema.applied():
                self.state.metrics = self.validate()
        else:
            self.state.metrics = self.validate()
        self._keep_best(self.state.metrics[self.plan.monitor], self._in_run(progress).epoch)
        self.hook.validation_ended(trainer=self, progress=self._in_run(progress), metrics=self.state.metrics)

    def _keep_best(self, value: float, epoch: int) -> None:
        best = self.state.best
        better = best is None or (value < best if self.plan.lower_is_better else value > best)
        if math.isfinite(value) and better:
            self.state.best, self.state.best_epoch, self.state.waited = value, epoch, 0
            self._save("best.pt")
        else:
            self.state.waited += 1

    def _save(self, name: str) -> None:
        path = self.checkpoints / name
        checkpoint.save(self.state_dict(), path)
        self.hook.checkpoint_saved(trainer=self, path=path)

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on bit by bit as if it had never stopped."""
        return {
            "model": self.bundle.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "samplers": {stream: sampler.state_dict() for stream, sampler in self.bundle.samplers.items()},
            "state": {**vars(self.state)},
            "random": checkpoint.random_state(self.device),
            "extra": self.extra,
        }

    def load_state_dict(self, state: Mapping[str, Any], path: Path) -> None:
        """Goes on from a checkpoint.

        Raises:
            CheckpointError: it belongs to another architecture, optimizer or set of samplers.
        """
        checkpoint.load_model(self.bundle.model, state["model"], path)
        if len(state["optimizers"]) != len(self.optimizers):
            raise CheckpointError(f"{path}: was trained with another optimizer; use the configuration of its run")
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        if (self.ema is None) != (state["ema"] is None):
            raise CheckpointError(
                f"{path}: trainer.ema differs between this experiment and the checkpoint; use the same"
            )
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.scaler.load_state_dict(state["scaler"])
        if set(state["samplers"]) != set(self.bundle.samplers):
            raise CheckpointError(f"{path}: was trained with other samplers; use the configuration of its run")
        for stream, sampler in self.bundle.samplers.items():
            sampler.load_state_dict(state["samplers"][stream])
        self.state = State(**state["state"])
        checkpoint.restore_random_state(state["random"], self.device)
