"""The loop. It receives finished objects and knows no plugin by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pluggy
import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.task_batches import TaskBatches
from upt_core.errors import CheckpointError
from upt_core.interrupt import Interrupt
from upt_core.kinds import Schedule
from upt_core.loss_bundle import LossBundle, Losses
from upt_core.precision import autocast
from upt_core.processes import ALONE, Processes
from upt_core.progress import Progress
from upt_core.task_bundle import TaskBundle
from upt_core.training import checkpoint
from upt_core.training.ema import Ema
from upt_core.training.finite import FiniteCheck
from upt_core.training.means import Means
from upt_core.training.measures import Scalars, Setting, measures_of_epoch, refresh_samplers
from upt_core.training.optimization import Optimization
from upt_core.training.parallel import Parallel
from upt_core.training.plan import Plan, State


class Trainer:
    """Trains a loss bundle.

    Args:
        bundle: model and loss terms, on their device.
        batches: of the training split, or this process's rows of them.
        optimizers: together they hold every trainable parameter once.
        lr_schedule: factor of the learning rates.
        plan: how long, how precisely.
        validate: computes the metrics of the validation split with the weights as they are.
        hooks: listeners of the run (``upt_core.registry.hookspecs.RunHooks``).
        run_dir: the run's folder.
        checkpoints: folder of ``last.pt`` and ``best.pt``.
        extra: plain data to be kept in every checkpoint.
        processes: that train together. All go through the same steps; the first alone validates and writes, and it
            alone should have listeners.
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
        processes: Processes = ALONE,
    ) -> None:
        self.bundle = bundle
        self.batches = batches
        self.plan = plan
        self.validate = validate
        self.hook = hooks.hook
        self.run_dir = run_dir
        self.checkpoints = checkpoints
        self.extra = dict(extra or {})
        self.processes = processes
        self.device = next(bundle.model.parameters()).device
        self.state = State()
        self.ema = Ema(bundle.model, plan.ema) if plan.ema is not None else None
        scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")
        self.optimization = Optimization(bundle.model, optimizers, lr_schedule, plan.clip_norm, scaler)
        self._finite = FiniteCheck(batches.per_epoch, checkpoints, processes)
        self._parallel = Parallel(bundle)

    def progress(self, ahead: int = 0) -> Progress:
        """Where training stands now, or some batches ahead."""
        step = self.state.step + ahead
        epoch, batch = divmod(step, self.batches.per_epoch)
        position = epoch + batch / self.batches.per_epoch
        return Progress(epoch, self.plan.epochs, step, position, self.processes.rank)

    def train(self) -> Scalars:
        """Trains to the last epoch, or until patience is spent; the metrics of the last validation.

        An interrupt (Ctrl-C, SIGTERM) ends the run after the current step, with a checkpoint to resume from. Several
        processes end together, after the next step that is logged.

        Raises:
            UserError: a loss term gave NaN or infinity.
            KeyboardInterrupt: the run was interrupted; nothing is lost.
        """
        self.hook.run_started(trainer=self, run_dir=self.run_dir)
        try:
            self._parallel = Parallel(self.bundle, self.processes)
            with Interrupt(patient=self.processes.several) as interrupt:
                while not self.finished:
                    self._epoch(interrupt)
        except BaseException as error:
            self.hook.run_failed(trainer=self, error=error)
            raise
        finally:
            self._parallel = Parallel(self.bundle)  # what averages gradients would go on listening to them
        self.hook.run_finished(trainer=self, metrics=self.state.metrics)
        return self.state.metrics

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or the budget or patience spent."""
        out_of_patience = self.plan.patience is not None and self.state.waited >= self.plan.patience
        return out_of_patience or self._spent or self.state.step >= self.plan.epochs * self.batches.per_epoch

    @property
    def _spent(self) -> bool:
        """Whether the budget of seconds is spent."""
        return self.plan.budget is not None and self.state.spent >= self.plan.budget.seconds

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
        for window in self._timed(self._windows(self.state.step, stop)):
            self.update(window, means)
            if self.state.step < stop and self._interrupted(interrupt):
                self._save("last.pt")
                raise KeyboardInterrupt
        done = replace(progress, step=self.state.step, position=progress.epoch + 1.0)
        self._finite.check()
        scalars = means.compute(self.processes)
        scalars["seconds"] = time.perf_counter() - started
        scalars["samples_per_second"] = (
            self.batches.num_samples * (self.state.step - first) / self.batches.per_epoch / scalars["seconds"]
        )
        every = self.plan.sampling_share_every
        scalars.update(self.processes.of_first(lambda: measures_of_epoch(self._setting(), progress, every)))
        self._validate(done)
        self._save("last.pt")
        self.hook.epoch_ended(trainer=self, progress=self._in_run(done), scalars=scalars)
        if self.processes.any(interrupt.requested):
            raise KeyboardInterrupt

    def _timed(self, windows: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
        """The windows until the budget is spent; what is done with each, and reading it, counts."""
        budget = self.plan.budget
        if budget is None:
            yield from windows
            return
        started = budget.now()
        for window in windows:
            yield window
            now = budget.now()
            self.state.spent = self.processes.of_first(lambda: self.state.spent + now - started)  # noqa: B023
            started = now
            if self._spent:
                return

    def _interrupted(self, interrupt: Interrupt) -> bool:
        """Whether to stop after this update. Several processes ask each other only when they log."""
        if not self.processes.several:
            return interrupt.requested
        return self.state.updates % self.plan.log_every == 0 and self.processes.any(interrupt.requested)

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
        rows = [self.batches.rows(self.state.step + number) for number in range(len(window))]
        own = [self.processes.share.count(count) for count in rows]
        last = self._last_due(window)
        for number, batch in enumerate(window):
            progress = self.progress()
            with self._parallel.averaging(number == last):
                with autocast(self.device, self.plan.precision):
                    losses = self._parallel(batch.to(self.device), progress)
                if losses.total is not None:  # its gradient is averaged over processes, and counts by samples
                    self.optimization.backward(losses.total * (own[number] * self.processes.size / sum(rows)))
            means.add(losses, own[number], rows[number])
            self._finite.note(self.state.step, losses)
            self.state.step += 1
        if self.device.type == "cpu":
            self._finite.check()
        norm = self._step(progress) if last is not None else None
        self.state.updates += 1
        if self.state.updates % self.plan.log_every == 0:
            self._log(progress, losses, own[-1] / rows[-1], norm)

    def _last_due(self, window: Sequence[Batch]) -> int | None:
        """The last batch of a window on which a term acts; None: there is none."""
        for number in reversed(range(len(window))):
            if self.bundle.parts[window[number].task].due(self.progress(number)):
                return number
        return None

    def _step(self, progress: Progress) -> Tensor | None:
        if self.plan.budget is not None:
            progress = self.plan.budget.scheduled(progress, self.state.spent)
        norm = self.optimization.step(progress)
        if self.ema is not None:
            self.ema.update()
        return norm

    def _log(self, progress: Progress, losses: Losses, share: float, norm: Tensor | None) -> None:
        """Tells listeners of a step; ``share`` of the last batch's samples are this process's."""
        self._finite.check()
        values = {} if losses.total is None else {"loss/total": float(losses.total.detach())}
        values.update({f"loss/{name}": float(value.detach()) for name, value in losses.values.items()})
        scalars = {"lr": self.optimization.lr, **self.processes.mean(values, share)}
        scalars.update({f"weight/{w.name}": w.weight(progress) for w in self.bundle.terms})
        if norm is not None:
            scalars["gradient_norm"] = float(norm)
        self.hook.step_ended(trainer=self, progress=self._in_run(progress), scalars=scalars)

    def _validate(self, progress: Progress) -> None:
        last = progress.epoch + 1 == self.plan.epochs or self._spent
        if (progress.epoch + 1) % self.plan.validate_every and not last:
            return
        self.bundle.eval()
        with nullcontext() if self.ema is None else self.ema.applied():
            self.state.metrics = self.processes.of_first(self.validate)
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
        random = self.processes.of_all(checkpoint.random_state(self.device))
        self.processes.of_first(lambda: self._write(self.checkpoints / name, random))

    def _write(self, path: Path, random: Sequence[Mapping[str, Any]]) -> None:
        checkpoint.save({**self.state_dict(), "random_of_others": random[1:]}, path)
        self.hook.checkpoint_saved(trainer=self, path=path)

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on bit by bit as if it had never stopped."""
        return {
            "model": self.bundle.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            **self.optimization.state_dict(),
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
        self.optimization.load_state_dict(state, path)
        if (self.ema is None) != (state["ema"] is None):
            raise CheckpointError(
                f"{path}: trainer.ema differs between this experiment and the checkpoint; use the same"
            )
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if set(state["samplers"]) != set(self.bundle.samplers):
            raise CheckpointError(f"{path}: was trained with other samplers; use the configuration of its run")
        for stream, sampler in self.bundle.samplers.items():
            sampler.load_state_dict(state["samplers"][stream])
        self.state = State(**state["state"])
        checkpoint.restore_random_state(checkpoint.random_state_of(state, self.processes.rank), self.device)
