"""Feeds an adaptive sampler with given values at all points."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from upt_core import Points


class GivenValues:
    """A probe of one batch whose values are computed when they are asked for.

    Args:
        points: one row for each sample.
        error_BN: gives the squared errors.
        target_BNC: gives the targets.
    """

    def __init__(
        self, points: Points, error_BN: Callable[[], Tensor], target_BNC: Callable[[], Tensor] | None = None
    ) -> None:
        self.num_samples = points.batch_size
        self._points = points
        self._error_BN = error_BN
        self._target_BNC = target_BNC

    def errors(self) -> Iterator[tuple[Points, Tensor]]:
        """The given errors."""
        yield self._points, self._error_BN()

    def loss_gradients(self, num_directions: int) -> Iterator[tuple[Points, Tensor]]:
        """The given errors stand for the gradients."""
        yield self._points, self._error_BN()

    def targets(self) -> Iterator[tuple[Points, Tensor]]:
        """The given targets, or the errors as a field."""
        target = self._error_BN().unsqueeze(-1) if self._target_BNC is None else self._target_BNC()
        yield self._points, target
