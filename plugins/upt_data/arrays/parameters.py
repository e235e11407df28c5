"""Numbers that a file says of its trajectories: parameters, and how many time steps each has."""

from __future__ import annotations

import numpy as np

from upt_core import DataError
from upt_data.arrays.named import NamedArrays
from upt_data.checks import Array
from upt_data.files.content import Values


def parameters(arrays: NamedArrays, num: int, num_times: int) -> dict[str, Array]:
    """Those of the conditions that the file says, as arrays or attributes; see ``numbers`` for shapes and errors.

    Args:
        num: trajectories of the file.
        num_times: their time steps; 0: there is no time.
    """
    attributes, categories = arrays.attributes(), arrays.settings.categories
    found = {}
    for name in arrays.settings.conditions:
        if name in arrays:
            values = arrays.whole(name)
        elif name in attributes:
            values = np.asarray(attributes[name])
        else:
            continue  # it may stand in the file's name or in the table
        if name in categories:
            values = categories.numbers(name, values, f"{arrays.where}, {name!r}")
        found[name] = numbers(values, num, f"{arrays.where}, {name!r}", num_times)
    return found


def lengths(arrays: NamedArrays, num: int, times: Array | None) -> Values | None:
    """The number of time steps of each trajectory, where the file says it.

    Raises:
        DataError: they are not whole numbers from 1 to that of the times, one for each trajectory.
    """
    name = arrays.settings.lengths
    if name is None or times is None:
        return None
    where, most = f"{arrays.where}, {name!r}", times.shape[-1]
    values = numbers(arrays.whole(name), num, where)
    if len(values) != num or bool(((values < 1) | (values > most) | (values != values.round())).any()):
        raise DataError(f"{where}: expected a whole number from 1 to {most} for each of {num} trajectories")
    return values


def numbers(values: Values, num: int, where: str, num_times: int = 0) -> Array:
    """One finite number for each trajectory, (num,), or one for all, (1,); or one for each time, (num or 1, T).

    Raises:
        DataError: the array has another shape or type, or holds NaN.
    """
    over_time = num_times > 1 and (values.shape == (num, num_times) or (num == 1 and values.shape == (num_times,)))
    a_row = values.size in (1, num) and max(values.shape, default=1) == values.size
    if values.dtype.kind not in "fiub" or not (over_time or a_row):
        raise DataError(
            f"{where} has shape {values.shape} of {values.dtype}; a condition needs one number for each trajectory, "
            f"({num},), or one for all" + (f", or one for each time, ({num}, {num_times})" if num_times > 1 else "")
        )
    found = values.astype(np.float64).reshape((num, num_times) if over_time else -1)
    bad = ~np.isfinite(found).reshape(len(found), -1).all(axis=1)
    if bad.any():
        raise DataError(f"{where}, trajectory {int(np.argmax(bad))}: the value is NaN or infinite")
    return found
