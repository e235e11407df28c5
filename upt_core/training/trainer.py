"""The loop. It receives finished objects and knows no plugin by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.task_batches import TaskBatches
from upt_core.errors import CheckpointError, UserError
from upt_core.interrupt import Interrupt, Interrupted
from upt_core.kinds import Schedule
from upt_core.loss_bundle import LossBundle, Losses
from upt_core.out_of_memory import out_of_memory_named
from upt_core.precision import autocast
from upt_core.processes import ALONE, Processes
from upt_core.progress import Progress
from upt_core.registry.listeners import Listeners
from upt_core.remarks import remark
from upt_core.task_bundle import TaskBundle, in_task
from upt_core.training import checkpoint
from upt_core.training.control import Control
from upt_core.training.ema import Ema
from upt_core.training.guard import SMALLEST_SCALE, BadNumbersError, Guard, Spikes, write_inputs
from upt_core.training.means import Means
from upt_core.training.measures import Scalars, Setting, measures_of_epoch, refresh_samplers
from upt_core.training.optimization import Optimization
from upt_core.training.parallel import Parallel
from upt_core.training.plan import Plan, State
from upt_core.training.saver import Saver, copied, in_words, newest

MOST_SKIPPED, MOST_REWINDS, MOST_BATCHES_KEPT = 20, 5, 3
"""Steps skipped in a row, and returns to one checkpoint, before a run ends; files of bad batches that are kept."""
WORKER_ENDED = "DataLoader worker (pid"
"""Begins torch's error, which its handler of SIGCHLD raises wherever the program is."""
REWIND_FACTOR = 0.5
"""Of the learning rate, after a return to a checkpoint; without it the same numbers would go bad again."""


@dataclass(frozen=True)
class Mark:
    """How things stood after the last whole step of the optimizers: batches seen, means of the epoch, random state."""

    step: int
    means: Means
    random: dict[str, Any]


class Trainer:
    """Trains a loss bundle.

    Args:
        bundle: model and loss terms, on their device.
        batches: of the training split, or this process's rows of them.
        optimizers: together they hold every trainable parameter once.
        lr_schedule: factor of the learning rates.
        plan: how long, how precisely.
        validate: computes the metrics of the validation split with the weights as they are.
        listeners: of the run (``upt_core.registry.hookspecs.RunHooks``).
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
        listeners: Listeners,
        run_dir: Path,
        checkpoints: Path,
        extra: Mapping[str, Any] | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self.bundle = bundle
        self.batches = batches
        self.plan = plan
        self.validate = validate
        self.listeners = listeners
        self.run_dir = run_dir
        self.checkpoints = checkpoints
        self.extra = dict(extra or {})
        self.processes = processes
        self.device = next(bundle.model.parameters()).device
        self.state = State()
        self.ema = Ema(bundle.model, plan.ema) if plan.ema is not None else None
        scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")
        self.optimization = Optimization(bundle.model, optimizers, lr_schedule, plan.clip_norm, scaler)
        self.control = Control([term.name for term in bundle.terms])
        self._in_effect = Control(self.control.terms)
        self._saver = Saver(checkpoints, plan.checkpoint)
        self._guard = Guard(batches.per_epoch, processes)
        self._spikes = Spikes(plan.max_gradient_spike) if plan.max_gradient_spike is not None else None
        self._parallel = Parallel(bundle)
        self._means = Means()
        self._mark = Mark(0, Means(), {})
        self._moving = False
        self._validated_at = -1
        self._rewound = 0
        self._seconds_before = 0.0
        self._started: float | None = None
        self._out_of_time = False

    def progress(self, ahead: int = 0) -> Progress:
        """Where training stands now, or some batches ahead."""
        step = self.state.step + ahead
        epoch, batch = divmod(step, self.batches.per_epoch)
        position = epoch + batch / self.batches.per_epoch
        return Progress(epoch, self.plan.epochs, step, position, self.processes.rank)

    def train(self) -> Scalars:
        """Trains to the last epoch, or until patience, time or a listener ends it; the metrics of the last validation.

        A signal (Ctrl-C, SIGTERM and others, see ``upt_core.interrupt``) ends the run after the current step of the
        optimizer, with a checkpoint to resume from. Several processes end together, after the next step that is
        logged. Whatever else ends it, the last state that is sound is saved first.

        Raises:
            UserError: a number became NaN or infinite, memory ran out, or the last checkpoint could not be written.
            Interrupted: by a signal; nothing is lost.
        """
        self._begin()
        try:
            self._parallel = Parallel(self.bundle, self.processes)
            with Interrupt(patient=self.processes.several) as interrupt:
                while not self.finished:
                    self._epoch_or_back(interrupt)
            self._end()
        except BaseException as error:
            self._rescue(error)
            self.listeners.tell("run_failed", trainer=self, error=error)
            raise
        finally:
            self._parallel = Parallel(self.bundle)  # what averages gradients would go on listening to them
        self.listeners.tell("run_finished", trainer=self, metrics=self.state.metrics)
        return self.state.metrics

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, patience or time spent, or a listener ended training."""
        return self._all_epochs_done or self._ended_early

    @property
    def out_of_patience(self) -> bool:
        """Whether as many validations as the plan allows brought nothing better."""
        return self.plan.patience is not None and self.state.waited >= self.plan.patience

    @property
    def _all_epochs_done(self) -> bool:
        return self.state.step >= self.plan.epochs * self.batches.per_epoch

    @property
    def _ended_early(self) -> bool:
        return self.out_of_patience or bool(self._in_effect.stopped) or self._out_of_time or self._spent

    @property
    def _spent(self) -> bool:
        """Whether the budget of seconds is spent."""
        return self.plan.budget is not None and self.state.spent >= self.plan.budget.seconds

    @property
    def seconds(self) -> float:
        """Time in training, that before a resume included."""
        return self._seconds_before + (0.0 if self._started is None else time.monotonic() - self._started)

    def _begin(self) -> None:
        self._started, self._out_of_time = time.monotonic(), False
        if self.processes.is_first:
            self._saver.begin(self.state.updates)
        self.listeners.tell("run_started", trainer=self, run_dir=self.run_dir)
        self._mark = Mark(self.state.step, self._means.copy(), checkpoint.random_state(self.device))
        if self.plan.on_nan == "rewind" and self.state.step == 0:
            self._save(wait=True)  # there must be something to go back to

    def _end(self) -> None:
        """What is kept of a run that is finished."""
        reason = self._in_effect.stopped or ("trainer.max_time is spent" if self._out_of_time else "")
        if reason and not self._all_epochs_done and self.processes.is_first:
            remark(f"training ends at step {self.state.step}: {reason}")
        if self._validated_at != self.state.step:
            self._validate(self.progress())
        self._save(wait=True)

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

    def _epoch_or_back(self, interrupt: Interrupt) -> None:
        """The rest of an epoch; where numbers went bad, and that is the policy, back to the last checkpoint."""
        try:
            self._epoch(interrupt)
        except BadNumbersError as error:
            if self.plan.on_nan != "rewind":
                raise
            self._rewind(error)
        except RuntimeError as error:
            if WORKER_ENDED not in str(error):
                raise
            raise UserError(
                f"a process that reads data ahead was ended from outside ({str(error).splitlines()[0]}); where memory "
                f"ran out, lower trainer.workers or trainer.batch_size"
            ) from error

    def _epoch(self, interrupt: Interrupt) -> None:
        started, progress = time.perf_counter(), self.progress()
        if self.state.step == progress.epoch * self.batches.per_epoch:
            self._means = Means()
            refresh_samplers(self._setting(), progress)
        self.bundle.train()
        before, stop = self._means.seconds, (progress.epoch + 1) * self.batches.per_epoch
        for window in self._timed(self._windows(self.state.step, stop)):
            self.update(window, self._means)
            self._means.seconds = before + time.perf_counter() - started
            self._mark = Mark(self.state.step, self._means.copy(), checkpoint.random_state(self.device))
            if self.state.step < stop and self._attend(interrupt):
                break
        self._end_epoch(replace(progress, step=self.state.step, position=self.state.step / self.batches.per_epoch))
        self._obey_signal(interrupt.requested, interrupt.number)

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

    def _end_epoch(self, done: Progress) -> None:
        """Means, measures and validation of an epoch, or of the part of it after which training ends."""
        self._check()
        first = done.epoch * self.batches.per_epoch
        begun = replace(done, step=first, position=float(done.epoch))
        scalars = self._means.compute(self.processes)
        scalars["seconds"] = self._means.seconds
        share = (done.step - first) / self.batches.per_epoch
        scalars["samples_per_second"] = share * self.batches.num_samples / max(scalars["seconds"], 1e-9)
        gradient_share, sampling_share = self._shares_due()
        measure = partial(measures_of_epoch, self._setting(), begun, gradient_share, sampling_share)
        scalars.update(self.processes.of_first(measure))
        if self.state.skipped:
            scalars["skipped_steps"] = float(self.state.skipped)
        if (done.epoch + 1) % self.plan.validate_every == 0 or self.finished:
            self._validate(done)
        self.listeners.tell("epoch_ended", trainer=self, progress=self._in_run(done), scalars=scalars)
        self._mark = Mark(self.state.step, self._means.copy(), checkpoint.random_state(self.device))
        self._serve(logged=True)

    def _shares_due(self) -> tuple[bool, bool]:
        """Whether gradient shares, and the sampling share, are measured now: after so many steps of the optimizer."""
        plan, state = self.plan, self.state
        first = state.updates <= self.batches.per_epoch
        gradient = plan.gradient_share_every
        shares = bool(gradient) and (first or state.updates - state.shares_at >= gradient)
        sampling = plan.sampling_share_every
        sampled = bool(sampling) and state.updates - state.sampling_share_at >= sampling
        state.shares_at = state.updates if shares else state.shares_at
        state.sampling_share_at = state.updates if sampled else state.sampling_share_at
        return shares, sampled

    def _attend(self, interrupt: Interrupt) -> bool:
        """After a step of the optimizer: checkpoints, signals, wishes; whether training ends here."""
        logged = self.state.updates % self.plan.log_every == 0
        if not self.processes.several or logged:
            self._obey_signal(interrupt.requested, interrupt.number)
        self._serve(logged)
        return self._ended_early

    def _obey_signal(self, requested: bool, number: int) -> None:
        """Several processes ask each other only when they log, and at the end of an epoch."""
        if self.processes.any(requested):
            self._save(wait=True)
            raise Interrupted(max(self.processes.of_all(number if requested else 0)))

    def _serve(self, logged: bool) -> None:
        """Does what listeners asked for, looks at the clock, and saves where it is time."""
        if self.processes.several and not logged:
            return
        asked = self.processes.of_first(self._wishes)
        self._in_effect.load_state_dict(asked["control"])
        self._apply_factors()
        self._out_of_time = asked["out_of_time"]
        if asked["validate"]:
            self._validate(self.progress())
            self.bundle.train()
        if asked["save"]:
            self._save(wait=False)
        self._tell_of_files(self._saver.written())

    def _wishes(self) -> dict[str, Any]:
        limit = self.plan.max_seconds
        save, validate = self.control.asked_to_save(), self.control.asked_to_validate()
        return {
            "control": self.control.state_dict(),
            "validate": validate,
            "save": save or self._saver.due(self.state.updates),
            "out_of_time": limit is not None and self.seconds >= limit,
        }

    def _apply_factors(self) -> None:
        for task, bundle in self.bundle.parts.items():
            bundle.factors = {
                term.name: self._in_effect.weight_factors[in_task(task, term.name)]
                for term in bundle.terms
                if in_task(task, term.name) in self._in_effect.weight_factors
            }

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
        first = self.state.step
        rows = [self.batches.rows(first + number) for number in range(len(window))]
        own = [self.processes.share.count(count) for count in rows]
        last = self._last_due(window)
        for number, batch in enumerate(window):
            progress = self.progress()
            on_device = batch.to(self.device)
            with self._parallel.averaging(number == last):
                with autocast(self.device, self.plan.precision):
                    losses = self._parallel(on_device, progress)
                if losses.total is not None:  # its gradient is averaged over processes, and counts by samples
                    with out_of_memory_named("the backward pass of all terms", on_device):
                        self.optimization.backward(losses.total * (own[number] * self.processes.size / sum(rows)))
            means.add(losses, own[number], rows[number])
            self._guard.note(self.state.step, losses)
            self.state.step += 1
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

    def _step(self, progress: Progress) -> Tensor:
        """Moves the weights, unless the numbers are bad or the gradient is a spike; the gradient's norm."""
        norm = self.optimization.gradient_norm()
        if not self.optimization.scaler.is_enabled():  # fp16's scale is found by overflows, which its scaler skips
            self._guard.note_gradient(progress.step, norm)
        try:
            if self.device.type == "cpu" or self.plan.on_nan != "stop":  # elsewhere the host would wait at every step
                self._check()
        except BadNumbersError as error:
            if self.plan.on_nan != "skip":
                raise
            self._skip(str(error))
            return norm
        if self._spikes is not None and self._spikes.is_one(float(norm)):
            self._skip(f"the gradient's norm {float(norm):.3g} is over {self._spikes.factor:g} times its running mean")
            return norm
        self._moving = True
        self.optimization.step(self._scheduled(progress), self._in_effect.lr_factor)
        if self.ema is not None:
            self.ema.update()
        self._moving = False
        self.state.skipped_in_a_row = 0
        return norm

    def _scheduled(self, progress: Progress) -> Progress:
        """Progress as the learning rate's schedule is to see it."""
        budget = self.plan.budget
        return progress if budget is None else budget.scheduled(progress, self.state.spent)

    def _skip(self, reason: str) -> None:
        """Leaves out a step of the optimizers; many in a row end the run."""
        self.optimization.discard()
        self.state.skipped += 1
        self.state.skipped_in_a_row += 1
        if self.processes.is_first and self.state.skipped == 1:
            remark(f"step {self.state.step - 1} is skipped: {reason}; further ones are counted in skipped_steps")
        if self.state.skipped_in_a_row >= MOST_SKIPPED:
            raise UserError(f"{MOST_SKIPPED} steps in a row were skipped, so training goes nowhere; the last: {reason}")

    def _check(self) -> None:
        """Looks at the numbers that were kept.

        Raises:
            BadNumbersError: one is NaN or infinite; the batch it came from is in a file.
        """
        try:
            self._guard.check()
            if self.optimization.scaler.is_enabled() and self.optimization.scaler.get_scale() < SMALLEST_SCALE:
                raise UserError(
                    "fp16: the factor of the loss fell to nothing, because gradients overflow at any; "
                    "use trainer.precision: bf16 or fp32"
                )
        except BadNumbersError as error:
            self._keep_inputs(error)
            raise

    def _keep_inputs(self, error: BadNumbersError) -> None:
        batch = self.batches[error.step]
        samples = [] if batch.points.sample_id_B is None else batch.points.sample_id_B.tolist()
        error.add_note(f"the batch: {f'task {batch.task}, ' if batch.task else ''}training samples {samples}")
        if not self.processes.is_first or len(list(self.run_dir.glob("bad-batch-*.pt"))) >= MOST_BATCHES_KEPT:
            return
        try:
            error.add_note(f"its inputs are in {write_inputs(batch, self.run_dir, error.step)}")
        except (OSError, RuntimeError) as failure:
            error.add_note(f"its inputs could not be written: {in_words(failure, self.run_dir)}")

    def _rewind(self, error: BadNumbersError) -> None:
        """Goes back to the last checkpoint, with a smaller learning rate from there on.

        Raises:
            UserError: it was tried too often.
        """
        self._rewound += 1
        if self._rewound > MOST_REWINDS:
            raise UserError(f"went back {MOST_REWINDS} times, and numbers became bad again: {error}") from error
        found = self.processes.of_first(self._newest)
        if found is None:
            raise error
        state, path = found
        self.optimization.discard()
        self.load_state_dict(state, path)
        for _ in range(self._rewound):
            self.control.scale_lr(REWIND_FACTOR)
        self._in_effect.load_state_dict(self.control.state_dict())
        self._mark = Mark(self.state.step, self._means.copy(), checkpoint.random_state(self.device))
        if self.processes.is_first:
            factor = self.control.lr_factor
            remark(f"{error}; going on from step {self.state.step} with {factor:g} times the learning rate")

    def _newest(self) -> tuple[dict[str, Any], Path] | None:
        for _ in self._saver.finish():
            pass
        return newest(self.checkpoints)

    def _log(self, progress: Progress, losses: Losses, share: float, norm: Tensor | None) -> None:
        """Tells listeners of a step; ``share`` of the last batch's samples are this process's."""
        if self.plan.on_nan != "skip":
            self._check()
        values = {} if losses.total is None else {"loss/total": float(losses.total.detach())}
        values.update({f"loss/{name}": float(value.detach()) for name, value in losses.values.items()})
        scalars = {"lr": self.optimization.lr, **self.processes.mean(values, share)}
        scalars.update({f"weight/{name}": weight for name, weight in self.bundle.weights(progress).items()})
        if norm is not None:
            scalars["gradient_norm"] = float(norm)
        self.listeners.tell("step_ended", trainer=self, progress=self._in_run(progress), scalars=scalars)

    def _validate(self, progress: Progress) -> None:
        self.bundle.eval()
        with nullcontext() if self.ema is None else self.ema.applied():
            self.state.metrics = self.processes.of_first(self.validate)
        self._validated_at = self.state.step
        self._keep_best(self.state.metrics[self.plan.monitor], self._in_run(progress).epoch)
        self.listeners.tell(
            "validation_ended", trainer=self, progress=self._in_run(progress), metrics=self.state.metrics
        )

    def _keep_best(self, value: float, epoch: int) -> None:
        best = self.state.best
        better = best is None or (value < best if self.plan.lower_is_better else value > best)
        if not math.isfinite(value) and self.processes.is_first:
            remark(f"validation: {self.plan.monitor} is {value} after step {self.state.step}, so it cannot be the best")
        if not (math.isfinite(value) and better):
            self.state.waited += 1
            return
        self.state.best, self.state.best_epoch, self.state.waited = value, epoch, 0
        self._guard.check_weights(self.bundle.model, self.state.step)
        state = self._whole_state()
        if self.processes.is_first:
            self._saver.keep_best(state)

    def _save(self, wait: bool) -> None:
        """Has the state written; a state that cannot go on is not.

        Args:
            wait: until the file is on disk, and a failure is an error.
        """
        self._check()
        self._guard.check_weights(self.bundle.model, self.state.step)
        state = self._whole_state()
        self.processes.of_first(lambda: self._write(state, wait))

    def save_beside(self) -> None:
        """Has a checkpoint written by a thread; returns when the state is copied."""
        self._save(wait=False)

    def finish_saving(self) -> None:
        """Returns when all checkpoints are on disk.

        Raises:
            CheckpointError: the last one could not be written.
        """
        self._tell_of_files(self._saver.finish())

    def _write(self, state: Mapping[str, Any], wait: bool) -> None:
        self._saver.save(state, self.state.updates)
        self._rewound = 0
        if wait:
            self._tell_of_files(self._saver.finish())

    def _tell_of_files(self, files: Iterable[Path]) -> None:
        for path in files:
            self.listeners.tell("checkpoint_saved", trainer=self, path=path)

    def _rescue(self, error: BaseException) -> None:
        """Saves the state after the last whole step before the run ends with an error, where that state is sound."""
        if isinstance(error, Interrupted | BadNumbersError | CheckpointError) or self.processes.several:
            return
        if self._moving:
            remark("the run ended in the middle of a step of the optimizer, so this state is not saved")
            return
        self.state.step, self._means = self._mark.step, self._mark.means
        checkpoint.restore_random_state(self._mark.random, self.device)
        try:
            self._save(wait=True)
        except Exception as failure:  # the error that ends the run is the one to be told
            error.add_note(f"and the state could not be saved: {failure}")

    def _whole_state(self) -> dict[str, Any]:
        """The state of this process with what differs in the others."""
        random = self.processes.of_all(checkpoint.random_state(self.device))
        means = self.processes.of_all(copied(self._means.state_dict()))
        return {**self.state_dict(), "random_of_others": random[1:], "means": means}

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on bit by bit as if it had never stopped."""
        return {
            "model": self.bundle.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            **self.optimization.state_dict(),
            "samplers": {stream: sampler.state_dict() for stream, sampler in self.bundle.samplers.items()},
            "state": {**vars(self.state)},
            "random": checkpoint.random_state(self.device),
            "means": [self._means.state_dict()],
            "control": self.control.state_dict(),
            "spikes": None if self._spikes is None else vars(self._spikes),
            "seconds": self.seconds,
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
        self._means = Means.restored(state["means"], self.processes, self.device)
        self.control.load_state_dict(state["control"])
        self._in_effect.load_state_dict(state["control"])
        self._apply_factors()
        if self._spikes is not None and state["spikes"] is not None:
            vars(self._spikes).update({**state["spikes"], "factor": self._spikes.factor})
        self._seconds_before, self._started = state["seconds"], None if self._started is None else time.monotonic()
        checkpoint.restore_random_state(checkpoint.random_state_of(state, self.processes.rank), self.device)
