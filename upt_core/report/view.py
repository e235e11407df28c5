"""Which axis of the data a picture shows to the right, and which upwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from upt_core.directions import direction_of_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]

ROWS = ("row", "column")
"""Names of the axes of an image, whose rows go downwards."""
_PLAIN = ("x", "y")


@dataclass(frozen=True)
class View:
    """A picture of the first two axes of data.

    Args:
        right: number of the axis that points to the right.
        up: number of the axis that points upwards, or downwards.
        labels: of the two.
        named: whether the data set names its axes.
        down: whether the second points downwards, as the rows of an image do.
    """

    right: int
    up: int
    labels: tuple[str, str]
    named: bool
    down: bool = False

    def of(self, value_NX: Array) -> Array:
        """Coordinates or components along the axes to the right and upwards, (N, 2)."""
        return value_NX[:, [self.right, self.up]]

    def rows(self, value: Array) -> Array:
        """An image of a field on a grid, whose two axes are the data's first two: its rows go from the bottom up."""
        return value.T if self.right == 0 else value

    def turn(self, ax: Axes) -> None:
        """Lets the vertical axis of a picture of coordinates point where it should; to be called last."""
        if self.down and not ax.yaxis_inverted():
            ax.invert_yaxis()

    def __str__(self) -> str:
        """For a caption."""
        if not self.named:
            return "The first axis points to the right, the second upwards."
        return f"{self.labels[0]} points to the right, {self.labels[1]} {'downwards' if self.down else 'upwards'}."


def view_of(names: Sequence[str]) -> View:
    """Latitude and y point upwards, rows of images downwards; otherwise the first axis points to the right.

    Args:
        names: of the axes; empty: not known.
    """
    short = [name.rpartition("/")[2] for name in names[:2]]
    if tuple(short) == ROWS:
        return View(1, 0, (ROWS[1], ROWS[0]), named=True, down=True)
    heights = [direction_of_axis(name) for name in short]
    turned = len(short) == 2 and None not in heights and heights[0] > heights[1]  # type: ignore[operator]
    labels = [*short, *_PLAIN[len(short) :]]
    right, up = (1, 0) if turned else (0, 1)
    return View(right, up, (labels[right], labels[up]), named=bool(short))
