"""Named loss terms × weight schedules × frequency → the total and its components."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from upt_core.batch import Batch
from upt_core.data.normalize import Normalization
from upt_core.errors import UserError
from upt_core.feedback import Feedback
from upt_core.kinds import Sampler, Schedule
from upt_core.model import Upt
from upt_core.points import Points, Queries
from upt_core.progress import Progress
from upt_core.recompute import KEEP_ALL, Recompute
from upt_core.specs import DataSpec
from upt_core.step import LossTerm, Observer, Step


@dataclass(frozen=True)
class WeightedTerm:
    """A loss term in a bundle.

    Args:
        name: what logs and errors call it.
        term: computes the unweighted value.
        weight: its factor in the total; at 0 the term is not computed.
        every: the term acts on batches whose number is a multiple of this.
        sampler: chooses its query points; None: all points.
        stream: name of the sampler's random stream; terms with one sampler and stream share their query points.
    """

    name: str
    term: LossTerm
    weight: Schedule
    every: int = 1
    sampler: Sampler | None = None
    stream: str = "sampler"


@dataclass(frozen=True)
class Losses:
    """What a bundle answers: the weighted total (None: no term was due), each due term's raw value and its weight."""

    total: Tensor | None
    values: dict[str, Tensor]
    weights: dict[str, float]


class LossBundle(nn.Module):
    """The sum of weighted terms over one lazy step. Everything runs inside ``forward``, as DDP and FSDP need it."""

    def __init__(
        self,
        model: Upt,
        terms: Sequence[WeightedTerm],
        data: DataSpec,
        seed: int = 0,
        normalization: Normalization | None = None,
        recompute: Recompute = KEEP_ALL,
    ) -> None:
        super().__init__()
        if not terms:
            raise ValueError("a bundle needs at least one loss term")
        self.model = model
        self.terms = tuple(terms)
        self.data = data
        self.seed = seed
        self.normalization = normalization
        self.recompute = recompute
        self.factors: dict[str, float] = {}
        """Factor of a term's weight on top of its schedule, where a listener asked for one."""
        self._heard: list[tuple[Sampler, Points, Queries, Tensor]] = []

    @property
    def parts(self) -> dict[str, LossBundle]:
        """This bundle as that of the only task."""
        return {"": self}

    @property
    def horizon(self) -> int:
        """How many target time steps the terms need."""
        return max(weighted.term.horizon for weighted in self.terms)

    @property
    def needs_reference(self) -> bool:
        """Whether a term compares with the state at t = 0 of each trajectory."""
        return any(weighted.term.needs_reference for weighted in self.terms)

    @property
    def samplers(self) -> dict[str, Sampler]:
        """Every sampler once, by the name of its stream."""
        return {weighted.stream: weighted.sampler for weighted in self.terms if weighted.sampler is not None}

    @property
    def in_order(self) -> list[WeightedTerm]:
        """The terms in the order in which they are evaluated."""
        return sorted(self.terms, key=_looks_at_some)

    def weight(self, weighted: WeightedTerm, progress: Progress) -> float:
        """A term's weight now."""
        return weighted.weight(progress) * self.factors.get(weighted.name, 1.0)

    def weights(self, progress: Progress) -> dict[str, float]:
        """Every term's weight now, whether it is due or not."""
        return {weighted.name: self.weight(weighted, progress) for weighted in self.terms}

    def due(self, progress: Progress) -> dict[str, float]:
        """The weights of the terms that act on this batch; a term of weight 0, or not due, is left out."""
        weights = {w.name: self.weight(w, progress) for w in self.terms if progress.step % w.every == 0}
        return {name: weight for name, weight in weights.items() if weight != 0.0}

    def forward(self, batch: Batch, progress: Progress) -> Losses:
        """The losses of one batch."""
        self.learn()
        weights = self.due(progress)
        step = self.step(batch, progress)
        feedback = {w.stream: Feedback(batch.points) for w in self.terms if self._learns(w)}
        values: dict[str, Tensor] = {}
        for weighted in self.in_order:
            if weighted.name in weights:
                weight = weights[weighted.name]
                with out_of_memory_named(f"losses.{weighted.name}", batch, _num_queries(weighted, batch, progress)):
                    values[weighted.name] = self.evaluate(weighted, step, feedback.get(weighted.stream), weight)
        for stream, sampler in self.samplers.items():
            for queries, value_BQ in feedback[stream].totals() if stream in feedback else ():
                self._heard.append((sampler, batch.points, queries, value_BQ))
        values = {name: values[name] for name in weights}  # summed and logged in the order of the configuration
        parts = [weights[name] * value for name, value in values.items()]
        return Losses(torch.stack(parts).sum() if parts else None, values, weights)

    def learn(self) -> None:
        """Has adaptive samplers learn from the last batch.

        Not within its forward pass: what a sampler learns acts from the next batch on, for every term alike, and a step
        that fails has taught it nothing, so that a run goes on from the step before to the last bit. The next forward
        pass begins with this; whoever keeps the samplers' state calls it before. Of a step that gathers several
        batches, all but the last have taught when it fails.
        """
        heard, self._heard = self._heard, []
        for sampler, points, queries, value_BQ in heard:
            sampler.observe(points, queries, value_BQ)

    def forget(self) -> None:
        """Drops what adaptive samplers were to learn from the last batch: its step was left out, or taken back."""
        self._heard = []

    def _learns(self, weighted: WeightedTerm) -> bool:
        return self.training and weighted.sampler is not None and weighted.sampler.adaptive

    def step(self, batch: Batch, progress: Progress) -> Step:
        """A lazy step of this bundle's model on a batch."""
        return Step(self.model, batch, self.data, progress, self.seed, self.normalization, self.recompute)

    def evaluate(
        self, weighted: WeightedTerm, step: Step, feedback: Feedback | None = None, weight: float = 1.0
    ) -> Tensor:
        """One term's raw value on a step.

        Args:
            feedback: takes the pointwise values, weighted, for an adaptive sampler; None: nobody learns from them.
            weight: the term's weight now, for the feedback.
        """
        reports: list[tuple[Queries, Tensor]] = []
        observer: Observer | None = (
            None if feedback is None else lambda _, queries, value: reports.append((queries, value))
        )
        value = weighted.term(step.using(weighted.sampler, weighted.stream, observer))
        if value.dim() != 0:
            raise ValueError(f"loss term {weighted.name!r} must return a scalar; it returned {tuple(value.shape)}")
        if feedback is not None:
            feedback.add(reports, weight)
        return value


def _looks_at_some(weighted: WeightedTerm) -> bool:
    """Terms that look at all points come first: what they decode, the others take their query points from."""
    return weighted.sampler is not None


def _num_queries(weighted: WeightedTerm, batch: Batch, progress: Progress) -> int:
    """At how many points of each sample a term looks."""
    num_points = batch.points.num_points
    return num_points if weighted.sampler is None else min(num_points, weighted.sampler.count(num_points, progress))


class OutOfMemory(UserError):  # noqa: N818  MemoryError is Python's own
    """The device, or the machine, has not enough memory for a step."""


@contextmanager
def out_of_memory_named(where: str, batch: Batch, num_queries: int | None = None) -> Iterator[None]:
    """Makes a message of an allocation that fails inside.

    Args:
        where: the loss term or pass that it is for.
        batch: that was computed on.
        num_queries: query points of each sample; None: there is no one number.

    Raises:
        OutOfMemory: what failed, its size, and what to lower.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        points = batch.points
        size = f"{points.batch_size} samples of {points.num_points} points"
        queries = "" if num_queries is None else f", {num_queries} query points each"
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OutOfMemory(
            f"{where}: out of memory with {size}{queries}: {reason}; lower trainer.batch_size (and raise "
            f"trainer.accumulate as much, which changes nothing else), the sampler's num_queries, or model.latent; "
            f"or set trainer.precision: bf16"
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had, on a device or on the host."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
