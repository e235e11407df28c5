"""Draws one field of one example: a line, an image, coloured points, or a slice of three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from upt_core.report.load import Array, Examples
from upt_core.report.style import FIELD_MAP, SIGNED_MAP
from upt_core.report.view import View

SIGNED = 0.1
"""A field has both signs where the smaller side reaches this share of the larger."""

SLAB = 0.1
"""Share of the third axis that a slice through scattered points is thick."""

ARROWS, MOST_ARROWS = 10, 12
"""Of a vector field, along each side of a square, and along the long side of another picture."""

SMALLEST = float(np.finfo(np.float64).tiny)
"""Keeps divisions by an extent finite where all points have one coordinate; no unit of length is that small."""


def range_of(values: Sequence[Array]) -> tuple[float, float]:
    """Limits of one colour scale for several fields; widened where the fields are constant."""
    finite = np.concatenate([value[np.isfinite(value)].ravel() for value in values])
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def colours_of(values: Sequence[Array], lengths: bool = False) -> tuple[str, tuple[float, float]]:
    """The colour map that fits several fields, and its limits: around 0 where they have both signs.

    Args:
        lengths: whether the values are lengths of vectors, which begin at 0.
    """
    low, high = range_of(values)
    if lengths:
        return FIELD_MAP, (0.0, high)
    if low < 0 < high and min(-low, high) > SIGNED * max(-low, high):
        largest = max(-low, high)
        return SIGNED_MAP, (-largest, largest)
    return FIELD_MAP, (low, high)


def draw_field(
    ax: Axes, examples: Examples, index: int, value_N: Array, limits: tuple[float, float], cmap: str
) -> ScalarMappable:
    """A field over space, in two dimensions or as a slice of three; the colours, for a colour bar."""
    ax.grid(False)
    length = int(examples.lengths[index])
    coords_NX = examples.places[index, :length]
    low, high = limits
    view = examples.view
    ax.set(xlabel=view.labels[0], ylabel=view.labels[1])
    if examples.grid_shape:
        image = value_N.reshape(examples.grid_shape)
        if examples.num_axes == 3:
            image = image[:, :, image.shape[2] // 2]
        left, bottom = examples.low[[view.right, view.up]]
        x, y = examples.extent[[view.right, view.up]]
        drawn: ScalarMappable = ax.imshow(
            view.rows(image),
            origin="lower",
            extent=(left, left + x, bottom, bottom + y),
            vmin=low,
            vmax=high,
            cmap=cmap,
            interpolation="nearest",
        )
        ax.set_aspect(aspect_of(x, y))
        view.turn(ax)
        return drawn
    ax.set_facecolor(mpl.rcParams["grid.color"])  # neither end of a colour map vanishes on it
    inside = inside_slice(coords_NX)
    size = size_of_points(int(inside.sum()))
    place_N2 = view.of(coords_NX)
    drawn = ax.scatter(
        place_N2[inside, 0], place_N2[inside, 1], c=value_N[:length][inside], s=size, vmin=low, vmax=high,
        cmap=cmap, linewidths=0,
    )  # fmt: skip
    ax.set_aspect(aspect_of(*np.maximum(np.ptp(place_N2, axis=0), SMALLEST)))
    view.turn(ax)
    return drawn


def draw_arrows(ax: Axes, view: View, coords_MX: Array, vector_M2: Array, largest: float) -> None:
    """Arrows of a vector field over its magnitude; that of a vector of length ``largest`` reaches to the next arrow.

    Args:
        coords_MX: where the picture shows the field.
        vector_M2: its components along the first two axes there.
    """
    place_M2 = view.of(coords_MX)
    low, extent = place_M2.min(axis=0), np.maximum(np.ptp(place_M2, axis=0), SMALLEST)
    size = np.maximum(np.sqrt(extent.prod()) / ARROWS, extent.max() / MOST_ARROWS)
    number = np.maximum(np.round(extent / size), 2) if aspect_of(*extent) == "equal" else np.full(2, ARROWS)
    within_M2 = (place_M2 - low) / extent * number
    cell = np.minimum(within_M2, number - 1).astype(int)
    inwards = np.argsort(np.linalg.norm(within_M2 - cell - 0.5, axis=1), kind="stable")  # nearest to a cell's middle
    _, first = np.unique((cell[:, 0] * int(number[1]) + cell[:, 1])[inwards], return_index=True)
    chosen = inwards[first]
    arrow_2M = view.of(vector_M2)[chosen].T / max(largest, SMALLEST) * (extent / number).min()
    ax.quiver(
        *place_M2[chosen].T, *arrow_2M, angles="xy", scale_units="xy", scale=1, width=0.01, headwidth=4,
        headlength=4.5, headaxislength=4, pivot="middle", color="#ffffff", edgecolor="#1d2329", linewidth=0.5,
    )  # fmt: skip


def shown_points(examples: Examples, index: int) -> Array:
    """Numbers of an example's points that its picture shows: in three dimensions those of the middle."""
    length = int(examples.lengths[index])
    if not examples.grid_shape or examples.num_axes < 3:
        return np.flatnonzero(inside_slice(examples.coords[index, :length] * examples.extent))
    return np.flatnonzero(np.arange(length) % examples.grid_shape[2] == examples.grid_shape[2] // 2)


def inside_slice(coords_NX: Array) -> Array:
    """The points of a slice around the middle of the third axis; in two dimensions all."""
    if coords_NX.shape[1] < 3:
        return np.ones(len(coords_NX), dtype=bool)
    z = coords_NX[:, 2]
    middle, half = (z.min() + z.max()) / 2, SLAB / 2 * max(float(np.ptp(z)), SMALLEST)
    return np.asarray(np.abs(z - middle) <= half)


def aspect_of(x: float, y: float) -> float | Literal["equal", "auto"]:
    """True proportions, except for domains so long that a picture of them would be a thread."""
    return "equal" if 0.25 <= x / y <= 4 else "auto"


def height_of(view: View, extent: Array, width: float, most: float) -> float:
    """Height of a panel of pictures of a domain in inches: a wide domain needs less than ``most``, with room for text.

    Args:
        extent: of the domain along each axis.
        width: of the pictures themselves, in inches.
        most: of a panel.
    """
    x, y = np.maximum(extent[[view.right, view.up]], SMALLEST)
    return min(most, width * float(y / x) + 0.65) if aspect_of(x, y) == "equal" else most


def size_of_points(number: int) -> float:
    """Of the dots that show scattered points: the fewer there are, the larger."""
    return min(60.0, max(1.0, 16000.0 / max(1, number)))


def slice_note(examples: Examples) -> str:
    """What is shown of three dimensions, for a title; empty below three."""
    if examples.num_axes < 3:
        return ""
    return "middle slice of the third axis" if examples.grid_shape else "points around the middle of the third axis"
