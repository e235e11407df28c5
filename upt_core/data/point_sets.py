"""The one owner of a data set's points: each point set scaled once, with what encoders and samplers need of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from upt_core.errors import DataError
from upt_core.points import Found, Need, Points
from upt_core.specs import DataSpec

Over = Literal["space", "points"]
"""What means are over."""

KEPT_BYTES = 1 << 30
"""How much a process keeps of point sets and of what was found for them; the least recently used goes first."""


class PointSets:
    """Point sets by their content, so that splits, caches and rollouts that meet the same points share what is found.

    Processes that read ahead come and go with each epoch; ``share`` gives them a folder through which each point set is
    still dealt with once.

    Args:
        data: the domain, by which coordinates are scaled.
        needs: what encoders and samplers ask of points; more may be added as models are built.
        over: whether means are over space where points have a measure, or over points in any case.
    """

    def __init__(self, data: DataSpec, needs: tuple[Need, ...] = (), over: Over = "space") -> None:
        self.data = data
        self.needs = needs
        self.over = over
        self._apart: PointSets | None = None  # those of the targets, where these are apart, have a grid of their own
        if data.targets_apart:
            self._apart = PointSets(replace(data, grid_shape=data.target_grid, targets_apart=False), needs, over)
        self._kept: OrderedDict[bytes, Points] = OrderedDict()
        self._folder: Path | None = None
        self._written = 0

    @property
    def of_targets(self) -> PointSets:
        """The point sets of the targets; mostly these are those of the inputs."""
        return self._apart or self

    @property
    def kept_bytes(self) -> int:
        """Memory of the point sets met so far, with what was found for them; it stays for the run."""
        apart = 0 if self._apart is None else self._apart.kept_bytes
        return apart + sum(points.kept_bytes for points in self._kept.values())

    def want(self, needs: tuple[Need, ...]) -> None:
        """Adds what else is needed."""
        self.needs = tuple(dict.fromkeys((*self.needs, *needs)))
        if self._apart is not None:
            self._apart.want(needs)

    def share(self) -> None:
        """From now on other processes, started later, find here what this one or they have found."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="upt-points-"))
            weakref.finalize(self, _remove, self._folder, os.getpid())
        if self._apart is not None:
            self._apart.share()

    def find(
        self, coords_NX: Tensor, measure_N: Tensor | None = None, grid_shape: tuple[int, ...] | None = None
    ) -> tuple[bytes, Points]:
        """The key of a point set in physical units, and its points (B = 1) with all that is needed of them.

        Args:
            grid_shape: points along each axis; None: as the data set has them.
        """
        key = _digest(coords_NX, measure_N)
        return key, self.get(key, coords_NX, measure_N, grid_shape)

    def get(
        self,
        key: bytes,
        coords_NX: Tensor,
        measure_N: Tensor | None = None,
        grid_shape: tuple[int, ...] | None = None,
    ) -> Points:
        """As ``find``, of a point set whose key is known."""
        points = self._kept.get(key)
        if points is None:
            points = self._kept[key] = self._scaled(coords_NX, measure_N, grid_shape)
        self._kept.move_to_end(key)
        for need in self.needs:
            if not points.knows(need):
                points.keep(need, self._found(key, need, points))
        self._forget()
        return points

    def _scaled(self, coords_NX: Tensor, measure_N: Tensor | None, grid_shape: tuple[int, ...] | None) -> Points:
        return Points(
            scaled_coords(coords_NX, self.data)[None],
            grid_shape or self.data.grid_shape,
            extent=self.data.extent,
            periodic=self.data.periodic,
            measure_BN=None if measure_N is None or self.over == "points" else _checked(measure_N, coords_NX),
        )

    def _found(self, key: bytes, need: Need, points: Points) -> Found:
        if self._folder is None:
            return points.get(need)
        name = hashlib.blake2b(need.name.encode(), digest_size=8).hexdigest()
        file = self._folder / f"{key.hex()}-{name}.pt"
        if file.is_file():
            found: Found = tuple(torch.load(file, weights_only=True, mmap=True))
            return found
        found = points.get(need)
        self._write(file, found)
        return found

    def _write(self, file: Path, found: Found) -> None:
        size = sum(value.nbytes for value in found)
        if self._written + size > KEPT_BYTES:
            return  # then each epoch finds it anew: slower, and right
        self._written += size
        part = file.with_suffix(f".{os.getpid()}")
        try:
            torch.save([value.contiguous() for value in found], part)
            os.replace(part, file)  # another process may do the same; either file is whole
        except (OSError, RuntimeError):  # torch reports some errors of files as the latter
            part.unlink(missing_ok=True)  # a full disk costs time here, not the run

    def _forget(self) -> None:
        if len(self._kept) == 1:
            return
        sizes = [points.kept_bytes for points in self._kept.values()]
        while sum(sizes) > KEPT_BYTES and len(sizes) > 1:
            self._kept.popitem(last=False)
            sizes.pop(0)


def scaled_coords(coords_NX: Tensor, data: DataSpec) -> Tensor:
    """Physical coordinates scaled to the unit box by the domain's origin and extent, as float32."""
    assert data.origin is not None, "the origin is measured when the data set is prepared"
    low, extent = torch.tensor(data.origin, dtype=torch.float64), torch.tensor(data.extent, dtype=torch.float64)
    return ((coords_NX.double() - low) / extent).float()


def _checked(measure_N: Tensor, coords_NX: Tensor) -> Tensor:
    """The measure of one row of points, (1, N) float32, scaled to mean 1: any unit fits into float32.

    Raises:
        DataError: it is not one number ≥ 0 for each point, or all are 0.
    """
    measure_N = measure_N.double()
    sound = (measure_N >= 0).all() & measure_N.isfinite().all() & (measure_N > 0).any()
    if measure_N.shape != coords_NX.shape[:1] or not bool(sound):
        raise DataError(
            f"the measure of points has shape {tuple(measure_N.shape)} and values from {float(measure_N.min()):g} to "
            f"{float(measure_N.max()):g}; expected {len(coords_NX)} areas or volumes, not negative; correct them "
            f"in the data set, or set mean: points"
        )
    return (measure_N / measure_N.mean()).float()[None]


def _digest(coords_NX: Tensor, measure_N: Tensor | None) -> bytes:
    digest = hashlib.blake2b(str((coords_NX.dtype, tuple(coords_NX.shape))).encode(), digest_size=16)
    for value in (coords_NX, measure_N):
        if value is not None:
            digest.update(value.contiguous().numpy().data)
    return digest.digest()


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a process that was forked off ends, too, and must leave it to the others
        shutil.rmtree(folder, ignore_errors=True)
