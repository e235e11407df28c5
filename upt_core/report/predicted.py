"""A picture of predictions, and a film where they move: lines in one dimension, colours in two and three."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.axes
import matplotlib.cm
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from upt_core.errors import UserError
from upt_core.operator.answers import Answers
from upt_core.report.fields import (
    SMALLEST,
    aspect_of,
    colours_of,
    draw_arrows,
    height_of,
    inside_slice,
    range_of,
    size_of_points,
)
from upt_core.report.load import Array
from upt_core.report.quantities import quantities_of
from upt_core.report.style import DPI, LIGHT, panels
from upt_core.report.view import view_of

MOST_SHOTS, MOST_FRAMES = 4, 50
"""Time steps in a picture, and in a film."""


@dataclass(frozen=True, eq=False)
class _Shown:
    """A channel of the first sample, or the length of a vector field with two components of it for arrows."""

    name: str
    value_TQ: Array
    arrow_TQ2: Array | None = None


def draw(answers: Answers, path: Path) -> list[Path]:
    """Draws the first sample: a picture of up to four time steps; where there are several, a film beside it (.gif)."""
    shown, steps = _shown(answers), 1 if answers.times is None else answers.times.shape[-1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _picture(answers, shown, _spread(steps, MOST_SHOTS)).savefig(path)
        if steps == 1:
            return [path]
        film = path.with_suffix(".gif")
        frames = [_frame(answers, shown, step) for step in _spread(steps, MOST_FRAMES)]
        frames[0].save(film, save_all=True, append_images=frames[1:], duration=200, loop=0)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error
    return [path, film]


def _shown(answers: Answers) -> list[_Shown]:
    found = []
    for name, value in answers.fields.items():
        first = value[0] if answers.times is not None else value[0][None]
        flat = first.reshape(len(first), answers.num_points, -1)
        channels, axes = flat.shape[-1], answers.coords.shape[-1]
        names = [name] if channels == 1 else [f"{name}[{channel}]" for channel in range(channels)]
        found += [
            _Shown(q.title, q.of(flat), q.components(flat))
            for q in quantities_of(names, axes, answers.along.get(name, ()))
        ]
    return found


def _picture(answers: Answers, shown: list[_Shown], steps: list[int]) -> Figure:
    coords_QX = answers.coords if answers.coords.ndim == 2 else answers.coords[0]
    view = view_of(answers.axes)
    with LIGHT.applied():
        height = 2.2 if coords_QX.shape[1] == 1 else height_of(view, np.ptp(coords_QX, axis=0), 2.1, 2.2)
        fig, axes = panels(LIGHT, len(shown), len(steps), 1 + 2.6 * len(steps), height)
        for row, field in enumerate(shown):
            cmap, limits = colours_of([field.value_TQ], field.arrow_TQ2 is not None)
            for column, step in enumerate(steps):
                ax = axes[row, column]
                ax.set_title(f"{field.name}{_when(answers, step)}")
                ax.set_xlabel(view.labels[0])
                if coords_QX.shape[1] == 1:
                    order = np.argsort(coords_QX[:, 0])
                    ax.plot(coords_QX[order, 0], field.value_TQ[step, order])
                    ax.set_ylim(*_widened(range_of([field.value_TQ])))
                    continue
                drawn = _colours(ax, answers, coords_QX, field.value_TQ[step], cmap, limits)
                view.turn(ax)
                if field.arrow_TQ2 is not None:
                    inside = inside_slice(coords_QX)
                    draw_arrows(ax, view, coords_QX[inside], field.arrow_TQ2[step, inside], limits[1])
                if column + 1 == len(steps):
                    fig.colorbar(drawn, ax=ax)
    return fig


def _colours(
    ax: matplotlib.axes.Axes, answers: Answers, coords_QX: Array, value_Q: Array, cmap: str, limits: tuple[float, float]
) -> matplotlib.cm.ScalarMappable:
    ax.grid(False)
    inside = inside_slice(coords_QX)
    view = view_of(answers.axes)
    place_Q2 = view.of(coords_QX)
    ax.set_aspect(aspect_of(*np.maximum(np.ptp(place_Q2, axis=0), SMALLEST)))
    ax.set_ylabel(view.labels[1])
    if answers.grid_shape is not None and len(answers.grid_shape) == 2:
        place = coords_QX.reshape(*answers.grid_shape, 2)
        along = (place[:, 0, 0], place[0, :, 1])
        image = view.rows(value_Q.reshape(answers.grid_shape))
        return ax.pcolormesh(
            along[view.right], along[view.up], image, cmap=cmap, vmin=limits[0], vmax=limits[1], shading="nearest"
        )
    ax.set_facecolor(mpl.rcParams["grid.color"])  # neither end of a colour map vanishes on it
    size = 0.4 * size_of_points(int(inside.sum()))  # panels here are smaller than those of a report
    return ax.scatter(
        place_Q2[inside, 0], place_Q2[inside, 1], c=value_Q[inside], s=size, cmap=cmap, vmin=limits[0],
        vmax=limits[1], linewidths=0,
    )  # fmt: skip


def _frame(answers: Answers, shown: list[_Shown], step: int) -> Image.Image:
    file = io.BytesIO()
    _picture(answers, shown, [step]).savefig(file, format="png", dpi=DPI)
    file.seek(0)
    return Image.open(file).convert("RGB").quantize(256, dither=Image.Dither.NONE)


def _when(answers: Answers, step: int) -> str:
    if answers.times is None:
        return ""
    times_T = answers.times if answers.times.ndim == 1 else answers.times[0]
    return f", t = {times_T[step]:.4g}"


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    slack = 0.05 * (limits[1] - limits[0])
    return limits[0] - slack, limits[1] + slack


def _spread(num: int, most: int) -> list[int]:
    return sorted({round(step) for step in np.linspace(0, num - 1, min(num, most)).tolist()})
