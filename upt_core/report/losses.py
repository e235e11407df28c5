"""Picture: every loss term over training."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from upt_core.report.load import RunData, Series
from upt_core.report.style import MARKERS, Theme, epoch_axis, figure, legend_above, log_axis, of_series

CAPTION = (
    "Unweighted loss terms. Thin lines: single logged batches. Thick lines: means over an epoch, drawn at its middle. "
    "The total is the weighted sum. A logarithmic axis cannot show values that are not positive."
)


def draw(run: RunData, theme: Theme) -> Figure | None:
    """Losses on a logarithmic axis; None before the first logged step."""
    steps, means = run.series("step", "loss/"), run.series("epoch", "loss/")
    names = [name for name in dict.fromkeys([*means, *steps]) if name != "total"]
    if not names:
        return None
    fig = figure(theme.width(9), 4.2)
    ax = fig.subplots()
    looks = {name: of_series(number, len(theme.cycle)) for number, name in enumerate(names)}
    marks = dict(zip(names, cycle(MARKERS), strict=False))
    for name in [*names, "total"]:
        look = looks.get(name, {"color": theme.ink, "linewidth": 2.6})
        if name in steps:
            series = _positive(steps[name])
            ax.plot(series.epoch, series.value, color=look["color"], alpha=0.35, linewidth=0.8)
        look |= {"marker": marks.get(name, ""), "markersize": 4}
        if name in means:
            series = _positive(means[name])
            single = {"marker": "o"} if len(series.value) < 2 and name == "total" else {}
            ax.plot(series.epoch - 0.5, series.value, **{**look, **single}, clip_on=False)
        ax.plot([], [], **look, label=name)  # one entry of the legend for both
    log_axis(ax)
    ax.set_ylabel("loss term, unweighted")
    epoch_axis(ax, run.position)
    legend_above(ax, theme)
    return fig


def _positive(series: Series) -> Series:
    return Series(series.epoch, np.where(series.value > 0, series.value, np.nan))
