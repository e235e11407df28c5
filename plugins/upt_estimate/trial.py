"""A step of training on fake tensors: everything runs as in training, and nothing of its size is allocated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
)
from torch.utils._python_dispatch import _disable_current_modes

from upt_core import Batch, Need, Points, Progress, Upt, UserError
from upt_core.commands import Built, LossBundle, WeightedTerm, autocast
from upt_estimate.division import Division, gathered_bytes, window_bytes
from upt_estimate.ledger import Label, Ledger
from upt_estimate.stand_ins import Drawn, Labelled
from upt_estimate.subject import Subject

READS_VALUES = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedFakeTensorException)
Found = tuple[Tensor, ...]
PARTS = ("encoder", "approximator", "decoder")


@dataclass(frozen=True)
class StepCost:
    """What a step costs on one device, in bytes and operations.

    Args:
        batch_size: samples on the device.
        peak: the most memory that is held together.
        at_peak: who holds it then.
        kept: what is kept for the backward pass, by loss term and part of the model; what several terms share counts
            for the first that asked.
        parameters: of each part of the model, their number.
        flops: of matrix products, convolutions and attention, forward and backward.
        moved: bytes that operations read and write, each by itself.
        queries: loss term → its query points a sample.
    """

    batch_size: int
    peak: int
    at_peak: Mapping[str, int]
    kept: Mapping[Label, int]
    parameters: Mapping[str, int]
    flops: int
    moved: int
    queries: Mapping[str, int]


def try_step(subject: Subject, batch_size: int, num_queries: int | None = None, devices: int = 1) -> StepCost:
    """Takes two steps, of which the second is counted: by then the optimizer has its state.

    Args:
        batch_size: samples on this device.
        num_queries: in place of what the samplers ask for; None: as they are.
        devices: processes that average their gradients, or divide the model (``trainer.strategy: fsdp``).

    Raises:
        UserError: a part of the model, a term or the optimizer reads values, which fake tensors do not have.
    """
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        trial = _Trial(subject, mode, devices)
        try:
            return trial.run(batch_size, num_queries)
        except READS_VALUES as error:
            where = " › ".join(trial.ledger.failed_at) or "the step"
            raise UserError(
                f"an estimate uses tensors that have shapes and no values, but {where} reads values of fields or "
                f"weights ({error}); measure a step instead: train one epoch with the callback profiler"
            ) from error


class _Trial:
    def __init__(self, subject: Subject, mode: FakeTensorMode, devices: int) -> None:
        self.subject = subject
        self.mode = mode
        self.devices = devices
        self.ledger = Ledger()
        divided = devices > 1 and subject.experiment.settings.trainer.strategy == "fsdp"
        self.division = Division(devices, self.ledger) if divided else None

    def run(self, batch_size: int, num_queries: int | None) -> StepCost:
        experiment, ledger = self.subject.experiment, self.ledger
        with ledger, ledger.only("parameters"):
            model = experiment.build_model(self.subject.prepared.data)
        with _disable_current_modes():
            built = self.subject.built(model)
            real = self.subject.batch(built, batch_size)
        with ledger:
            with ledger.only("batch"):
                batch = self._faked(real)
            bundle = self._bundle(built, real.points, num_queries)
            optimizers = experiment.optimizers(model)
            with ledger.only("points kept for the run"):
                points = torch.empty(self._kept_points(built, real), dtype=torch.uint8)
            with ledger.only("moving average"):
                average = [p.detach().clone() for p in model.parameters()] if experiment.settings.trainer.ema else []
            of_others = self._shared(model, average)
            for parameter in filter(lambda own: own.requires_grad, model.parameters()):
                parameter.register_post_accumulate_grad_hook(self._gradient)  # type: ignore[no-untyped-call]
            with self._parts_named(model), self._needs_found(model.encoder.needs):
                self._step(bundle, optimizers, batch)
                if self.division is not None:
                    self.division.divide_states(optimizers)
                ledger.restart()
                kept = self._step(bundle, optimizers, batch)
        del points, average, of_others
        return self._found(model, bundle, batch_size, kept, real.points)

    def _shared(self, model: Upt, average: list[Tensor]) -> list[Tensor]:
        """What several processes hold beside, and of what they divide their part alone."""
        trainer, ledger = self.subject.experiment.settings.trainer, self.ledger
        if self.division is None:
            with ledger.only("gradient buckets"):
                return [torch.empty_like(p) for p in model.parameters()] if self.devices > 1 else []
        self.division.divide([*model.parameters(), *average])
        with ledger.only("gathered blocks"):
            gathered = torch.empty(gathered_bytes(model, trainer.precision), dtype=torch.uint8)
        with ledger.only("gradients of a window"):
            return [gathered, torch.empty(window_bytes(model, trainer.accumulate), dtype=torch.uint8)]

    @staticmethod
    def _kept_points(built: Built, batch: Batch) -> int:
        """Bytes of the batch's point sets, which stay on the host for later batches; shared rows are held once."""
        if built.device.type != "cpu" or batch.points.shared:
            return 0
        return built.prepared.point_sets.kept_bytes

    def _bundle(self, built: Built, points: Points, num_queries: int | None) -> LossBundle:
        own = built.bundle

        def stand_in(term: WeightedTerm) -> WeightedTerm:
            sampler = None if term.sampler is None else Drawn(term.sampler, points, self._faked_any, num_queries)
            return replace(term, term=Labelled(term.term, term.name, self.ledger), sampler=sampler)

        terms = [stand_in(term) for term in own.terms]
        bundle = LossBundle(own.model, terms, own.data, own.seed, own.normalization, own.recompute)
        return bundle.train()

    def _step(self, bundle: LossBundle, optimizers: list[torch.optim.Optimizer], batch: Batch) -> Mapping[Label, int]:
        """A step of training; what is kept between its forward and its backward pass."""
        settings, ledger, model = self.subject.experiment.settings.trainer, self.ledger, bundle.model
        with autocast(batch.input_BNC.device, settings.precision):
            losses = bundle(batch, self.subject.progress)
        kept = {label: size for label, size in ledger.live.items() if label and label[0] == "activations" and size}
        with ledger.only("backward"):
            assert losses.total is not None
            losses.total.backward()
        del losses
        with ledger.only("optimizer"):
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm, foreach=True)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        return kept

    def _gradient(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.ledger.hand_over(parameter.grad, "gradients")
        if self.division is not None:
            self.division.divide([parameter.grad])

    @contextmanager
    def _parts_named(self, model: Upt) -> Iterator[None]:
        """Calls of the model's parts hold under their names."""
        stack: list[Any] = []

        def enter(name: str) -> Callable[..., None]:
            def hook(*_: Any) -> None:
                stack.append(self.ledger.holding(name))
                stack[-1].__enter__()

            return hook

        def leave(*_: Any) -> None:
            stack.pop().__exit__(None, None, None)

        handles = []
        for name in PARTS:
            part = getattr(model, name)
            handles += [part.register_forward_pre_hook(enter(name)), part.register_forward_hook(leave)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def _needs_found(self, needs: Sequence[Need]) -> Iterator[None]:
        """What an encoder needs to know of points that a term makes is found from their values: they are known."""
        inherited = {type(need): "compute" not in vars(type(need)) for need in needs}
        own = {kind: kind.compute for kind in inherited}
        for kind, compute in own.items():
            kind.compute = self._found_for_real(compute)  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            for kind, compute in own.items():
                if inherited[kind]:
                    del kind.compute
                else:
                    kind.compute = compute  # type: ignore[method-assign]

    def _found_for_real(self, compute: Callable[[Need, Points], Found]) -> Callable[[Need, Points], Found]:
        def found(need: Need, points: Points) -> Found:
            if not isinstance(points.coords_BNX, FakeTensor):
                return compute(need, points)
            rows = iter(_rows_of(points))
            with _disable_current_modes():
                answers = compute(need, points.mapped(lambda _: self.ledger.known.value_of(next(rows))))
            return tuple(self._fake(answer, known=True) for answer in answers)

        return found

    def _faked(self, batch: Batch) -> Batch:
        tensors = {f.name: v for f in fields(batch) if isinstance(v := getattr(batch, f.name), Tensor)}
        faked: dict[str, Any] = {name: self._fake(value) for name, value in tensors.items()}
        own = None if batch.own_input_points is None else self._faked_points(batch.own_input_points)
        return replace(batch, points=self._faked_points(batch.points), own_input_points=own, **faked)

    def _faked_points(self, points: Points) -> Points:
        """Points whose values are known; a row that all share is taken before tensors lose their values."""
        with _disable_current_modes():
            rows = iter(_rows_of(points))
        return points.mapped(lambda _: self._fake(next(rows), known=True))

    def _faked_any(self, value: Any) -> Any:
        """Tensors within dataclasses."""
        if isinstance(value, Tensor):
            return self._fake(value, known=True)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: self._faked_any(getattr(value, f.name)) for f in fields(value)})
        return value

    def _fake(self, real: Tensor, known: bool = False) -> Tensor:
        fake: Tensor = self.mode.from_tensor(real)
        self.ledger.hold(fake)
        if known:
            self.ledger.known.tell(fake, real)
        return fake

    def _found(
        self, model: Upt, bundle: LossBundle, batch_size: int, kept: Mapping[Label, int], points: Points
    ) -> StepCost:
        ledger, at_peak = self.ledger, dict[str, int]()
        for label, size in ledger.at_peak.items():
            if size:
                at_peak[label[0] if label else "other"] = at_peak.get(label[0] if label else "other", 0) + size
        counts = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in PARTS}
        queries = {t.name: _count(t, points.num_points, self.subject.progress) for t in bundle.terms}
        return StepCost(batch_size, ledger.peak, at_peak, kept, counts, ledger.flops, ledger.moved, queries)


def _rows_of(points: Points) -> list[Tensor]:
    """The tensors of points, one row of those that all rows share, in the order in which ``mapped`` changes them."""
    found: list[Tensor] = []

    def note(value: Tensor) -> Tensor:
        found.append(value)
        return value

    points.mapped(note)
    return found


def _count(term: WeightedTerm, num_points: int, progress: Progress) -> int:
    return num_points if term.sampler is None else min(num_points, term.sampler.count(num_points, progress))
