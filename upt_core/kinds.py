"""The kinds of plugin, as abstract classes: what each is given, what it must answer, what it may leave out.

A class is used by hand with keywords, or named in YAML: its constructor's signature is its schema. Parameters
annotated with ``DataSpec`` or ``LatentSpec`` are supplied by upt and cannot be written in YAML; a parameter annotated
with a kind (``base: Sampler``) takes a plugin of that kind. Bounds are stated once, in the annotations: they guard
YAML, and here a call by hand. pydantic is imported at the first call, so that naming plugins stays fast.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    Self,
    final,
    get_args,
    get_origin,
    get_type_hints,
)

from upt_core.wording import what_is_wrong

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from pydantic import TypeAdapter
    from torch import Tensor, nn

    from upt_core.batch import Batch
    from upt_core.points import Need, Points, Queries
    from upt_core.progress import Progress
    from upt_core.specs import DataSpec
    from upt_core.trajectory import Split, Trajectories


Constructor = Callable[..., None]


class Bounded:
    """A class whose constructors refuse arguments outside the bounds of their annotations.

    ``num_queries: Annotated[int, Field(ge=1)]`` and ``mode: Literal["a", "b"]`` need no check by hand; what only
    several arguments together can break, a constructor checks itself.

    Raises:
        ValueError: class, parameter, value and bound.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__init__" in cls.__dict__:
            setattr(cls, "__init__", _guarded(cls.__dict__["__init__"]))  # noqa: B010 (mypy forbids the plain form)


def _guarded(constructor: Constructor) -> Constructor:
    signature = inspect.signature(constructor)

    @functools.wraps(constructor)
    def guarded(self: Any, *arguments: Any, **keywords: Any) -> None:
        try:
            given = signature.bind(self, *arguments, **keywords).arguments
        except TypeError:
            given = {}  # Python's own message says it better
        for name, adapter in _adapters(constructor).items():
            if name in given:
                _check(type(self).__name__, name, given[name], adapter)
        constructor(self, *arguments, **keywords)

    return guarded


class Dataset(Bounded, ABC):
    """A data set: trajectories (or input and solution pairs) in physical units, by split."""

    @abstractmethod
    def spec(self) -> DataSpec:
        """Fields, axes and shape. Reads headers at most.

        Raises:
            DataError: the file is missing, truncated or of another layout.
        """

    @abstractmethod
    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split. Splits share no trajectory."""

    def everything(self) -> Trajectories:
        """All trajectories, whatever split they belong to: in the order of the files, where a data set knows one."""
        from upt_core.trajectory import Chain  # late: kinds are named without it

        return Chain([self.trajectories(split) for split in ("train", "valid", "test")])

    def settings_at(self, grid_shape: tuple[int, ...]) -> dict[str, Any] | None:
        """Settings (``key`` or ``key.key`` → value) that give the same trajectories with so many points on each axis.

        None: the data set has its trajectories on its own points alone.
        """
        return None

    def remarks(self) -> list[str]:
        """What was decided for the user and is worth knowing, one sentence each; ``upt check`` shows them."""
        return []

    def files(self) -> Sequence[Path]:
        """Every file that values are read from, for all splits; of a format that is a folder, the folder.

        A run looks at them when it begins, before each epoch, each validation and the test: one that changed ends it,
        so that no epoch is trained on other values than the one before. Nothing: values come from no file.
        """
        return ()


class Sampler(Bounded, ABC):
    """Decides at how many points a loss looks (``count``) and at which (``draw``).

    A draw is a pure function of its arguments and of the sampler's state: the given generator is the only source of
    randomness. Draws neither read nor wait for values on the device.
    """

    @property
    def needs(self) -> tuple[Need, ...]:
        """What draws at scattered points ask of the points (``points.get``), so that it is found once and kept."""
        return ()

    @property
    def adaptive(self) -> bool:
        """Whether the sampler learns from losses through ``observe`` or ``refresh``."""
        return False

    @abstractmethod
    def count(self, num_points: int, progress: Progress) -> int:
        """Q, how many query points of ``num_points`` (≥ 1). More than ``num_points`` means all."""

    @abstractmethod
    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """``count`` query points for each row of ``points``, 1 ≤ count < N, with weights that keep means unbiased.

        Means over points: ``sample`` turns them into means over space where points have a measure.
        """

    @final
    def sample(self, points: Points, rng: torch.Generator, progress: Progress) -> Queries:
        """Query points of this step; all points, without a gather, where the budget reaches them all."""
        count = self.count(points.num_points, progress)
        if count < 1:
            raise ValueError(f"{type(self).__name__} wants {count} query points; expected at least 1")
        if count >= points.num_points:
            from upt_core.points import Queries  # late: kinds are named, and configurations checked, without torch

            return Queries.all(points)
        return self.draw(points, count, rng, progress).over_space(points)

    def observe(self, points: Points, queries: Queries, error_BQ: Tensor) -> None:
        """Feedback of an adaptive sampler: the loss's value at the visited points, detached, unweighted."""

    def refresh_due(self, progress: Progress) -> bool:
        """Whether ``refresh`` is wanted at the start of this epoch."""
        return False

    def refresh(self, probe: Probe, progress: Progress) -> None:
        """Recomputes an adaptive sampler's scores with the model as it is now."""

    def diagnostics(self) -> dict[str, float]:
        """Figures worth logging once an epoch, for example the effective sample size."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Adaptive state as tensors and plain data; empty for a sampler without state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what ``state_dict`` gave."""
        if state:
            raise ValueError(f"{type(self).__name__} has no state, but a saved state has: {', '.join(state)}")


class Probe(Protocol):
    """Looks at all points of all training samples, for adaptive samplers. Each method is one pass over the data."""

    num_samples: int

    def errors(self) -> Iterator[tuple[Points, Tensor]]:
        """(points, value_BN): the pointwise loss (squared residual) of the terms that use the sampler."""
        ...

    def loss_gradients(self, num_directions: int) -> Iterator[tuple[Points, Tensor]]:
        """(points, value_BN): squared norm of each point's contribution to the loss's gradient, over all parameters.

        Estimated without bias along ``num_directions`` random directions in parameter space.
        """
        ...

    def targets(self) -> Iterator[tuple[Points, Tensor]]:
        """(points, target_BNC): the target fields at the first predicted time step, normalised."""
        ...


class Schedule(Bounded, ABC):
    """A number that changes over the run: a loss term's weight, a sampling ratio, a learning-rate factor."""

    @abstractmethod
    def __call__(self, progress: Progress) -> float:
        """The value now."""


class FixedValue(Schedule):
    """A number that does not change: what a plain number in a configuration becomes."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, progress: Progress) -> float:
        """The number."""
        return self.value


class Metric(Bounded, ABC):
    """A figure over a split, from predictions and targets in physical units."""

    lower_is_better: ClassVar[bool] = True

    def check_data(self, data: DataSpec) -> None:
        """Refuses, with a ValueError, data that the metric cannot judge. Called before training and evaluation."""

    @abstractmethod
    def reset(self) -> None:
        """Forgets what was seen."""

    @abstractmethod
    def update(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        """Adds a batch. Padded points are marked by ``batch.points.mask_BN``."""

    @abstractmethod
    def compute(self) -> float:
        """The figure over everything since ``reset``."""

    def by_sample(self) -> Tensor | None:
        """Figures of the samples since ``reset``, (B,) in their order, whose mean is ``compute()``; asked after it.

        From them intervals and the worst trajectories are found. None: the figure is no mean over samples.
        """
        return None

    def merge(self, other: Self) -> None:
        """Adds what another metric of the same settings has seen, as if it had come after what this one has seen.

        So several processes validate together: each sees its own batches, and sends its metrics, pickled, to the first.
        Where a metric has no ``merge``, the first process alone validates.
        """
        raise NotImplementedError(f"{type(self).__name__} has no merge")

    @property
    def mergeable(self) -> bool:
        """Whether there is a ``merge``."""
        return type(self).merge is not Metric.merge

    def remark(self) -> str:
        """What a reader must know of the figure just computed, one line; empty: nothing."""
        return ""


class Optimizer(Bounded, ABC):
    """Builds torch optimizers for a model's parameters."""

    @abstractmethod
    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """One or more optimizers that together hold every trainable parameter once."""


class Callback(Bounded):
    """Listens to a run: methods marked with ``@hookimpl``, named as the hooks of ``RunHooks``."""


def _check(owner: str, name: str, value: Any, adapter: TypeAdapter[Any]) -> None:
    from pydantic import ValidationError

    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{owner}: {name} {what_is_wrong(error.errors(include_url=False))}") from None


@cache
def _adapters(constructor: Constructor) -> dict[str, TypeAdapter[Any]]:
    """A validator for each parameter whose annotation has a bound or a choice."""
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(arbitrary_types_allowed=True)
    hints = _hints(constructor)
    return {name: TypeAdapter(hint, config=config) for name, hint in hints.items() if _has_bound(hint)}


def _hints(constructor: Constructor) -> dict[str, Any]:
    """The annotations as types; none where they name what only a type checker imports (upt plugins doctor tells)."""
    try:
        return get_type_hints(constructor, include_extras=True)
    except NameError:
        return {}


def _has_bound(hint: Any) -> bool:
    return get_origin(hint) in (Annotated, Literal) or any(_has_bound(part) for part in get_args(hint))
