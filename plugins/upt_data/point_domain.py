"""The box around scattered points: given by the user, or measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core import DataError
from upt_data.files.dataset import Domain

Corner = tuple[float, ...]


@dataclass(frozen=True)
class PointDomain:
    """The domain of scattered points, as a data set's settings give it.

    Args:
        extent: physical length of each axis; None: that of the points' bounding box.
        origin: low corner; given together with extent.
        periodic: whether the domain wraps around; one value, or one for each axis.

    Raises:
        ValueError: it is given by half, has no volume, or wraps around at its points' bounding box.
    """

    extent: Sequence[float] | None
    origin: Sequence[float] | None
    periodic: bool | Sequence[bool] = False

    def __post_init__(self) -> None:
        extent, origin, periodic = self.extent, self.origin, self.periodic
        if (extent is None) != (origin is None):
            raise ValueError(
                "give both extent and origin of the domain, or neither; without them the domain is measured"
            )
        if extent is not None and (min(extent, default=0.0) <= 0 or len(extent) != len(origin or ())):
            raise ValueError(
                f"extent {list(extent)} and origin {list(origin or ())} need one positive length for each axis"
            )
        if extent is None and periodic is not False and not (isinstance(periodic, Sequence) and not any(periodic)):
            raise ValueError("a periodic domain is larger than its points' bounding box; give extent and origin")

    def around(self, clouds: Iterable[Tensor], where: str) -> Domain:
        """The domain of these point sets, each (N, X): as given, or their bounding box; see ``domain``."""
        extent, origin = domain(clouds, self.extent, self.origin, where)
        return Domain(extent, periodic_axes(self.periodic, len(extent), where), None, origin)


def domain(
    clouds: Iterable[Tensor], extent: Sequence[float] | None, origin: Sequence[float] | None, where: str
) -> tuple[Corner, Corner]:
    """Extent and origin of the domain: as given, or the bounding box of all points.

    Args:
        clouds: point sets, each (N, X); looked at one after the other.

    Raises:
        DataError: a coordinate is not finite, points lie outside the given domain, or all have one coordinate alike.
    """
    low, high = _box(clouds, where)
    if extent is None or origin is None:
        if bool((high <= low).any()):
            raise DataError(
                f"{where}: all points have the same coordinate on axis {int((high - low).argmin())}; "
                "leave this axis out"
            )
        return tuple((high - low).tolist()), tuple(low.tolist())
    if len(extent) != len(low):
        raise DataError(f"{where}: the points have {len(low)} axes, extent has {len(extent)}")
    corner, size = torch.tensor(origin, dtype=torch.float64), torch.tensor(extent, dtype=torch.float64)
    slack = 1e-3 * size  # coordinates may be stored in half precision
    if bool(((low < corner - slack) | (high > corner + size + slack)).any()):
        raise DataError(
            f"{where}: points reach from {low.tolist()} to {high.tolist()}, outside the domain of origin "
            f"{list(origin)} and extent {list(extent)}; correct these, or leave both out"
        )
    return tuple(float(length) for length in extent), tuple(float(value) for value in origin)


def _box(clouds: Iterable[Tensor], where: str) -> tuple[Tensor, Tensor]:
    """The smallest and the largest coordinate along each axis."""
    lows, highs = [], []
    for number, coords_NX in enumerate(clouds):
        if not bool(torch.isfinite(coords_NX).all()):
            raise DataError(f"{where}, trajectory {number}: a coordinate is NaN or infinite; remove the point")
        lows.append(coords_NX.double().amin(0))
        highs.append(coords_NX.double().amax(0))
    return torch.stack(lows).amin(0), torch.stack(highs).amax(0)


def periodic_axes(periodic: bool | Sequence[bool], num_axes: int, where: str) -> tuple[bool, ...]:
    """For each axis, whether it wraps around."""
    if isinstance(periodic, bool):
        return (periodic,) * num_axes
    if len(periodic) != num_axes:
        raise DataError(f"{where}: periodic has {len(periodic)} values, the points have {num_axes} axes")
    return tuple(periodic)
