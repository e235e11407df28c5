"""Steady problems at scattered points: a list of cases in a .pt file, each with its own points, inputs and solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataError
from upt_data.arrays.grid_content import STEADY_TIMES
from upt_data.checks import Array
from upt_data.files.content import Content, Values
from upt_data.files.dataset import Domain, FileDataset, Selection
from upt_data.files.paths import Place
from upt_data.places import places
from upt_data.point_domain import PointDomain
from upt_data.splits import Fraction
from upt_data.torch_files import load_torch


@dataclass(frozen=True)
class Case:
    """One case: its points, its fields (N, C) and its numbers."""

    coords_NX: Tensor
    fields: dict[str, Tensor]
    numbers: dict[str, float]


class PointCases(FileDataset):
    """Reads .pt files with a list of dicts: points (N, axes), and values (N,), (N, channels) or (channels, N).

    It suits flows around bodies: the surface's normals are the input, its pressure is the target, and numbers that
    describe the shape or the inflow are conditions. A file may also hold a single dict, which is one case.

    Args:
        path: the .pt file; or a list, a pattern or a folder of files.
        inputs: keys of the values that the model sees; the key of the positions is allowed.
        targets: keys of the values that it predicts.
        positions: key of the points.
        conditions: keys of numbers, or of short rows of numbers (named key_0, key_1, …).
        extent: physical length of each axis; by default that of all points' bounding box.
        origin: lower corner of the domain; give it together with extent.
        num_cases: use only the first trajectories of ``path``.
        valid_path: files that are the whole validation split.
        test_path: files that are the whole test split.
        valid_fraction: share of the cases kept for validation.
        test_fraction: share of the cases kept for test.
        seed: seed of the split.
        holes: points without values, such as land in an ocean: they are left out, and the others become scattered
            points. ``nan``: NaN at the first time step; or a mask (.npy file), not 0 there (``not NAME``: 0 there).
    """

    suffixes = (".pt", ".pth")

    def __init__(
        self,
        path: Path | list[Path],
        inputs: Annotated[list[str], Field(min_length=1)] = ["vertex_normals"],  # noqa: B006 (never changed)
        targets: Annotated[list[str], Field(min_length=1)] = ["press"],  # noqa: B006
        positions: str = "vertices",
        conditions: list[str] = [],  # noqa: B006
        extent: list[float] | None = None,
        origin: list[float] | None = None,
        num_cases: Annotated[int, Field(ge=1)] | None = None,
        valid_path: Path | list[Path] | None = None,
        test_path: Path | list[Path] | None = None,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
        holes: str | None = None,
    ) -> None:
        selection = Selection(
            path, valid_path, test_path, num_trajectories=num_cases, valid_fraction=valid_fraction,
            test_fraction=test_fraction, seed=seed, holes=holes,
        )  # fmt: skip
        super().__init__(selection, inputs, targets)
        self._positions = positions
        self._conditions = tuple(conditions)
        self._given_domain = PointDomain(extent, origin)

    def _open(self, place: Place) -> list[Content]:
        found = load_torch(place.path)
        listed = [found] if isinstance(found, dict) else found
        if not (isinstance(listed, list) and listed and all(isinstance(case, dict) for case in listed)):
            raise DataError(f"{place.path}: expected a list of dicts, one for each case, found {type(found).__name__}")
        cases = [self._case(case, f"{place.path}, case {number}") for number, case in enumerate(listed)]
        for number, case in enumerate(cases):
            if _shape(case) != _shape(cases[0]):
                raise DataError(
                    f"{place.path}, case {number}: has the axes, channels and conditions {_shape(case)}, case 0 has "
                    f"{_shape(cases[0])}"
                )
        return [CasesContent(place, cases)]

    def _domain(self, contents: Sequence[Content]) -> Domain:
        clouds = (content.points(number) for content in contents for number in range(content.num))
        return self._given_domain.around(clouds, self._selection.name)

    def _case(self, case: dict[str, Any], where: str) -> Case:
        needed = [self._positions, *self._inputs, *self._targets, *self._conditions]
        if missing := list(dict.fromkeys(name for name in needed if name not in case)):
            raise DataError(
                f"{where}: there is no {' or '.join(map(repr, missing))}; found: {', '.join(map(str, case))}; correct "
                f"the names in the data set's settings"
            )
        coords_NX = case[self._positions]
        if not (isinstance(coords_NX, Tensor) and coords_NX.ndim == 2 and coords_NX.shape[1] <= 3 and len(coords_NX)):
            raise DataError(
                f"{where}, {self._positions!r}: expected points (N, 1 to 3 axes), found {_found(coords_NX)}"
            )
        names = dict.fromkeys([*self._inputs, *self._targets])
        fields = {name: _field(case[name], len(coords_NX), f"{where}, {name!r}") for name in names}
        found: dict[str, float] = {}
        for name in self._conditions:
            found |= _numbers(name, case[name], where)
        return Case(places(coords_NX), fields, found)


class CasesContent(Content):
    """The cases of one file; tensors of a large file stay in it until they are read."""

    def __init__(self, place: Place, cases: list[Case]) -> None:
        channels = {name: value.shape[-1] for name, value in cases[0].fields.items()}
        super().__init__(place, len(cases), channels, steady=True)
        self._cases = cases

    def times(self, number: int) -> Array:
        """There is no time."""
        return STEADY_TIMES

    def points(self, number: int) -> Tensor:
        """The points of a case."""
        return self._cases[number].coords_NX

    def num_points(self, number: int) -> int:
        """How many points a case has."""
        return len(self._cases[number].coords_NX)

    def point_set(self, number: int) -> int:
        """Every case has its own points."""
        return number

    @property
    def num_point_sets(self) -> int:
        """As many as cases."""
        return self.num

    def parameter(self, number: int, name: str) -> float | None:
        """A number of a case."""
        return self._cases[number].numbers.get(name)

    @property
    def parameters(self) -> tuple[str, ...]:
        """All numbers that were asked for."""
        return tuple(self._cases[0].numbers)

    def read(self, field: str, number: int, steps: slice) -> Values:
        """A field of a case, (1, N, C)."""
        return np.asarray(self._cases[number].fields[field].numpy())[None]


def _field(value: Any, num_points: int, where: str) -> Tensor:
    """Values of one case as (N, C); float64 stays, so that an offset swallows no digits."""
    if isinstance(value, Tensor) and value.ndim == 1 and len(value) == num_points:
        value = value.unsqueeze(1)
    elif (
        isinstance(value, Tensor) and value.ndim == 2 and value.shape[0] != num_points and value.shape[1] == num_points
    ):
        value = value.T
    if not (isinstance(value, Tensor) and value.ndim == 2 and len(value) == num_points):
        raise DataError(
            f"{where}: expected ({num_points},), ({num_points}, channels) or (channels, {num_points}), "
            f"found {_found(value)}; store a tensor of numbers, or name another key"
        )
    if value.is_complex():
        raise DataError(f"{where} is complex; store real and imaginary part as two channels")
    return value if value.dtype == torch.float64 else value.float()


def _numbers(name: str, value: Any, where: str) -> dict[str, float]:
    row = torch.as_tensor(value, dtype=torch.float64) if isinstance(value, (int, float, Tensor)) else None
    if row is None or row.ndim > 1 or not bool(torch.isfinite(row).all()):
        raise DataError(f"{where}, {name!r}: a condition needs a finite number or a row of them, found {_found(value)}")
    if row.ndim == 0:
        return {name: float(row)}
    return {f"{name}_{index}": float(number) for index, number in enumerate(row)}


def _shape(case: Case) -> tuple[int, dict[str, int], tuple[str, ...]]:
    channels = {name: value.shape[-1] for name, value in case.fields.items()}
    return case.coords_NX.shape[1], channels, tuple(case.numbers)


def _found(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"{type(value).__name__} {value!r:.40}"
