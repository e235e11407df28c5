"""Picture: where the sampler looked as training went on, beside where the error is at the end."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from upt_core.report.load import Array, RunData
from upt_core.report.style import Theme, epoch_axis, panels

MAX_EPOCHS = 3
DENSITY_MAP = "cividis"


def caption(run: RunData) -> str:
    """What is shown."""
    return (
        "Query points of the first training samples, relative to an even spread (1). Effective share: as many equally "
        "weighted points would do; below 100 % weights differ or points come in clusters of high weight."
    )


def draw(run: RunData, theme: Theme) -> Figure | None:
    """Density at the first, a middle and the last noted epoch, and the effective share; None without a sampler."""
    if not run.densities:
        return None
    first = (str(run.densities[0]["task"]), str(run.densities[0]["stream"]))
    found = [one for one in run.densities if (str(one["task"]), str(one["stream"])) == first]
    chosen = [found[k] for k in sorted({round(k) for k in np.linspace(0, len(found) - 1, MAX_EPOCHS)})]
    fig, axes = panels(theme, 1, len(chosen) + 1, 3.0 * (len(chosen) + 1), 2.6)
    relative = [_relative(one["density"]) for one in chosen]
    high = max(2.0, float(np.quantile(np.concatenate([value.ravel() for value in relative]), 0.999)))
    for ax, one, value in zip(axes[0], chosen, relative, strict=False):
        ax.set_title(f"epoch {int(one['epoch'])}")
        _density(fig, ax, value, high)
    _shares(axes[0, -1], found, run.position)
    return fig


def _relative(density: Array) -> Array:
    return np.asarray(density / max(float(density.mean()), 1e-30))


def _density(fig: Figure, ax: Axes, value: Array, high: float) -> None:
    if value.ndim == 1:
        edges = np.linspace(0, 1, len(value) + 1)
        ax.stairs(value, edges, fill=True, color="C0", alpha=0.7)
        ax.axhline(1, color="C1", linewidth=1, linestyle="--")
        ax.set_ylim(0, high * 1.05)
        ax.set_xlabel("x / length")
        return
    ax.grid(False)
    drawn = ax.imshow(value.T, origin="lower", extent=(0, 1, 0, 1), vmin=0, vmax=high, cmap=DENSITY_MAP)
    fig.colorbar(drawn, ax=ax, pad=0.02).ax.tick_params(labelsize=7)


def _shares(ax: Axes, found: list[dict[str, Array]], epochs: float) -> None:
    ax.plot([one["epoch"] for one in found], [one["effective_share"] for one in found], "o-", color="C2", markersize=4)
    ax.set_ylim(0, 1.05)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_title("effective share")
    epoch_axis(ax, epochs)
