"""Picture: where the sampler looked as training went on, beside where the error is at the end."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from upt_core.report.fields import range_of
from upt_core.report.load import Array, Examples, RunData
from upt_core.report.style import ERROR_MAP, Theme, colour_bar, epoch_axis, panels, unit_box
from upt_core.report.view import View, view_of

MAX_EPOCHS = 3
DENSITY_MAP = "cividis"
_BESIDE = (
    " Error: root mean square over the examples and time steps of this page, each channel relative to its target's."
)


def caption(run: RunData) -> str:
    """What is shown."""
    return (
        "Query points of the first training samples, relative to an even spread (1). Effective share: the share of "
        "points that, equally weighted, would give the same variance; below 100 %, weights differ or points of high "
        "weight cluster." + _BESIDE * (run.examples is not None or bool(run.tasks))
    )


def draw(run: RunData, theme: Theme) -> Figure | None:
    """Density at the first, a middle and the last noted epoch, the error at the same places, and the effective share.

    None without a sampler; no error before there are examples.
    """
    if not run.densities:
        return None
    first = (str(run.densities[0]["task"]), str(run.densities[0]["stream"]))
    found = [one for one in run.densities if (str(one["task"]), str(one["stream"])) == first]
    chosen = [found[k] for k in sorted({round(k) for k in np.linspace(0, len(found) - 1, MAX_EPOCHS)})]
    examples = run.tasks.get(first[0], run.examples)
    view = view_of(()) if examples is None else examples.view
    columns = len(chosen) + 1 + (examples is not None)
    fig, axes = panels(theme, 1, columns, min(13.0, 3.0 * columns), 2.6)
    relative = [_relative(one["density"]) for one in chosen]
    high = max(2.0, float(np.quantile(np.concatenate([value.ravel() for value in relative]), 0.999)))
    for ax, one, value in zip(axes[0], chosen, relative, strict=False):
        ax.set_title(f"epoch {int(one['epoch'])}")
        _density(ax, value, high, view)
    if examples is not None:
        _error(axes[0, len(chosen)], examples, chosen[-1]["density"].shape)
    _shares(axes[0, columns - 1], found, run.position)
    return fig


def error_in_bins(examples: Examples, bins: tuple[int, ...]) -> Array:
    """Root mean square of the relative error in each bin of the unit box; not a number where there is no point."""
    real = np.arange(examples.coords.shape[1]) < examples.lengths[:, None]
    size_C = np.sqrt((examples.target**2).mean(axis=1)[real].mean(axis=0)).clip(1e-30)
    square_BN = (((examples.prediction - examples.target) / size_C) ** 2).mean(axis=(1, 3))
    places, box = examples.coords[real][:, : len(bins)].clip(0, 1), [(0.0, 1.0)] * len(bins)
    total, _ = np.histogramdd(places, bins=bins, range=box, weights=square_BN[real])
    count, _ = np.histogramdd(places, bins=bins, range=box)
    return np.asarray(np.sqrt(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)))


def _error(ax: Axes, examples: Examples, bins: tuple[int, ...]) -> None:
    ax.set_title("error at the end" if examples.final else "error so far")
    if not examples.grid_shape:  # bins without a point would be holes
        points = int(examples.lengths.sum())
        bins = tuple(min(size, max(1, int((points / 4) ** (1 / len(bins))))) for size in bins)
    error = error_in_bins(examples, bins)
    if error.ndim == 1:
        ax.stairs(error, np.linspace(0, 1, len(error) + 1), color="C0")
        ax.set_ylim(bottom=0)
        ax.set_xlabel("x / length")
        return
    ax.grid(False)
    ax.set_facecolor(mpl.rcParams["grid.color"])  # a bin without points is not one without an error
    drawn = ax.imshow(
        examples.view.rows(error), origin="lower", extent=(0, 1, 0, 1), vmin=0, vmax=range_of([error])[1],
        cmap=ERROR_MAP, interpolation="nearest",
    )  # fmt: skip
    unit_box(ax, examples.view)
    colour_bar(ax, drawn)


def _relative(density: Array) -> Array:
    return np.asarray(density / max(float(density.mean()), 1e-30))


def _density(ax: Axes, value: Array, high: float, view: View) -> None:
    if value.ndim == 1:
        edges = np.linspace(0, 1, len(value) + 1)
        ax.stairs(value, edges, fill=True, color="C0", alpha=0.7)
        ax.axhline(1, color="C1", linewidth=1, linestyle="--")
        ax.set_ylim(0, high * 1.05)
        ax.set_xlabel("x / length")
        return
    ax.grid(False)
    drawn = ax.imshow(view.rows(value), origin="lower", extent=(0, 1, 0, 1), vmin=0, vmax=high, cmap=DENSITY_MAP)
    unit_box(ax, view)
    colour_bar(ax, drawn)


def _shares(ax: Axes, found: list[dict[str, Array]], epochs: float) -> None:
    ax.plot([one["epoch"] for one in found], [one["effective_share"] for one in found], "o-", color="C2", markersize=4)
    ax.set_ylim(0, 1.05)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_title("effective share")
    epoch_axis(ax, epochs, nbins=4)
