"""Picture: where in space, and when in a rollout, the predictions are wrong."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from upt_core.report.fields import draw_field, range_of
from upt_core.report.load import Array, Examples, RunData
from upt_core.report.quantities import targets_of
from upt_core.report.style import ERROR_MAP, Theme, colour_bar, log_axis, panels, spans_decades

MAX_QUANTITIES = 3
BINS = 24


def caption(run: RunData) -> str:
    """What is shown, and of how many examples."""
    if run.examples is None:
        return ""
    count, steps = run.examples.target.shape[:2]
    over = f"{count} example{'s' if count > 1 else ''}" + (f" and {steps} time steps" if steps > 1 else "")
    when = " The last panel: the error at each time step of the rollout, relative to the field." if steps > 1 else ""
    which = " shown above" if run.examples.roles else ""
    split = "test" if run.examples.final else "validation"
    return f"Root mean square error over {over} of the {split} split{which}, in the units of the field.{when}"


def draw(run: RunData, theme: Theme) -> Figure | None:
    """The error over space, one panel a channel or vector, and over time for rollouts; None before the end of a run."""
    examples = run.examples
    if examples is None:
        return None
    shown = targets_of(examples)[:MAX_QUANTITIES]
    channels = len(shown)
    rollout = examples.target.shape[1] > 1
    line = examples.num_axes == 1
    width = 3.4 if not line else 4.8
    fig, grid = panels(theme, 1, channels + rollout, min(13.0, width * (channels + rollout)), 2.6)
    axes = grid[0]
    for ax, quantity in zip(axes, shown, strict=False):
        square = quantity.error(examples.prediction, examples.target) ** 2
        (_over_line if line else _over_area)(ax, examples, square.mean(axis=1))
        ax.set_title(f"error of {quantity.name}")
    if rollout:
        _over_time(axes[-1], examples, theme)
    return fig


def _shared(examples: Examples) -> bool:
    """Whether all examples have the same points, so that errors can be averaged point by point."""
    same = np.allclose(examples.coords, examples.coords[:1], atol=1e-6)
    return bool(same and (examples.lengths == examples.lengths[0]).all())


def _pooled(examples: Examples, square_BN: Array) -> tuple[Array, Array]:
    """Coordinates and squared errors of all real points of all examples."""
    real = np.arange(square_BN.shape[1]) < examples.lengths[:, None]
    return examples.places[real], square_BN[real]


def _over_line(ax: Axes, examples: Examples, square_BN: Array) -> None:
    coords, square = _pooled(examples, square_BN)
    bins = min(128, int(examples.lengths.min()))
    edges = examples.low[0] + np.linspace(0, float(examples.extent[0]), bins + 1)
    total, _ = np.histogram(coords[:, 0], edges, weights=square)
    number, _ = np.histogram(coords[:, 0], edges)
    error = np.sqrt(np.divide(total, number, out=np.full(bins, np.nan), where=number > 0))
    ax.plot((edges[1:] + edges[:-1]) / 2, error, color="C0")
    ax.set_ylim(bottom=0)
    ax.set_xlabel(examples.view.labels[0])


def _over_area(ax: Axes, examples: Examples, square_BN: Array) -> None:
    if _shared(examples):
        error = np.sqrt(square_BN.mean(axis=0))
        drawn = draw_field(ax, examples, 0, error, (0.0, range_of([error[: examples.lengths[0]]])[1]), ERROR_MAP)
    else:
        coords, square = _pooled(examples, square_BN)
        place_N2 = examples.view.of(coords)
        bins = int(np.clip(np.sqrt(len(square)) / 3, 4, BINS))  # some nine points in each
        ax.grid(False)
        ax.set_facecolor(mpl.rcParams["grid.color"])  # a place without points is not one without an error
        drawn = ax.hexbin(
            place_N2[:, 0], place_N2[:, 1], C=square, gridsize=bins, cmap=ERROR_MAP, linewidths=0, vmin=0,
            reduce_C_function=lambda values: float(np.sqrt(np.mean(values))),
        )  # fmt: skip
        ax.set_aspect("equal")
        ax.set(xlabel=examples.view.labels[0], ylabel=examples.view.labels[1])
        examples.view.turn(ax)
    colour_bar(ax, drawn)


def _over_time(ax: Axes, examples: Examples, theme: Theme) -> None:
    """Model beside persistence, all channels together, relative to the target's size at that step."""
    real = (np.arange(examples.target.shape[2]) < examples.lengths[:, None])[:, None, :, None]
    steps = np.arange(1, examples.target.shape[1] + 1)
    size = _root(examples.target, real)
    error = _root(examples.prediction - examples.target, real) / size
    ax.plot(steps, error, color="C0", marker="o", markersize=3, label="model")
    ax.set_title("relative error")
    shown = error.tolist()
    if examples.input_names == examples.target_names and examples.inputs_at is None:
        still = _root(examples.input[:, None] - examples.target, real) / size
        ax.plot(steps, still, "--", color=theme.muted, label="persistence")
        ax.legend(loc="best")
        shown += still.tolist()
    if min(shown) > 0 and spans_decades(shown):
        log_axis(ax)
    else:
        ax.set_ylim(bottom=0)
    ax.set_xlabel("time step")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _root(value_BTNC: Array, real_B1N1: Array) -> Array:
    """Root of the sum of squares over all real points and channels of all examples, at each time step."""
    return np.asarray(np.maximum(np.sqrt((value_BTNC**2 * real_B1N1).sum(axis=(0, 2, 3))), 1e-30))
