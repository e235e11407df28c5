"""Checks that windows which a data set reads at once are those that it reads one by one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from upt_core.stacked import StackedWindows, Window, read_many
from upt_core.testing.failure import answering, require
from upt_core.trajectory import Trajectories, Trajectory

_CHECK = "read_many"
_CURE = "return the rows in the order of the windows, with the types of read(); or None if the windows differ in shape"


def check_read_many(trajectories: Trajectories, looked_at: int, where: str) -> None:
    """Raises where ``read_many`` gives something else than ``read``, to the last bit; without it nothing is checked.

    Args:
        looked_at: trajectories that windows are taken from.
        where: the split, for messages.
    """
    for windows in _batches(trajectories, looked_at):
        with answering(_CHECK, f"in read_many({windows}) of {where}", "StackedWindows, or None", _CURE):
            found = read_many(trajectories, windows)
        for row, window in enumerate(windows if found is not None else ()):
            assert found is not None
            what = _difference(found, row, trajectories.read(*window))
            require(
                not what,
                _CHECK,
                f"{what} of window {window}, row {row} of read_many({windows}) of {where}, differs from the result of "
                "read()",
                "every row equal bit for bit to the result of read() for its window",
                _CURE,
            )


def _batches(trajectories: Trajectories, looked_at: int) -> Iterator[list[Window]]:
    """Windows of one length: from several trajectories at their begin, and in another order at their end."""
    numbers = range(min(looked_at, len(trajectories)))
    length = min([2, *(trajectories.num_times(number) for number in numbers)])
    yield [(number, 0, length) for number in numbers]
    late = [(number, trajectories.num_times(number)) for number in reversed(numbers)]
    yield [(number, times - length, times) for number, times in [*late, late[0]]]


def _difference(found: StackedWindows, row: int, whole: Trajectory) -> str:
    """What of a row is not as in the window that was read alone; empty: nothing."""
    if found.fields.keys() != whole.fields.keys():
        return f"fields {sorted(found.fields)}"
    if found.condition.keys() != whole.condition.keys():
        return f"conditions {sorted(found.condition)}"
    if (found.point_set, found.grid_shape) != (whole.point_set, whole.grid_shape):
        return "point_set or grid_shape"
    condition = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in whole.condition.items()}
    pairs: list[tuple[str, Tensor | None, Tensor | None]] = [
        *((f"field {name!r}", found.fields[name][row], value) for name, value in whole.fields.items()),
        *((f"condition {name!r}", found.condition[name][row], value) for name, value in condition.items()),
        ("coords_NX", found.coords_NX, whole.coords_NX),
        ("time_BT", found.time_BT[row], whole.time_T),
        ("measure_N", found.measure_N, whole.measure_N),
    ]
    return next((name for name, one, other in pairs if not _same(one, other)), "")


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and torch.equal(one, other)
