"""The points of a batch, what plugins need to know of them, and the query points at which a loss looks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from upt_core.gather import gather_points
from upt_core.lazy import Lazy
from upt_core.locality import hilbert_order
from upt_core.specs import DataSpec

Found = tuple[Tensor, ...]
"""What answers a need; of a batch, each tensor has the batch as its first axis."""


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a batch: a grid, or scattered, with coordinates scaled to the unit box.

    Args:
        coords_BNX: coordinates in [0, 1]. Rows of a batch that share their points share their memory (stride 0).
        grid_shape: points along each axis, row-major; None for scattered points.
        lengths: real points of each row where rows differ in number and are padded at the end; None: all N.
        sample_id_B: number of each row's sample in the data set, for samplers that remember scores.
        extent: physical length of each axis.
        periodic: for each axis, whether the domain wraps around.
        measure_BN: how much of space each point stands for: the area or volume of its cell, in any unit, ≥ 0. Means
            are over space then. None: each point counts the same.
    """

    coords_BNX: Tensor
    grid_shape: tuple[int, ...] | None = None
    lengths: tuple[int, ...] | None = None
    sample_id_B: Tensor | None = None
    extent: tuple[float, ...] = ()
    periodic: tuple[bool, ...] = ()
    measure_BN: Tensor | None = None
    _found: dict[str, Found] = field(init=False, repr=False, default_factory=dict)  # not part of ``replace``

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
    def relative_measure_BN(self) -> Tensor | None:
        """The measure over its mean at the row's real points, float32, 0 where a point pads; None without measure."""
        if self.measure_BN is None:
            return None
        # float64: cells of one mesh may differ by many powers of ten, and their mean is to count the small ones too.
        measure_BN = (self.measure_BN[:1] if self._rows_are_equal else self.measure_BN).double()
        if self.mask_BN is None or self.length_B1 is None:
            return (measure_BN / measure_BN.mean(dim=1, keepdim=True)).float().expand(self.batch_size, -1)
        rows = len(measure_BN)
        measure_BN = measure_BN.where(self.mask_BN[:rows], 0)
        mean_B1 = measure_BN.sum(dim=1, keepdim=True) / self.length_B1[:rows]
        return (measure_BN / mean_B1).float().expand(self.batch_size, -1)

    @Lazy
    def density_BN(self) -> Tensor | None:
        """How much each of N points counts in a mean over its row: ``(value_BN * density_BN).mean(1)`` is that mean.

        It is the mean over the real points, or over space where points have a measure; padding counts 0. None: all
        count 1.
        """
        if self.mask_BN is None or self.length_B1 is None:
            return self.relative_measure_BN
        density_BN = self.mask_BN * (self.num_points / self.length_B1)
        return density_BN if self.relative_measure_BN is None else density_BN * self.relative_measure_BN

    @property
    def locality_order_BN(self) -> Tensor:
        """Points along a Hilbert curve: neighbours in the order are neighbours in space. Padding comes last."""
        return self.get(LocalityOrder())[0]

    def get(self, need: Need) -> Found:
        """What answers a need, for each row alone: found by the loader beforehand, or now. Row b of each tensor is b's.

        Rows of shared points share the answer (stride 0).
        """
        if need.name not in self._found:
            rows = 1 if self._rows_are_equal else self.batch_size
            answers = [need.compute(self.row(number)) for number in range(rows)]
            self.keep(need, need.stack(answers, self.num_points))
        return self._found[need.name]

    def knows(self, need: Need) -> bool:
        """Whether the answer to a need is there already."""
        return need.name in self._found

    @property
    def kept_bytes(self) -> int:
        """Memory of coordinates, measure and answers, as if no rows shared it."""
        values = [self.coords_BNX, *(() if self.measure_BN is None else (self.measure_BN,))]
        values += [value for found in self._found.values() for value in found]
        return sum(int(value.nbytes) for value in values)

    def keep(self, need: Need, found: Found) -> Points:
        """These points, which now know the answer to a need; one row of it stands for all rows."""
        self._found[need.name] = tuple(value.expand(self.batch_size, *value.shape[1:]) for value in found)
        return self

    @property
    def _rows_are_equal(self) -> bool:
        return self.shared and (self.lengths is None or len(set(self.lengths)) == 1)

    def row(self, number: int) -> Points:
        """The real points of one row (B = 1)."""
        length = self.num_points if self.lengths is None else self.lengths[number]
        if self.batch_size == 1 and length == self.num_points:
            return self if self.lengths is None else replace(self, lengths=None)
        return replace(
            self,
            coords_BNX=self.coords_BNX[number : number + 1, :length],
            lengths=None,
            sample_id_B=None if self.sample_id_B is None else self.sample_id_B[number : number + 1],
            measure_BN=None if self.measure_BN is None else self.measure_BN[number : number + 1, :length],
        )

    @staticmethod
    def stack(rows: Sequence[Points], needs: Sequence[Need] = (), sample_id_B: Tensor | None = None) -> Points:
        """Points of several samples (B = 1 each, without padding) as a batch, with what is needed of them.

        Rows that are one object share their memory; shorter rows are padded at the end with zeros.
        """
        if all(row is rows[0] for row in rows):
            points = rows[0].repeat(len(rows), sample_id_B)
            for need in needs:
                points.keep(need, rows[0].get(need))
            return points
        lengths = tuple(row.num_points for row in rows)
        measures = [row.measure_BN[0] for row in rows if row.measure_BN is not None]
        points = replace(
            rows[0],
            coords_BNX=stack_padded([row.coords_BNX[0] for row in rows]),
            lengths=None if min(lengths) == max(lengths) else lengths,
            sample_id_B=sample_id_B,
            measure_BN=stack_padded(measures) if len(measures) == len(rows) else None,
        )
        for need in needs:
            answers = [tuple(value[0] for value in row.get(need)) for row in rows]
            points.keep(need, need.stack(answers, points.num_points))
        return points

    def repeat(self, rows: int, sample_id_B: Tensor | None = None) -> Points:
        """The first row's points as many times, in the same memory, with what is known of them."""
        points = replace(
            self,
            coords_BNX=self.coords_BNX[:1].expand(rows, -1, -1),
            lengths=None if self.lengths is None else self.lengths[:1] * rows,
            sample_id_B=sample_id_B,
            measure_BN=None if self.measure_BN is None else self.measure_BN[:1].expand(rows, -1),
        )
        for name, found in self._found.items():
            points._found[name] = tuple(value[:1].expand(rows, *value.shape[1:]) for value in found)
        return points

    def select(self, queries: Queries) -> Points:
        """The points at the queries, as scattered points. All points: these points themselves."""
        if queries.index_BQ is None:
            return self
        return replace(
            self,
            coords_BNX=queries.coords(self),
            grid_shape=None,
            lengths=None,
            measure_BN=None if self.measure_BN is None else queries.take(self.measure_BN.unsqueeze(-1)).squeeze(-1),
        )

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Points:
        """The same points with every tensor changed (moved, pinned); rows that shared memory still do."""
        points = replace(
            self,
            coords_BNX=_mapped_rows(self.coords_BNX, change),
            sample_id_B=None if self.sample_id_B is None else change(self.sample_id_B),
            measure_BN=None if self.measure_BN is None else _mapped_rows(self.measure_BN, change),
        )
        for name, found in self._found.items():
            points._found[name] = tuple(_mapped_rows(value, change) for value in found)
        return points


def _mapped_rows(value: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    shared = value.shape[0] > 1 and value.stride(0) == 0
    return change(value[:1]).expand(value.shape) if shared else change(value)


@dataclass(frozen=True, eq=False)
class Queries:
    """Where a loss looks: Q points of each row, and weights that keep the mean unbiased.

    The contract of every sampler: for any value at the points, the expectation of ``mean(take(value))`` over draws
    is the mean over all points; ``Sampler.sample`` makes it the mean over space where points have a measure.

    Args:
        index_BQ: int64 numbers of points; None: all points in their order, without a gather.
        weight_BQ: float32, finite, ≥ 0; None: all 1. Slots of padding have weight 0.
    """

    index_BQ: Tensor | None = None
    weight_BQ: Tensor | None = None

    @staticmethod
    def all(points: Points) -> Queries:
        """All points. Without padding and measure this is the dense loss, bit for bit."""
        return Queries(None, points.density_BN)

    def over_space(self, points: Points) -> Queries:
        """The same query points, with weights that estimate the mean over space where points have a measure.

        If E[mean(w · v)] is the mean of v over the points for every v, then E[mean(w · r · v)] is the mean of r · v,
        which with r the measure over its mean is the mean of v over space.
        """
        if points.relative_measure_BN is None:
            return self
        measure_BQ = self.take(points.relative_measure_BN.unsqueeze(-1)).squeeze(-1)
        return replace(self, weight_BQ=measure_BQ if self.weight_BQ is None else self.weight_BQ * measure_BQ)

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
        """Weighted mean over query points and batch, in float32 at least: an unbiased estimate over all points.

        Raises:
            ValueError: not one value for each query point.
        """
        known = self.weight_BQ if self.weight_BQ is not None else self.index_BQ
        if known is not None and (value_BQ.dim() < 2 or value_BQ.shape[1] != known.shape[1]):
            raise ValueError(
                f"values of shape {tuple(value_BQ.shape)} are not one for each query point; "
                f"expected {tuple(known.shape)}"
            )
        if self.weight_BQ is not None and value_BQ.dim() != 2:  # they would meet the weights on other axes
            raise ValueError(
                f"values of shape {tuple(value_BQ.shape)} have more axes than (samples, query points); take the mean "
                "over the other axes first: value.mean(dim=-1)"
            )
        value_BQ = value_BQ.float() if value_BQ.dtype in (torch.float16, torch.bfloat16) else value_BQ
        return value_BQ.mean() if self.weight_BQ is None else (value_BQ * self.weight_BQ).mean()


class Need(ABC):
    """Something that follows from the points of one sample alone, and is asked of a batch with ``points.get(need)``.

    An encoder or sampler declares its needs; then the loader finds each once per point set, keeps it for the run, and
    hands it over with every batch of every split. Where nobody did so, ``points.get`` finds it, row by row. Either way
    it is found for the real points of a sample, so it depends neither on padding nor on the rest of the batch.

    A subclass is a frozen dataclass: its fields are what it depends on besides the points.
    """

    @Lazy
    def name(self) -> str:
        """What it is kept under: class and fields."""
        return f"{type(self).__module__}.{self!r}"

    @abstractmethod
    def compute(self, points: Points) -> Found:
        """The tensors that answer the need, without an axis for the batch, on the points' device.

        Args:
            points: those of one sample (B = 1), without padding.
        """

    def stack(self, rows: Sequence[Found], num_points: int) -> Found:
        """The answers for several samples as those of a batch. Here: zeros fill the shorter ones at the end.

        Args:
            num_points: N of the batch, padding included.
        """
        return tuple(stack_padded(parts) for parts in zip(*rows, strict=True))


def stack_padded(parts: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Tensors as rows of one, (B, …), with zeros at the end of the axis where they are shorter than the longest.

    Args:
        axis: along which they may differ in length.
    """
    sizes = [part.shape[axis] for part in parts]
    length = max(sizes)
    if min(sizes) == length:
        return torch.stack(list(parts))
    shape = list(parts[0].shape)
    shape[axis] = length
    rows = parts[0].new_zeros(len(parts), *shape)
    for row, part in zip(rows, parts, strict=True):
        row.narrow(axis, 0, part.shape[axis]).copy_(part)
    return rows


@dataclass(frozen=True)
class LocalityOrder(Need):
    """Numbers of the points along a Hilbert curve through their bounding box: ``points.locality_order_BN``."""

    def compute(self, points: Points) -> Found:
        """order_N."""
        return (hilbert_order(points.coords_BNX, None)[0],)

    def stack(self, rows: Sequence[Found], num_points: int) -> Found:
        """order_BN, a permutation: padding comes last, in its own order."""
        device = rows[0][0].device
        filled = [torch.cat([order, torch.arange(order.shape[0], num_points, device=device)]) for (order,) in rows]
        return (torch.stack(filled),)


def ends_of(coords_NX: Tensor, data: DataSpec) -> tuple[tuple[float, float], ...] | None:
    """For each axis of a grid the gaps before its first and after its last point, in spacings; None: it is uneven."""
    assert data.grid_shape is not None
    assert data.origin is not None
    coords = coords_NX.double().reshape(*data.grid_shape, data.num_axes)
    found = []
    for axis, (num, low, extent) in enumerate(zip(data.grid_shape, data.origin, data.extent, strict=True)):
        along = coords[..., axis].movedim(axis, 0).reshape(num, -1)
        spacing = (along[-1, 0] - along[0, 0]) / max(1, num - 1)
        even = along[:1, :1] + spacing * torch.arange(num, dtype=torch.float64).unsqueeze(1)
        if num < 2 or float((along - even).abs().max()) > 1e-3 * abs(float(spacing)):
            return None
        before = (float(along[0, 0]) - low) / float(spacing)
        after = (low + extent - float(along[-1, 0])) / float(spacing)
        found.append((round(before, 6), round(after, 6)))
    return tuple(found)
