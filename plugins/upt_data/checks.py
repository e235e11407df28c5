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


def surely_finite(value: Tensor) -> bool:
    """Whether there is no NaN and no infinity, at the cost of one sum; False where that sum itself is too large."""
    return math.isfinite(value.sum().item())


def check_finite(value_TNC: Tensor, where: str, cure: str, time: int = 0, stride: int = 1) -> None:
    """Refuses NaN and infinite values.

    Args:
        value_TNC: time steps of a field.
        where: file, field and trajectory, for the message.
        cure: what to do about it, for the message.
        time: number of the first time step in its file.
        stride: the time steps of the file that one step stands for.

    Raises:
        DataError: a value is not finite; the message names the first such time step.
    """
    bad_T = (~torch.isfinite(value_TNC)).flatten(1).sum(1)
    if not bad_T.any():
        return
    first = int(bad_T.nonzero()[0])
    raise DataError(
        f"{where}, time step {time + first * stride}: {int(bad_T[first])} of {value_TNC[0].numel()} values are NaN or "
        f"infinite; {cure}"
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
