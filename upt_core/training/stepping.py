"""One step of the optimizers over a window of batches: taken, or skipped where numbers are bad or a gradient spikes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from upt_core.batch import Batch
from upt_core.errors import UserError
from upt_core.loss_bundle import Losses, out_of_memory_named
from upt_core.precision import autocast
from upt_core.processes import ALONE
from upt_core.progress import Progress
from upt_core.remarks import remark
from upt_core.training.guard import BadNumbersError
from upt_core.training.inspection import Inspection
from upt_core.training.means import Means
from upt_core.training.parallel import Parallel
from upt_core.training.whole import Whole

MOST_SKIPPED = 20
"""Steps skipped in a row before a run ends."""


@dataclass(frozen=True)
class Update:
    """What a step of the optimizers tells: of the last batch of its window, its progress and losses.

    Args:
        share: of that batch's samples, which are this process's own.
        norm: of the gradient; None: no term acted on the window.
    """

    progress: Progress
    losses: Losses
    share: float
    norm: Tensor | None


class Stepping:
    """Takes the steps of a run.

    Args:
        whole: what is trained.
        inspection: of its numbers.
    """

    def __init__(self, whole: Whole, inspection: Inspection) -> None:
        self._whole = whole
        self._inspection = inspection
        self._parallel = Parallel(whole.bundle)

    def together(self) -> None:
        """Averages gradients over the processes from now on."""
        self._parallel = Parallel(self._whole.bundle, self._whole.processes, self._whole.sharding)

    def apart(self) -> None:
        """Ends the averaging, which would otherwise go on listening to the gradients."""
        self._parallel = Parallel(self._whole.bundle, ALONE)

    def windows(self, stop: int) -> Iterator[list[Batch]]:
        """Batches from the present step on, in groups for one step of the optimizers, until the budget is spent; what
        is done with each group, and reading it, counts.

        Args:
            stop: number of the batch before which they end.
        """
        whole, budget = self._whole, self._whole.plan.budget
        if budget is None:
            yield from self._groups(stop)
            return
        started = budget.now()
        for window in self._groups(stop):
            yield window
            now = budget.now()
            whole.state.spent = whole.processes.of_first(lambda: whole.state.spent + now - started)  # noqa: B023
            started = now
            if whole.out_of_budget:
                return

    def _groups(self, stop: int) -> Iterator[list[Batch]]:
        """Batches in groups of ``accumulate``; the last group of an epoch may be shorter."""
        whole = self._whole
        pin_memory = whole.device.type == "cuda"
        window: list[Batch] = []
        batches = iter(whole.batches.iterate(whole.state.step, stop, whole.plan.workers, pin_memory))
        while (batch := self._read(batches)) is not None:
            window.append(batch)
            if len(window) == whole.plan.accumulate:
                yield window
                window = []
        if window:
            yield window

    def _read(self, batches: Iterator[Batch]) -> Batch | None:
        """The next batch, None after the last; notes how long the step had to wait for it."""
        started = time.perf_counter()
        batch = next(batches, None)
        self._whole.means.waited += time.perf_counter() - started
        return batch

    def update(self, window: Sequence[Batch], means: Means) -> Update:
        """One step of the optimizers: the mean gradient of the samples of a window of batches."""
        whole = self._whole
        first = whole.state.step
        rows = [whole.batches.rows(first + number) for number in range(len(window))]
        own = [whole.processes.share.count(count) for count in rows]
        seen, before = self._progress_in(window), means.copy()
        last = self._last_due(window, seen)
        sent = self._sent(window, seen, last)
        for number, (batch, progress) in enumerate(zip(window, seen, strict=True)):
            weight = own[number] * whole.processes.size / sum(rows)  # by samples; a mean over processes follows
            losses = self._backward(batch, progress, weight, number in sent)
            means.add(losses, own[number], rows[number])
            self._inspection.guard.note(whole.state.step, losses)
            whole.state.step += 1
        norm = self._step(progress) if last is not None else None
        if whole.state.skipped_in_a_row and last is not None:  # a step that is left out counts in no mean, and
            means.become(before)  # teaches no sampler
            for bundle in whole.bundle.parts.values():
                bundle.forget()
        whole.state.updates += 1
        return Update(progress, losses, own[-1] / rows[-1], norm)

    def _backward(self, batch: Batch, progress: Progress, weight: float, average: bool) -> Losses:
        """Adds the gradient of a batch, times a weight; averages what was added over processes where told."""
        whole = self._whole
        on_device = batch.to(whole.device)
        with self._parallel.averaging(average):
            with autocast(whole.device, whole.plan.precision):
                losses = self._parallel(on_device, progress)
            if losses.total is not None:
                with out_of_memory_named("the backward pass of all terms", on_device):
                    whole.optimization.backward(losses.total * weight)
        return losses

    def _progress_in(self, window: Sequence[Batch]) -> list[Progress]:
        """The progress that each batch of a window sees. Schedules stand still within it: it is one step."""
        progress, position = self._whole.progress, self._whole.progress().position
        return [replace(progress(number), position=position) for number in range(len(window))]

    def _last_due(self, window: Sequence[Batch], seen: Sequence[Progress]) -> int | None:
        """The last batch of a window on which a term acts; None: there is none."""
        for number in reversed(range(len(window))):
            if self._whole.bundle.parts[window[number].task].due(seen[number]):
                return number
        return None

    def _sent(self, window: Sequence[Batch], seen: Sequence[Progress], last: int | None) -> set[int]:
        """The batches of a window after which gradients go over the processes: the last on which a term acts.

        DDP then sends all that was gathered. FSDP sends that of the parts that the batch used, so a batch waits for the
        last one only where the same terms of the same task act on both.
        """
        if last is None:
            return set()
        if self._whole.sharding is None:
            return {last}
        acting = [self._acting(batch, progress) for batch, progress in zip(window, seen, strict=True)]
        return {last, *(number for number in range(last) if not acting[number] <= acting[last])}

    def _acting(self, batch: Batch, progress: Progress) -> set[tuple[str, str]]:
        """The terms that act on a batch of the window, with its task."""
        due = self._whole.bundle.parts[batch.task].due(progress)
        return {(batch.task, name) for name in due}

    def _step(self, progress: Progress) -> Tensor:
        """Moves the weights, unless the numbers are bad or the gradient is a spike; the gradient's norm."""
        norm = self._whole.optimization.gradient_norm()
        reason = self._reason_to_skip(norm, progress)
        if reason:
            self._skip(reason)
        else:
            self._move(progress)
        return norm

    def _reason_to_skip(self, norm: Tensor, progress: Progress) -> str:
        """Why the step is to be left out; empty: it is to be taken.

        Raises:
            BadNumbersError: one is NaN or infinite, and such steps are not skipped.
        """
        whole = self._whole
        if not whole.optimization.scaler.is_enabled():  # fp16's scale is found by overflows, which its scaler skips
            self._inspection.guard.note_gradient(progress.step, norm)
        try:
            if whole.device.type == "cpu" or whole.plan.on_nan != "stop":  # elsewhere the host would wait at every step
                self._inspection.check()
        except BadNumbersError as error:
            if whole.plan.on_nan != "skip":
                raise
            return str(error)
        if whole.spikes is not None and whole.spikes.is_one(float(norm)):
            return f"the gradient's norm {float(norm):.3g} is over {whole.spikes.factor:g} times its running mean"
        return ""

    def _move(self, progress: Progress) -> None:
        """Moves the weights, and their moving average."""
        whole, budget = self._whole, self._whole.plan.budget
        scheduled = progress if budget is None else budget.scheduled(progress, whole.state.spent)
        whole.moving = True
        whole.optimization.step(scheduled, whole.in_effect.lr_factor)
        if whole.ema is not None:
            whole.ema.update()
        whole.moving = False
        whole.state.skipped_in_a_row = 0

    def _skip(self, reason: str) -> None:
        """Leaves out a step of the optimizers; many in a row end the run."""
        state = self._whole.state
        self._whole.optimization.discard()
        state.skipped += 1
        state.skipped_in_a_row += 1
        if self._whole.processes.is_first and state.skipped == 1:
            remark(f"step {state.step - 1} is skipped: {reason}; further ones are counted in skipped_steps")
        if state.skipped_in_a_row >= MOST_SKIPPED:
            raise UserError(
                f"{MOST_SKIPPED} steps in a row were skipped, so training makes no progress; the last: {reason}"
            )
