"""The loop. It receives finished objects and knows no plugin by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.task_batches import TaskBatches
from upt_core.errors import UserError
from upt_core.interrupt import Interrupt, Interrupted
from upt_core.kinds import Schedule
from upt_core.loss_bundle import LossBundle
from upt_core.processes import ALONE, Processes
from upt_core.progress import Progress
from upt_core.remarks import remark
from upt_core.task_bundle import TaskBundle
from upt_core.training.ema import Ema
from upt_core.training.guard import BadNumbersError, Guard
from upt_core.training.inspection import Inspection
from upt_core.training.keeping import Keeping
from upt_core.training.means import Means
from upt_core.training.measures import Scalars, refresh_samplers
from upt_core.training.plan import Plan, State
from upt_core.training.saver import Saver
from upt_core.training.scalars import scalars_of_epoch, scalars_of_step
from upt_core.training.stepping import Stepping, Update
from upt_core.training.whole import Whole

if TYPE_CHECKING:
    from upt_core.training.sharding import Sharding

WORKER_ENDED = "DataLoader worker (pid"
"""Begins torch's error, which its handler of SIGCHLD raises wherever the program is."""


class Tells(Protocol):
    """Passes what happens on to whoever listens: ``upt_core.training.listeners.Listeners``."""

    def tell(self, hook: str, **arguments: Any) -> None:
        """Calls a hook of every listener that has it."""
        ...


class Trainer:
    """Trains a loss bundle.

    Args:
        bundle: model and loss terms, on their device.
        batches: of the training split, or this process's rows of them.
        optimizers: together they hold every trainable parameter once.
        lr_schedule: factor of the learning rates.
        plan: how long, how precisely.
        validate: computes the metrics of the validation split with the weights as they are. All processes call it
            together, and get the same figures.
        listeners: of the run (``upt_core.training.listeners.RunHooks``).
        run_dir: the run's folder.
        checkpoints: folder of ``last.pt`` and ``best.pt``.
        extra: plain data to be kept in every checkpoint.
        processes: that train together. All go through the same steps and share the validation; the first alone
            writes, and it alone should have listeners.
        check_data: raises a UserError where the data are no longer those that training began with; called in every
            process before each epoch and each validation. None: they are not looked at.
        sharding: of the model over the processes; None: each holds the whole of it.
    """

    def __init__(
        self,
        bundle: LossBundle | TaskBundle,
        batches: Batches | TaskBatches,
        optimizers: Sequence[torch.optim.Optimizer],
        lr_schedule: Schedule,
        plan: Plan,
        validate: Callable[[], Scalars],
        listeners: Tells,
        run_dir: Path,
        checkpoints: Path,
        extra: Mapping[str, Any] | None = None,
        processes: Processes = ALONE,
        check_data: Callable[[], None] | None = None,
        sharding: Sharding | None = None,
    ) -> None:
        self._whole = whole = Whole(bundle, batches, optimizers, lr_schedule, plan, extra or {}, processes, sharding)
        self.batches = batches
        self.plan = plan
        self.validate = validate
        self.check_data = check_data
        self.listeners = listeners
        self.run_dir = run_dir
        self.checkpoints = checkpoints
        self.extra = whole.extra
        self.processes = processes
        self.device = whole.device
        self.optimization = whole.optimization
        self.control = whole.control
        self._inspection = Inspection(whole, Guard(batches.per_epoch, processes), run_dir)
        self._stepping = Stepping(whole, self._inspection)
        self._keeping = Keeping(whole, self._inspection, _saver(checkpoints, plan, sharding))
        self._validated_at, self._out_of_time = -1, False

    @property
    def bundle(self) -> LossBundle | TaskBundle:
        """Model and loss terms."""
        return self._whole.bundle

    @bundle.setter
    def bundle(self, bundle: LossBundle | TaskBundle) -> None:
        self._whole.bundle = bundle

    @property
    def state(self) -> State:
        """Where the run stands."""
        return self._whole.state

    @state.setter
    def state(self, state: State) -> None:
        self._whole.state = state

    @property
    def ema(self) -> Ema | None:
        """The moving average of the weights."""
        return self._whole.ema

    @ema.setter
    def ema(self, ema: Ema | None) -> None:
        self._whole.ema = ema

    @property
    def seconds(self) -> float:
        """Time in training, that before a resume included."""
        return self._whole.seconds

    def gathered(self) -> AbstractContextManager[None]:
        """For a block without steps of training, the whole model in every process, where it is divided among them.

        All processes enter and leave it together.
        """
        return self._whole.gathered()

    def progress(self, ahead: int = 0) -> Progress:
        """Where training stands now, or some batches ahead."""
        return self._whole.progress(ahead)

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
            # A signal to one that has just failed must not hinder its rescue, so that comes within.
            with Interrupt(patient=self.processes.several) as interrupt, self._rescued():
                self._stepping.together()
                while not self.finished:
                    self._epoch_or_back(interrupt)
            with self._rescued():
                self._end()
        except BaseException as error:
            self.listeners.tell("run_failed", trainer=self, error=error)
            raise
        finally:
            self._stepping.apart()
        self.listeners.tell("run_finished", trainer=self, metrics=self.state.metrics)
        return self.state.metrics

    @contextmanager
    def _rescued(self) -> Iterator[None]:
        """Saves the state where the block fails, before all else: what listeners do then may end the process."""
        try:
            yield
        except BaseException as error:
            self._keeping.rescue(error, self._tell_of_file)
            raise

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
        spent = self._out_of_time or self._whole.out_of_budget
        return self.out_of_patience or bool(self._whole.in_effect.stopped) or spent

    def _begin(self) -> None:
        self._out_of_time = False
        self._whole.start_clock()
        self._keeping.begin()
        self.listeners.tell("run_started", trainer=self, run_dir=self.run_dir)
        self._keeping.mark()
        if self.plan.on_nan == "rewind" and self.state.step == 0:
            self._keeping.save(self._tell_of_file)  # there must be something to go back to

    def _end(self) -> None:
        """What is kept of a run that is finished."""
        reason = self._whole.in_effect.stopped or ("trainer.max_time is spent" if self._out_of_time else "")
        if reason and not self._all_epochs_done and self.processes.is_first:
            remark(f"training ends at step {self.state.step}: {reason}")
        if self._validated_at != self.state.step:
            self._validate(self.progress())
        self._keeping.save(self._tell_of_file)

    def _epoch_or_back(self, interrupt: Interrupt) -> None:
        """The rest of an epoch; where numbers went bad, and that is the policy, back to the last checkpoint."""
        try:
            self._epoch(interrupt)
        except BadNumbersError as error:
            if self.plan.on_nan != "rewind":
                raise
            self._keeping.rewind(error)
        except RuntimeError as error:
            if WORKER_ENDED not in str(error):
                raise
            raise UserError(
                f"a process that reads data ahead was ended from outside ({str(error).splitlines()[0]}); where memory "
                f"ran out, lower trainer.workers or trainer.batch_size"
            ) from error

    def _epoch(self, interrupt: Interrupt) -> None:
        self._look_at_data()
        started, progress = time.perf_counter(), self.progress()
        if self.state.step == progress.epoch * self.batches.per_epoch:  # else a resume goes on within the epoch
            self._whole.means = Means()
            with self.gathered():
                refresh_samplers(self._whole.setting, progress, self.processes)
        self.bundle.train()  # who refreshed a sampler left it in evaluation mode
        before, stop = self._whole.means.seconds, (progress.epoch + 1) * self.batches.per_epoch
        for window in self._stepping.windows(stop):
            self.update(window, self._whole.means)
            self._whole.means.seconds = before + time.perf_counter() - started
            if self.state.step < stop and self._attend(interrupt):  # after the last one the epoch is ended first
                break
        self._end_epoch(replace(progress, step=self.state.step, position=self.state.step / self.batches.per_epoch))
        self._obey_signal(interrupt.requested, interrupt.number)

    def _end_epoch(self, done: Progress) -> None:
        """Means, measures and validation of an epoch, or of the part of it after which training ends."""
        self._inspection.check()
        with self.gathered():
            scalars = scalars_of_epoch(self._whole, done)
        if (done.epoch + 1) % self.plan.validate_every == 0 or self.finished:
            self._validate(done)
        self.listeners.tell("epoch_ended", trainer=self, progress=self.plan.in_run(done), scalars=scalars)
        self._keeping.mark()
        self._serve(logged=True)

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
            self._keeping.save(self._tell_of_file)
            raise Interrupted(max(self.processes.of_all(number if requested else 0)))

    def _serve(self, logged: bool) -> None:
        """Does what listeners asked for, looks at the clock, and saves where it is time."""
        if self.processes.several and not logged:  # asking the others is a message for which all wait
            return
        asked = self.processes.of_first(self._wishes)
        self._whole.follow(asked["control"])
        self._out_of_time = asked["out_of_time"]
        if asked["validate"]:
            self._validate(self.progress())
            self.bundle.train()
        if asked["save"]:
            self._keeping.save()
        self._keeping.tell_of_written(self._tell_of_file)

    def _wishes(self) -> dict[str, Any]:
        save, validate = self.control.asked_to_save(), self.control.asked_to_validate()
        return {
            "control": self.control.state_dict(),
            "validate": validate,
            "save": save or self._keeping.due(),
            "out_of_time": self._whole.out_of_time,
        }

    def update(self, window: Sequence[Batch], means: Means) -> None:
        """One step of the optimizers: the mean gradient of the samples of a window of batches."""
        done = self._stepping.update(window, means)
        self._keeping.mark()  # at once: an error from here on must find the weights and their step together
        if self.state.updates % self.plan.log_every == 0:
            self._log(done)

    def _log(self, done: Update) -> None:
        """Tells listeners of a step."""
        if self.plan.on_nan != "skip":  # there each step was looked at before it was taken, or left out
            self._inspection.check()
        scalars = scalars_of_step(self._whole, done)
        self.listeners.tell("step_ended", trainer=self, progress=self.plan.in_run(done.progress), scalars=scalars)

    def _look_at_data(self) -> None:
        """Ends the run where the data changed; several processes save together first, since all of them end here."""
        if self.check_data is None:
            return
        try:
            with self.processes.agreed():
                self.check_data()
        except UserError:
            if self.processes.several:
                self._keeping.save(self._tell_of_file)
            raise

    def _validate(self, progress: Progress) -> None:
        self._look_at_data()
        self.bundle.eval()
        with nullcontext() if self.ema is None else self.ema.applied(), self.gathered():
            self.state.metrics = self.validate()
        self._validated_at = self.state.step
        done, metrics = self.plan.in_run(progress), self.state.metrics
        # Every process decides, from the same figures, what is the best: their states must stay equal.
        self._keep_best(metrics[self.plan.monitor], done.epoch)
        self.listeners.tell("validation_ended", trainer=self, progress=done, metrics=metrics)

    def _keep_best(self, value: float, epoch: int) -> None:
        best = self.state.best
        better = best is None or (value < best if self.plan.lower_is_better else value > best)
        if not math.isfinite(value) and self.processes.is_first:
            remark(f"validation: {self.plan.monitor} is {value} after step {self.state.step}, so it cannot be the best")
        if not (math.isfinite(value) and better):
            self.state.waited += 1
            return
        self.state.best, self.state.best_epoch, self.state.waited = value, epoch, 0
        self._keeping.keep_best()

    def save_beside(self) -> None:
        """Has a checkpoint written by a thread; returns when the state is copied."""
        self._keeping.save()

    def finish_saving(self) -> None:
        """Returns when all checkpoints are on disk.

        Raises:
            CheckpointError: the last one could not be written.
        """
        self._keeping.finish(self._tell_of_file)

    def _tell_of_file(self, path: Path) -> None:
        self.listeners.tell("checkpoint_saved", trainer=self, path=path)

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on bit by bit as if it had never stopped."""
        return self._whole.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], path: Path) -> None:
        """Goes on from a checkpoint.

        Raises:
            CheckpointError: it belongs to another architecture, optimizer or set of samplers.
        """
        self._whole.load_state_dict(state, path)


def _saver(folder: Path, plan: Plan, sharding: Sharding | None) -> Saver:
    """What writes the checkpoints; where the model is divided, every process its parts."""
    if sharding is None:
        return Saver(folder, plan.checkpoint)
    from upt_core.training.sharded_saver import ShardedSaver  # late: torch loads much for it

    return ShardedSaver(folder, plan.checkpoint, sharding)
