"""Example predictions in one dimension: lines over space, and images over space and time for rollouts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from upt_core.report.fields import colours_of, range_of
from upt_core.report.load import Array, Examples
from upt_core.report.style import ERROR_MAP, Theme, colour_bar, panels


def draw_lines(examples: Examples, rows: Sequence[tuple[int, int]], theme: Theme) -> Figure:
    """One row for each (example, channel): the last time step as lines, then the rollout or the error."""
    rollout = examples.target.shape[1] > 1
    ratios = [1.4, 1, 1, 1] if rollout else [1.5, 1]
    fig, axes = panels(theme, len(rows), len(ratios), 10, 2.2, ratios)
    for row, (index, channel) in zip(axes, rows, strict=True):
        order, x = _positions(examples, index)
        _last_step(row[0], examples, index, channel, order, x, theme)
        for ax in row if theme.narrow else ():
            ax.title.set_fontsize(8)
        if rollout:
            _rollout(row[1:], examples, index, channel, order)
        else:
            _error(row[1], examples, index, channel, order, x)
    for ax in axes[-1]:
        ax.set_xlabel(examples.view.labels[0])
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)
    return fig


def _positions(examples: Examples, index: int) -> tuple[Array, Array]:
    """Points from left to right, and where they are."""
    x = examples.places[index, : int(examples.lengths[index]), 0]
    order = np.argsort(x, kind="stable")
    return order, x[order]


def _last_step(ax: Axes, examples: Examples, index: int, channel: int, order: Array, x: Array, theme: Theme) -> None:
    name, steps = examples.target_names[channel], examples.target.shape[1]
    if name in examples.input_names:
        input_order, input_x = _positions(examples.of_inputs(), index)
        given = examples.input[index, input_order, examples.input_names.index(name)]
        ax.plot(input_x, given, color=theme.muted, linewidth=1.2, label="input")
    ax.plot(x, examples.target[index, -1, order, channel], color=theme.ink, label="target")
    ax.plot(x, examples.prediction[index, -1, order, channel], "--", color="C1", label="prediction")
    newline = "\n" if theme.narrow and steps > 1 else " "  # a long title would meet that of the next panel
    ax.set_title(f"{examples.place(index)}:{newline}{name}" + (f", time step {steps}" if steps > 1 else ""))


def _error(ax: Axes, examples: Examples, index: int, channel: int, order: Array, x: Array) -> None:
    error = examples.prediction[index, 0, order, channel] - examples.target[index, 0, order, channel]
    ax.plot(x, error, color="C0")
    ax.axhline(0, color="C0", linewidth=0.6, alpha=0.5)
    ax.set_title(f"prediction − target, {examples.target_names[channel]}")


def _rollout(axes: Sequence[Axes], examples: Examples, index: int, channel: int, order: Array) -> None:
    """Space to the right, time upwards."""
    target = examples.target[index][:, order, channel]
    prediction = examples.prediction[index][:, order, channel]
    error, shared = abs(prediction - target), colours_of([target, prediction])
    images = (
        ("target", target, shared),
        ("prediction", prediction, shared),
        ("|error|", error, (ERROR_MAP, (0.0, range_of([error])[1]))),
    )
    left = float(examples.low[0])
    extent = (left, left + float(examples.extent[0]), 0.5, target.shape[0] + 0.5)
    for ax, (title, image, (cmap, (low, high))) in zip(axes, images, strict=True):
        ax.grid(False)
        drawn = ax.imshow(
            image, origin="lower", aspect="auto", extent=extent, vmin=low, vmax=high, cmap=cmap, interpolation="nearest"
        )
        ax.set_title(title)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        if title == "target":
            ax.set_ylabel("time step")
        else:  # target and prediction have the same colours
            ax.tick_params(labelleft=False)
            colour_bar(ax, drawn)
