"""Picture: every loss term over training."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from upt_core.report.load import RunData, Series
from upt_core.report.style import Theme, epoch_axis, figure, legend_above

CAPTION = (
    "Unweighted loss terms. Thin lines: single logged batches. Thick lines: means of an epoch, at its middle. "
    "The total is the weighted sum. Values that are not positive cannot be drawn on this axis."
)


def draw(run: RunData, theme: Theme) -> Figure | None:
    """Losses on a logarithmic axis; None before the first logged step."""
    steps, means = run.series("step", "loss/"), run.series("epoch", "loss/")
    names = [name for name in dict.fromkeys([*means, *steps]) if name != "total"]
    if not names:
        return None
    fig = figure(theme.width(9), 4.2)
    ax = fig.subplots()
    colors = {name: f"C{i % len(theme.cycle)}" for i, name in enumerate(names)}
    for name in [*names, "total"]:
        color = colors.get(name, theme.ink)
        if name in steps:
            series = _positive(steps[name])
            ax.plot(series.epoch, series.value, color=color, alpha=0.35, linewidth=0.8)
        if name in means:
            series = _positive(means[name])
            middle = series.epoch - 0.5
            style = "--" if name == "total" else "-"
            ax.plot(middle, series.value, style, color=color, marker="o", markersize=3, clip_on=False)
        ax.plot([], [], "--" if name == "total" else "-", color=color, label=name)  # one entry of the legend for both
    ax.set_yscale("log")
    ax.set_ylabel("loss term, unweighted")
    epoch_axis(ax, run.position)
    legend_above(ax, theme)
    return fig


def _positive(series: Series) -> Series:
    return Series(series.epoch, np.where(series.value > 0, series.value, np.nan))
