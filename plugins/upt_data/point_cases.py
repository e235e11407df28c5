"""Steady problems at scattered points: a list of cases in a .pt file, each with its own points, inputs and solution."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, FieldSpec, InMemory, Split, Trajectories, Trajectory
from upt_data.checks import at_least, finite
from upt_data.memory import STEADY_TIME_T
from upt_data.point_domain import check_domain, domain
from upt_data.splits import Fraction, check_fractions, split_of
from upt_data.torch_files import load_torch


class PointCases(Dataset):
    """Reads a .pt file with a list of dicts: points (N, axes), and values (N,), (N, channels) or (channels, N).

    Suits flows around bodies: the surface's normals are the input, its pressure the target, numbers that describe the
    shape or the inflow are conditions.

    Args:
        path: the .pt file.
        inputs: keys of the values that the model sees; the key of the positions is allowed.
        targets: keys of the values that it predicts.
        positions: key of the points.
        conditions: keys of numbers, or of short rows of numbers (named key_0, key_1, …).
        extent: physical length of each axis; by default that of all points' bounding box.
        origin: low corner of the domain; given together with extent.
        num_cases: use only the first ones.
        valid_fraction: share of the cases kept for validation.
        test_fraction: share of the cases kept for test.
        seed: of the split.
    """

    def __init__(
        self,
        path: Path,
        inputs: Annotated[list[str], Field(min_length=1)] = ["vertex_normals"],  # noqa: B006 (never changed)
        targets: Annotated[list[str], Field(min_length=1)] = ["press"],  # noqa: B006
        positions: str = "vertices",
        conditions: list[str] = [],  # noqa: B006
        extent: list[float] | None = None,
        origin: list[float] | None = None,
        num_cases: Annotated[int, Field(ge=3)] | None = None,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        check_domain(extent, origin)
        at_least(3, num_cases=num_cases)
        at_least(1, inputs=len(inputs), targets=len(targets))
        self.path = Path(path)
        self.inputs = list(inputs)
        self.targets = list(targets)
        self.positions = positions
        self.conditions = list(conditions)
        self.extent = extent
        self.origin = origin
        self.num_cases = num_cases
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def spec(self) -> DataSpec:
        """Fields and domain, from the file."""
        cases = self._cases
        fields = {name: FieldSpec(name, value.shape[-1]) for name, value in cases[0].fields.items()}
        extent, origin = domain([case.coords_NX for case in cases], self.extent, self.origin, str(self.path))
        return DataSpec(
            inputs=tuple(fields[name] for name in self.inputs),
            targets=tuple(fields[name] for name in self.targets),
            extent=extent,
            periodic=(False,) * len(extent),
            condition=tuple(cases[0].condition),
            steady=True,
            origin=origin,
        )

    def trajectories(self, split: Split) -> Trajectories:
        """The cases of a split, in memory."""
        num, where = len(self._cases), str(self.path)
        chosen = split_of(num, split, self.valid_fraction, self.test_fraction, self.seed, where)
        return InMemory([self._cases[index] for index in chosen])

    @cached_property
    def _cases(self) -> list[Trajectory]:
        content = load_torch(self.path)
        if not (isinstance(content, list) and content and all(isinstance(case, dict) for case in content)):
            raise DataError(f"{self.path}: expected a list of dicts, one for each case, found {type(content).__name__}")
        cases = [self._case(case, number) for number, case in enumerate(content[: self.num_cases])]
        for number, case in enumerate(cases):
            if _shape(case) != _shape(cases[0]):
                raise DataError(
                    f"{self.path}, case {number}: has the axes, channels and conditions {_shape(case)}, case 0 has "
                    f"{_shape(cases[0])}"
                )
        return cases

    def _case(self, case: dict[str, Any], number: int) -> Trajectory:
        where = f"{self.path}, case {number}"
        needed = [self.positions, *self.inputs, *self.targets, *self.conditions]
        if missing := [name for name in needed if name not in case]:
            raise DataError(
                f"{where}: there is no {' or '.join(map(repr, missing))}; found: {', '.join(map(str, case))}"
            )
        coords_NX = case[self.positions]
        if not (isinstance(coords_NX, Tensor) and coords_NX.ndim == 2 and coords_NX.shape[1] <= 3 and len(coords_NX)):
            raise DataError(f"{where}, {self.positions!r}: expected points (N, 1 to 3 axes), found {_found(coords_NX)}")
        fields = {
            name: _field(case[name], len(coords_NX), f"{self.path}, {name!r}", number)
            for name in dict.fromkeys([*self.inputs, *self.targets])
        }
        condition: dict[str, float] = {}
        for name in self.conditions:
            condition |= _numbers(name, case[name], where)
        return Trajectory(fields, coords_NX.float(), STEADY_TIME_T, condition, point_set=number)


def _field(value: Any, num_points: int, where: str, number: int) -> Tensor:
    """Values of one case as (1, N, C) float32."""
    if isinstance(value, Tensor) and value.ndim == 1 and len(value) == num_points:
        value = value.unsqueeze(1)
    elif (
        isinstance(value, Tensor) and value.ndim == 2 and value.shape[0] != num_points and value.shape[1] == num_points
    ):
        value = value.T
    if not (isinstance(value, Tensor) and value.ndim == 2 and len(value) == num_points):
        raise DataError(
            f"{where}, case {number}: expected ({num_points},), ({num_points}, channels) or (channels, {num_points}), "
            f"found {_found(value)}"
        )
    return finite(value.float()[None, None], where, number)[0]


def _numbers(name: str, value: Any, where: str) -> dict[str, float]:
    row = torch.as_tensor(value, dtype=torch.float64) if isinstance(value, (int, float, Tensor)) else None
    if row is None or row.ndim > 1 or not bool(torch.isfinite(row).all()):
        raise DataError(f"{where}, {name!r}: a condition needs a finite number or a row of them, found {_found(value)}")
    if row.ndim == 0:
        return {name: float(row)}
    return {f"{name}_{index}": float(number) for index, number in enumerate(row)}


def _shape(case: Trajectory) -> tuple[int, dict[str, int], tuple[str, ...]]:
    channels = {name: value.shape[-1] for name, value in case.fields.items()}
    return case.coords_NX.shape[1], channels, tuple(case.condition)


def _found(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"{type(value).__name__} {value!r:.40}"
