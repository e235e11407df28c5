"""Checks at the door: files that are there, values that can be trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from upt_core import DataError

Array = npt.NDArray[np.floating]


def existing(path: Path, folder: bool = False) -> Path:
    """The path, with ``~`` resolved.

    Raises:
        DataError: there is no such file (or folder).
    """
    path = Path(path).expanduser()
    if (folder and path.is_dir()) or (not folder and path.is_file()):
        return path
    what = "folder" if folder else "file"
    found = "it is a folder" if path.is_dir() else "it is a file" if path.is_file() else "it does not exist"
    raise DataError(
        f"{path}: expected a {what}, but {found}; correct the data set's path (now relative to {Path.cwd()})"
    )


def finite(value_BTNC: Tensor, where: str, cure: str, trajectory: int = 0, time: int = 0, stride: int = 1) -> Tensor:
    """The value itself, if it has no NaN and no infinity.

    Args:
        value_BTNC: a field of some trajectories.
        where: file and field, for the message.
        cure: what to do about it, for the message.
        trajectory: number of the first trajectory in its file.
        time: number of the first time step in its file.
        stride: the time steps of the file that one step stands for.

    Raises:
        DataError: a value is not finite; the message names the first such trajectory and time step.
    """
    if math.isfinite(value_BTNC.sum(dtype=torch.float64).item()):  # finite only if all are, and far cheaper
        return value_BTNC
    bad_BT = (~torch.isfinite(value_BTNC)).flatten(2).sum(2)
    first_b, first_t = (int(number) for number in bad_BT.nonzero()[0])
    place = f"{where}, trajectory {trajectory + first_b}, time step {time + first_t * stride}"
    raise DataError(
        f"{place}: {int(bad_BT[first_b, first_t])} of {value_BTNC[0, 0].numel()} values are NaN or infinite; {cure}"
    )


def named_channels(fields: Mapping[str, int] | None, found: int, where: str) -> dict[str, int]:
    """The channels of frames by the fields that they belong to; one field ``u`` of all where none is named.

    Raises:
        DataError: the fields have other channels together than the frames.
    """
    named = {"u": found} if fields is None else dict(fields)
    if sum(named.values()) != found:
        raise DataError(f"{where}: has {found} channels, but 'fields' names {sum(named.values())} ({named})")
    return named


def rising(values: npt.NDArray[np.generic], where: str) -> Array:
    """One-dimensional coordinates as float64.

    Raises:
        DataError: they are not one-dimensional, not finite, or do not rise strictly.
    """
    if values.ndim != 1 or len(values) == 0 or not np.issubdtype(values.dtype, np.number):
        raise DataError(f"{where}: expected a row of numbers, found shape {values.shape} of {values.dtype}")
    rows = values.astype(np.float64)
    if not np.isfinite(rows).all():
        raise DataError(f"{where}: a coordinate is NaN or infinite at position {int(np.argmin(np.isfinite(rows)))}")
    steps = np.diff(rows)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise DataError(
            f"{where}: coordinates must rise, but position {at} has {rows[at]:g} and position {at + 1} has "
            f"{rows[at + 1]:g}; sort the file along this axis"
        )
    return rows
