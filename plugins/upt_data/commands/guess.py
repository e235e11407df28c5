"""More guesses from a look at the data: parameters that are names, holes in the domain, what splits can deal out."""

from __future__ import annotations

from typing import Any

import numpy as np

from upt_core import DataError, Dataset
from upt_data.arrays.source import ArraySource
from upt_data.files.content import Content
from upt_data.files.dataset import FileDataset

MOST_NAMES = 12
"""A parameter of text with more values than this is no category: it may name each trajectory."""
MOST_CODES = 8
"""Whole numbers 0, 1, … up to so many values are codes rather than sizes."""
LOOKED_AT = 3
"""So many trajectories of a file are looked at for holes."""


def categories(source: ArraySource, arrays: dict[str, str], num: int) -> dict[str, list[str]]:
    """Parameter → its values, of the arrays with one value for each of ``num`` trajectories that hold names or codes.

    Text is a name. Whole numbers are codes where they go up one by one from 0 or 1, and come several times each.

    Args:
        arrays: names, and what they are called in the file.
    """
    found = {}
    for name, array in arrays.items():
        if num > 1 and source.shape(array) == (num,) and source.dtype(array).kind in "USOiu":
            values = _values(_whole(source, array))
            if values:
                found[name] = values
    return found


def _whole(source: ArraySource, array: str) -> np.ndarray[Any, Any]:
    """All values; none where they are objects that a format does not read."""
    try:
        return source.whole(array)
    except (DataError, ValueError):
        return np.array([], dtype="U")


def _values(value_B: np.ndarray[Any, Any]) -> list[str]:
    """The values of a category; empty: it is none."""
    if value_B.dtype.kind in "iu":
        codes = np.unique(value_B)
        steps_by_one = codes[0] in (0, 1) and bool((np.diff(codes) == 1).all())
        return [str(code) for code in codes.tolist()] if steps_by_one and _several(len(codes), len(value_B)) else []
    flat = [one.decode() if isinstance(one, bytes) else one for one in value_B.tolist()]
    if not all(isinstance(one, str) for one in flat):
        return []
    names = sorted(set(flat))
    return names if 2 <= len(names) <= min(MOST_NAMES, len(flat) - 1) else []


def _several(codes: int, values: int) -> bool:
    return 2 <= codes <= MOST_CODES and 2 * codes <= values


def holes(dataset: Dataset) -> dict[str, Any]:
    """``holes: nan`` where some points, and not all, are NaN at the first and at the last time step alike.

    A field that is NaN at other places at other times has no holes but damage, which reading it refuses with the place.
    """
    if not isinstance(dataset, FileDataset):
        return {}
    try:
        content = dataset.contents[0]
        numbers = sorted({0, content.num // 2, content.num - 1})[:LOOKED_AT]
        found = [_hole_share(content, number) for number in numbers]
    except DataError:  # the settings do not fit yet, which is told where the data set is described
        return {}
    return {"holes": "nan"} if any(found) and None not in found else {}


def few(dataset: Dataset) -> dict[str, Any]:
    """``split_by: time`` where trajectories are too few for three splits, and have time steps to deal out."""
    if not isinstance(dataset, FileDataset):
        return {}
    try:
        moving = not dataset.spec().steady
        return {"split_by": "time"} if moving and sum(content.num for content in dataset.contents) < 3 else {}
    except DataError:
        return {}


def _hole_share(content: Content, number: int) -> float | None:
    """The part of the points that are holes; None: NaN moves, or is everywhere."""
    last = len(content.times(number)) - 1
    share = 0.0
    for name in content.channels:
        masks = [_missing(content, name, number, step) for step in {0, last // 2, last}]
        if any(not np.array_equal(mask, masks[0]) for mask in masks) or bool(masks[0].all()):
            return None
        share = max(share, float(masks[0].mean()))
    return share


def _missing(content: Content, name: str, number: int, step: int) -> np.ndarray[Any, Any]:
    """For each point whether a field is NaN there, (N,)."""
    value_TNC = content.read(name, number, slice(step, step + 1))
    if value_TNC.dtype.kind != "f":
        return np.zeros(value_TNC.shape[1], dtype=bool)
    return np.asarray(np.isnan(value_TNC).any(axis=(0, 2)))
