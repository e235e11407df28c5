"""The points of a batch, and the query points at which a loss looks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from upt_core.gather import gather_points
from upt_core.lazy import Lazy
from upt_core.locality import hilbert_order


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a batch: a grid, or scattered, with coordinates scaled to the unit box.

    Args:
        coords_BNX: coordinates in [0, 1]. Rows of a batch that share their points share their memory (stride 0).
        grid_shape: points along each axis, row-major; None for scattered points.
        lengths: real points of each row where rows differ in number and are padded at the end; None: all N.
        order_BN: a locality order of scattered points (neighbours in the order are neighbours in space).
        sample_id_B: number of each row's sample in the data set, for samplers that remember scores.
        extent: physical length of each axis.
        periodic: for each axis, whether the domain wraps around.
    """

    coords_BNX: Tensor
    grid_shape: tuple[int, ...] | None = None
    lengths: tuple[int, ...] | None = None
    order_BN: Tensor | None = None
    sample_id_B: Tensor | None = None
    extent: tuple[float, ...] = ()
    periodic: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if self.grid_shape is not None and math.prod(self.grid_shape) != self.num_points:
            raise ValueError(f"a grid of shape {self.grid_shape} does not have {self.num_points} points")

    @property
    def batch_size(self) -> int:
        """B."""
        return self.coords_BNX.shape[0]

    @property
    def num_points(self) -> int:
        """N, padding included."""
        return self.coords_BNX.shape[1]

    @property
    def num_axes(self) -> int:
        """X."""
        return self.coords_BNX.shape[2]

    @property
    def device(self) -> torch.device:
        """Where the coordinates are."""
        return self.coords_BNX.device

    @property
    def shared(self) -> bool:
        """Whether all rows are the same points in the same memory."""
        return self.batch_size == 1 or self.coords_BNX.stride(0) == 0

    @Lazy
    def length_B1(self) -> Tensor | None:
        """Real points of each row as a (B, 1) tensor; None without padding."""
        if self.lengths is None:
            return None
        lengths = torch.tensor(self.lengths).unsqueeze(1)
        if self.device.type == "cuda":  # from pinned memory the copy does not wait for the device
            lengths = lengths.pin_memory()
        return lengths.to(self.device, non_blocking=True)

    @Lazy
    def mask_BN(self) -> Tensor | None:
        """True where a point is real, False where it pads; None without padding."""
        if self.length_B1 is None:
            return None
        return torch.arange(self.num_points, device=self.device) < self.length_B1

    @Lazy
    def locality_order_BN(self) -> Tensor:
        """Points along a Hilbert curve (padding last), from the data set's cache or computed now."""
        if self.order_BN is not None:
            return self.order_BN
        if self.shared:
            return hilbert_order(self.coords_BNX[:1], None).expand(self.batch_size, -1)
        return hilbert_order(self.coords_BNX, self.mask_BN)

    def select(self, queries: Queries) -> Points:
        """The points at the queries, as scattered points. All points: these points themselves."""
        if queries.index_BQ is None:
            return self
        return replace(
            self,
            coords_BNX=queries.coords(self),
            grid_shape=None,
            lengths=None,
            order_BN=None,
        )

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Points:
        """The same points with every tensor changed (moved, pinned); rows that shared memory still do."""
        return replace(
            self,
            coords_BNX=_mapped_rows(self.coords_BNX, change),
            order_BN=None if self.order_BN is None else _mapped_rows(self.order_BN, change),
            sample_id_B=None if self.sample_id_B is None else change(self.sample_id_B),
        )


def _mapped_rows(value: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    shared = value.shape[0] > 1 and value.stride(0) == 0
    return change(value[:1]).expand(value.shape) if shared else change(value)


@dataclass(frozen=True, eq=False)
class Queries:
    """Where a loss looks: Q points of each row, and weights that keep the mean unbiased.

    The contract of every sampler: for any value at the points, the expectation of ``mean(take(value))`` over draws
    is the mean over all points.

    Args:
        index_BQ: int64 numbers of points; None: all points in their order, without a gather.
        weight_BQ: float32, finite, ≥ 0; None: all 1. Slots of padding have weight 0.
    """

    index_BQ: Tensor | None = None
    weight_BQ: Tensor | None = None

    @staticmethod
    def all(points: Points) -> Queries:
        """All points. Without padding this is the dense loss, bit for bit."""
        if points.mask_BN is None or points.length_B1 is None:
            return Queries()
        return Queries(None, points.mask_BN * (points.num_points / points.length_B1))

    def take(self, value_BNC: Tensor) -> Tensor:
        """Values (B, N, C) at the query points: (B, Q, C).

        One flat ``index_select`` of rows, which on CPU is several times faster than ``value[:, index]``.
        """
        return value_BNC if self.index_BQ is None else gather_points(value_BNC, self.index_BQ)

    @property
    def on_points(self) -> bool:
        """Whether each query is one of the points, so that ``take`` gives what is there; False: between points."""
        return True

    def coords(self, points: Points) -> Tensor:
        """Coordinates (B, Q, X) of the query points, where a decoder is asked."""
        return self.take(points.coords_BNX)

    def mean(self, value_BQ: Tensor) -> Tensor:
        """Weighted mean over query points and batch, in float32 at least: an unbiased estimate over all points."""
        value_BQ = value_BQ.float() if value_BQ.dtype in (torch.float16, torch.bfloat16) else value_BQ
        return value_BQ.mean() if self.weight_BQ is None else (value_BQ * self.weight_BQ).mean()
