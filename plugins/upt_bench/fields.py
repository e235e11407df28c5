"""Fields on which samplers are compared: real data where they are given, else fields that upt solves itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from upt_bench.setting import Setting
from upt_core import Dataset, LocalityOrder, Points, Trajectory


@dataclass(frozen=True, eq=False)
class Field:
    """One value at each point.

    Args:
        name: of the data and the quantity.
        points: one row.
        value_N: float64.
        counts: numbers of query points to compare at.
        rough: little is left of neighbours' likeness, as in a residual of small scales.
    """

    name: str
    points: Points
    value_N: Tensor
    counts: tuple[int, ...]
    rough: bool = False


def fields(setting: Setting) -> Iterator[Field]:
    """The fields, one after the other."""
    if setting.quick:
        yield from _plane("burgers2d 32 × 32, u", setting.dataset("burgers2d", num_trajectories=3, points=32), (256,))
        return
    darcy = setting.file("pdebench", "2D", "DarcyFlow", "2D_DarcyFlow_beta1.0_Train.hdf5")
    small = setting.file("neuralop", "darcy_train_16.pt")
    vortices = setting.file("npz", "kolmogorov2d_64.npz")
    flow = setting.file("pointcloud", "cfd")
    if darcy is not None:
        yield from _plane("Darcy 32 × 32", setting.dataset("pdebench", path=darcy, space_stride=2), (64, 256))
    if small is not None:
        yield from _plane("Darcy 16 × 16", setting.dataset("neuraloperator", path=small), (64,))
    if vortices is not None:
        yield from _plane("Kolmogorov 64 × 64", setting.dataset("npz", path=vortices), (256, 1024))
    yield from _plane("Burgers 64 × 64", setting.dataset("burgers2d", num_trajectories=3, points=64), (256, 1024))
    if flow is not None:
        yield from _scattered("CFD 32,392", setting.dataset("point_frames", path=flow, split_by="time"), (256, 1024))


def scattered_points(coords_NX: Tensor, batch: int) -> Points:
    """Scattered points in the unit box with their order; rows share them."""
    low, high = coords_NX.amin(0), coords_NX.amax(0)
    coords_1NX = ((coords_NX - low) / (high - low).max()).float().unsqueeze(0)
    sample_id_B = torch.arange(batch, device=coords_NX.device)
    return Points.stack([Points(coords_1NX)] * batch, (LocalityOrder(),), sample_id_B)


def _plane(name: str, dataset: Dataset, counts: tuple[int, ...]) -> Iterator[Field]:
    """A field of a plane at a late time, and the square of what is finer than 5 points: rough."""
    shape = dataset.spec().grid_shape
    assert shape is not None
    case, value_N = _last(dataset)
    low, high = case.coords_NX.amin(0), case.coords_NX.amax(0)
    coords_1NX = ((case.coords_NX - low) / (high - low).max()).float().unsqueeze(0)
    points = Points(coords_1NX, grid_shape=shape, sample_id_B=torch.zeros(1, dtype=torch.int64))
    yield Field(f"{name}, field", points, value_N, counts)
    plane = value_N.reshape(1, 1, *shape)
    blurred = avg_pool2d(plane, 5, stride=1, padding=2, count_include_pad=False)
    yield Field(f"{name}, small scales squared", points, (plane - blurred).square().flatten(), counts, rough=True)


def _scattered(name: str, dataset: Dataset, counts: tuple[int, ...]) -> Iterator[Field]:
    """A field at scattered points, its change over time squared, and what is finer than 16 points squared."""
    case, value_N = _last(dataset)
    first_N = next(iter(case.fields.values()))[0, :, 0].double()
    points = scattered_points(case.coords_NX, 1)
    order_N = points.locality_order_BN[0]
    yield Field(f"{name}, field", points, value_N, counts)
    yield Field(f"{name}, change in time squared", points, (value_N - first_N).square(), counts)
    along = value_N[order_N]
    smooth = torch.nn.functional.avg_pool1d(along.view(1, 1, -1), 17, 1, 8, count_include_pad=False).flatten()
    fine_N = torch.empty_like(along).scatter_(0, order_N, (along - smooth).square())
    yield Field(f"{name}, small scales squared", points, fine_N, counts, rough=True)


def _last(dataset: Dataset) -> tuple[Trajectory, Tensor]:
    """The first training trajectory, and the first channel of its last target field at the last time step."""
    trajectories = dataset.trajectories("train")
    case = trajectories.read(0, 0, trajectories.num_times(0))
    return case, case.fields[dataset.spec().targets[0].name][-1, :, 0].double()
