"""The lazy step: computes a latent, a prediction, a decoding only when a loss term asks for it, and once."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.change import detail
from upt_core.data.normalize import Normalization
from upt_core.kinds import Bounded, Sampler
from upt_core.model import Encoder, Upt
from upt_core.points import Points, Queries
from upt_core.progress import Progress
from upt_core.recompute import KEEP_ALL, Recompute
from upt_core.seeding import generator
from upt_core.specs import DataSpec

Observer = Callable[[Points, Queries, Tensor], None]
Value = TypeVar("Value")
Key = tuple[Hashable, ...]
_DEVICES = ("cpu", "cuda", "mps")


class Step:
    """What the loss terms see of one batch. All views of a step share what was computed.

    Sharing never costs a term its gradient: what another computed under ``torch.no_grad`` is computed again for it
    (see ``Memo``). Terms must not change shared tensors in place.

    Time steps are counted from the input: 0 is the input itself, 1 the first target.

    Args:
        model: encoder, approximator and decoder.
        batch: the samples.
        data: what is known of the data set.
        progress: where training stands; query points depend on it.
        seed: the run's seed; query points depend on it.
        normalization: how fields were scaled, for terms that ask for physical units; None: not at all.
        recompute: which calls of the model keep nothing for the backward pass, and are computed again there.
    """

    def __init__(
        self,
        model: Upt,
        batch: Batch,
        data: DataSpec,
        progress: Progress | None = None,
        seed: int = 0,
        normalization: Normalization | None = None,
        recompute: Recompute = KEEP_ALL,
    ) -> None:
        self.recompute = recompute
        self.model = model
        self.batch = batch
        self.data = data
        self.progress = progress or Progress()
        self.seed = seed
        self.normalization = normalization
        self._memo = Memo()
        self._sampler: Sampler | None = None
        self._stream = "all"
        self._observer: Observer | None = None
        self._at_inputs = False

    def using(self, sampler: Sampler | None, stream: str = "sampler", observer: Observer | None = None) -> Step:
        """A view of this step whose queries come from ``sampler`` (None: all points).

        Args:
            stream: name of the random stream; views with equal sampler and stream share their query points.
            observer: is given (points, queries, value_BQ, detached) of every pointwise loss.
        """
        view = copy.copy(self)
        view._sampler, view._stream, view._observer = sampler, stream, observer
        return view

    def at_inputs(self) -> Step:
        """A view of this step at the points of the inputs: for terms that decode what is to be encoded, or was.

        Its ``points`` and ``queries`` are there. Mostly these are the points of the targets too, and the view is this
        step itself.

        Raises:
            ValueError: the points are others, and the sampler learns from losses: it keeps scores of one set of points.
        """
        if self._at_inputs or self.batch.own_input_points is None:
            return self
        if self._sampler is not None and self._sampler.adaptive:
            raise ValueError(
                f"the inputs are at other points than the targets, and {type(self._sampler).__name__} learns errors "
                "at the points of the targets; give this term a sampler that is not adaptive (uniform), or sampler: "
                "null"
            )
        view = copy.copy(self)
        view._at_inputs, view._observer = True, None
        return view

    @property
    def points(self) -> Points:
        """The points of the batch: those of the targets; of a view ``at_inputs`` those of the inputs."""
        return self.batch.input_points if self._at_inputs else self.batch.points

    def queries(self) -> Queries:
        """The query points of this view: the same for all who share its sampler and stream."""
        return self._memo.constant(("queries", self._at_inputs, self._stream), self._draw)

    def all_queries(self) -> Queries:
        """All points, without a gather."""
        return self._memo.constant(("queries", self._at_inputs, "all"), lambda: Queries.all(self.points))

    def latent(self, time: int = 0) -> Tensor:
        """latent_BLD: the encoded input (time 0), or that moved on ``time`` steps by the approximator."""
        if time == 0:
            if self.batch.latent_BTLD is not None:
                return self.batch.latent_BTLD[:, 0]
            return self._memo.tensor(("latent", 0), lambda: self.encode(self.batch.input_BNC, self.batch.input_points))
        return self._memo.tensor(("latent", time), lambda: self.advance(self.latent(time - 1), time))

    def encoded_target(self, time: int = 1, detach: bool = True) -> Tensor:
        """latent_BLD of the true fields at a time step: what a latent prediction is compared with.

        Args:
            detach: as a fixed target, without gradient and without the memory that a gradient needs.
        """
        if self.batch.latent_BTLD is not None:
            return self.batch.latent_BTLD[:, time]
        with torch.set_grad_enabled(not detach and torch.is_grad_enabled()):
            return self._memo.tensor(
                ("encoded", time), lambda: self.encode(self.true_input(time), self.batch.input_points)
            )

    def decoded(self, time: int = 0, queries: Queries | None = None) -> Tensor:
        """decoded_BQC, float32, all channels: the latent at a time step, decoded at queries (None: this view's).

        Where all points are decoded already, the queries are taken from these: a decoder's points do not influence
        each other.
        """
        queries = self.queries() if queries is None else queries
        everywhere = ("decoded", time, self.all_queries())

        def decode() -> Tensor:
            decoded_BNC = self._memo.found(everywhere)
            if decoded_BNC is None or not queries.on_points:
                return self.decode(self.latent(time), queries)
            return queries.take(decoded_BNC)

        return self._memo.tensor(("decoded", time, queries), decode)

    def predicted(self, time: int = 1, queries: Queries | None = None) -> Tensor:
        """The prediction (B, Q, C) at a time step: the target channels of ``decoded``, or the given state changed."""
        queries = self.queries() if queries is None else queries
        decoded_BQC = self.data.targets_of(self.decoded(time, queries))
        if self.model.predict == "state":
            return decoded_BQC
        return decoded_BQC + self._memo.tensor(
            ("detail", queries), lambda: detail(self.data, self.input(queries), self.decoded(0, queries))
        )

    def answer(self, latent_BLD: Tensor, queries: Queries, input_BNC: Tensor, given_BLD: Tensor) -> Tensor:
        """The prediction (B, Q, C) of any latent: as ``predicted``, for terms that move latents on themselves.

        Args:
            input_BNC: the encoder's input that the prediction starts from.
            given_BLD: its latent.
        """
        decoded_BQC = self.data.targets_of(self.decode(latent_BLD, queries))
        if self.model.predict == "state":
            return decoded_BQC

        def left() -> Tensor:
            frame_BQC = queries.take(self.data.last_frame(input_BNC))
            return detail(self.data, frame_BQC, self.decode(given_BLD, queries))

        # A tensor's hash is its identity: many latents that start from one state ask for its detail once.
        return decoded_BQC + self._memo.tensor(("detail", queries, given_BLD, input_BNC), left)

    def reconstructed(self, queries: Queries | None = None) -> Tensor:
        """The input channels of the decoded input latent (B, Q, C)."""
        return self.data.inputs_of(self.decoded(0, queries))

    def input(self, queries: Queries | None = None) -> Tensor:
        """The true input fields (B, Q, C) at query points; of several frames of history the last.

        Raises:
            ValueError: the inputs are at points of their own, and this view is not there.
        """
        if self.batch.own_input_points is not None and not self._at_inputs:
            raise ValueError(
                "the inputs are at other points than the targets, so they have no values at these query points; use "
                "step.at_inputs() in a term that compares inputs"
            )
        return self._taken(("input",), self.data.last_frame(self.batch.input_BNC), queries)

    def target(self, time: int = 1, queries: Queries | None = None) -> Tensor:
        """The true target fields (B, Q, C) at a time step ≥ 1, at query points.

        Raises:
            ValueError: this is the view ``at_inputs``, and the targets are at points of their own.
        """
        self._check_at_targets()
        return self._taken(("target", time), self.batch.target_BTNC[:, time - 1], queries)

    def reference(self, queries: Queries | None = None) -> Tensor:
        """The target fields (B, Q, C) at t = 0 of each sample's trajectory, at query points.

        Raises:
            ValueError: the data set is steady, or the batch was read for terms that did not ask for them.
        """
        if self.batch.reference_BNC is None:
            raise ValueError(_no_reference(self.data))
        self._check_at_targets()
        return self._taken(("reference",), self.batch.reference_BNC, queries)

    def to_physical(self, target_BQC: Tensor) -> Tensor:
        """Target channels in physical units, as precise as the values themselves.

        Differences keep more digits where they are taken of normalised values and multiplied by ``unit_C``.
        """
        return target_BQC if self.normalization is None else self.normalization.to_physical(target_BQC).to(target_BQC)

    @property
    def unit_C(self) -> Tensor:
        """The size in physical units of one normalised unit of each target channel, float32."""
        if self.normalization is None:
            return torch.ones(self.data.target_channels, device=self.points.device)
        return self.data.targets_of(self.normalization.std_C).float()

    @property
    def offset_C(self) -> Tensor:
        """The mean of each target channel in normalised units: physical = (normalised + offset) · unit. float32."""
        if self.normalization is None:
            return torch.zeros(self.data.target_channels, device=self.points.device)
        scale = self.normalization
        return self.data.targets_of(scale.mean_C / scale.std_C).float()

    def true_input(self, time: int) -> Tensor:
        """What the encoder would read of the true fields (B, N, C) at a time step, 0 being the input itself."""
        input_BNC, batch, data = self.batch.input_BNC, self.batch, self.data
        if time == 0:
            return input_BNC
        for step in range(1, time + 1) if data.history > 1 else (time,):  # earlier frames count only as history
            if batch.later_BTNC is not None:
                frames_BNC = input_BNC[..., data.frame_channels :]
                input_BNC = torch.cat([frames_BNC, batch.later_BTNC[:, step - 1]], dim=-1)
            else:
                input_BNC = data.next_input(input_BNC, batch.target_BTNC[:, step - 1], batch.given_at(step))
        return input_BNC

    def mean(self, value_BQ: Tensor, queries: Queries | None = None) -> Tensor:
        """Unbiased mean of a pointwise loss over all points and the batch; adaptive samplers learn from it."""
        queries = self.queries() if queries is None else queries
        if self._observer is not None:
            self._observer(self.points, queries, value_BQ.detach())  # it learns from values; the graph would stay alive
        return queries.mean(value_BQ)

    def encode(self, input_BNC: Tensor, points: Points) -> Tensor:
        """One call of the encoder."""
        return self.recompute.call("encoder", self.model.encoder, input_BNC, points)

    def advance(self, latent_BLD: Tensor, time: int = 1) -> Tensor:
        """One call of the approximator: on to the time step ``time``, with the conditions of that step."""
        return self.recompute.call(
            "approximator", self.model.approximator, latent_BLD, self.batch.condition_at(time - 1)
        )

    def decode(self, latent_BLD: Tensor, queries: Queries) -> Tensor:
        """One call of the decoder, in float32: decoded_BQC at query points."""
        coords_BQX = self._memo.tensor(("coords", queries), lambda: queries.coords(self.points))
        decoded = self.recompute.decode(self.model.decoder, latent_BLD, coords_BQX)
        # Differences to the truth need float32: a good prediction has the 2 or 3 digits of half precision right.
        return decoded.float() if decoded.dtype in (torch.float16, torch.bfloat16) else decoded

    def _draw(self) -> Queries:
        if self._sampler is None:
            return self.all_queries()
        progress = self.progress
        stream = f"{self._stream} at the inputs" if self._at_inputs else self._stream
        rng = generator(self.points.device, self.seed, stream, progress.epoch, progress.step, progress.rank)
        return self._sampler.sample(self.points, rng, progress)

    def _check_at_targets(self) -> None:
        if self._at_inputs:
            raise ValueError(
                "the targets are at other points than the inputs, so they have no values at these query points; use "
                "the step itself, not step.at_inputs(), in a term that compares targets"
            )

    def _taken(self, key: tuple[Any, ...], value_BNC: Tensor, queries: Queries | None) -> Tensor:
        queries = self.queries() if queries is None else queries
        return self._memo.tensor((*key, queries), lambda: queries.take(value_BNC))


def _no_reference(data: DataSpec) -> str:
    if data.steady:
        return "this data set has no time, so no reference fields at t = 0"
    return (
        "this batch has no fields at t = 0, because no loss term needs them; set needs_reference = True in a term "
        "that uses step.reference(), or pass reference_BNC to a batch made by hand"
    )


class LossTerm(Bounded, ABC):
    """One thing the loss asks for: a callable on the lazy step that returns an unweighted scalar."""

    horizon: int = 1
    """How many target time steps the term needs."""

    needs_reference: bool = False
    """True where the term compares with the state at t = 0 (``step.reference``), which is read for such terms alone."""

    pointwise: bool = True
    """True where the term looks at query points, so that a sampler may choose them; False: it takes no sampler."""

    def check_parts(self, encoder: type[Encoder], sampler: Sampler | None) -> None:
        """Refuses, with a ValueError, an encoder or sampler that the term cannot work with. Called before any data."""

    def check_data(self, data: DataSpec) -> None:
        """Refuses, with a ValueError, data that the term cannot work with. Called before training."""

    @abstractmethod
    def __call__(self, step: Step) -> Tensor:
        """The term's value on this step, a float32 scalar with gradient, without its weight."""


class Memo:
    """Values by key; what a key gives does not depend on who asked first.

    * A tensor that was computed under ``no_grad`` or ``inference_mode`` is given only to those who ask under one of
      these: whoever needs a gradient has it computed anew, with gradient, once for all others.
    * A tensor with gradient serves both: without gradient it is given detached.
    * Tensors of different autocast formats are kept apart.
    * A tensor that somebody changed in place, or with ``detach_`` or ``requires_grad_``, is refused.
    """

    def __init__(self) -> None:
        self._kept: dict[Key, _Kept] = {}
        self._constants: dict[Key, object] = {}

    def tensor(self, key: Key, compute: Callable[[], Tensor]) -> Tensor:
        """The tensor of a key, with gradient where gradients are enabled."""
        needs_gradient = torch.is_grad_enabled()
        found = self.found(key)
        if found is None:
            with torch.inference_mode(False), torch.set_grad_enabled(needs_gradient):
                found = compute()
            self._kept[_in_format(key, needs_gradient)] = _Kept(found)
        return found

    def found(self, key: Key) -> Tensor | None:
        """The tensor of a key where it was computed already, and fits; None: it must be computed.

        Raises:
            RuntimeError: somebody changed it.
        """
        with_gradient = self._kept.get(_in_format(key, True))
        if torch.is_grad_enabled():
            return None if with_gradient is None else with_gradient.unchanged(key)
        if with_gradient is not None:
            return with_gradient.unchanged(key).detach()
        without = self._kept.get(_in_format(key, False))
        return None if without is None else without.unchanged(key)

    def constant(self, key: Key, compute: Callable[[], Value]) -> Value:
        """A value that depends on no parameter, for all who ask."""
        if key not in self._constants:
            with torch.inference_mode(False), torch.no_grad():
                self._constants[key] = compute()
        value: Value = self._constants[key]  # type: ignore[assignment]
        return value


class _Kept:
    """A tensor, and how it was when it came."""

    def __init__(self, value: Tensor) -> None:
        self._value = value
        self._was = _mark(value)

    def unchanged(self, key: Key) -> Tensor:
        if _mark(self._value) != self._was:
            name = " at time step ".join(str(word) for word in key if isinstance(word, str | int))
            raise RuntimeError(
                f"{name}: a loss term changed this tensor in place, which other terms share; "
                f"use an operation that makes a new tensor (x * 2 for x.mul_(2), x.detach() for x.detach_())"
            )
        return self._value


def _mark(value: Tensor) -> tuple[bool, int]:
    """Inference tensors, which a caller's batch may hold, count no changes."""
    return value.requires_grad, 0 if value.is_inference() else value._version


def _in_format(key: Key, with_gradient: bool) -> Key:
    """A key of its own for each number format that autocast computes in."""
    formats = [str(torch.get_autocast_dtype(device)) for device in _DEVICES if torch.is_autocast_enabled(device)]
    return (*key, with_gradient, *formats)
