"""Picture: what drives training: the terms' weights, the learning rate, each term's share of the gradient."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from upt_core.report.load import RunData, Series
from upt_core.report.style import HATCHES, Theme, epoch_axis, figure, legend_above, log_axis, of_series, spans_decades

CAPTION = (
    "Weights of the loss terms (0 is not drawn on a logarithmic axis), learning rate, and the share of each weighted "
    "term in the sum of gradient norms, measured on the first batch of some epochs."
)


def draw(run: RunData, theme: Theme) -> Figure | None:
    """Three panels above each other; those without data are left out. None where there are none at all."""
    weights, shares = run.series("step", "weight/"), run.series("epoch", "gradient_share/")
    rate = run.series("step").get("lr")
    panels = [bool(weights), rate is not None, bool(shares)]
    if not any(panels):
        return None
    names = list(run.series("epoch", "loss/") | run.series("step", "loss/") | weights | shares)
    names.remove("total") if "total" in names else None
    numbers = {name: number for number, name in enumerate(names)}
    fig = figure(theme.width(9), 2.1 * sum(panels) + 0.5)
    axes = iter(np.atleast_1d(fig.subplots(sum(panels), 1, sharex=True)))
    if weights:
        _weights(next(axes), weights, numbers, theme)
    if rate is not None:
        ax = next(axes)
        ax.plot(rate.epoch, rate.value, color=theme.ink)
        ax.set_ylabel("learning rate")
        ax.set_ylim(bottom=0)
        ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    if shares:
        _shares(next(axes), shares, numbers, theme)
    for ax in fig.axes:
        epoch_axis(ax, run.position, label=ax is fig.axes[-1])
    return fig


def _weights(ax: Axes, weights: dict[str, Series], numbers: dict[str, int], theme: Theme) -> None:
    values = np.concatenate([series.value for series in weights.values()])
    logarithmic = spans_decades([float(value) for value in values])
    for name, series in weights.items():
        value = np.where(series.value > 0, series.value, np.nan) if logarithmic else series.value
        mark = "o" if np.isfinite(value).sum() < 2 else ""
        look = of_series(numbers[name], len(theme.cycle))
        ax.plot(series.epoch, value, **look, marker=mark, markersize=4, label=name, clip_on=False)
    if logarithmic:
        log_axis(ax)
    else:
        ax.set_ylim(bottom=min(0.0, float(values.min())))
    ax.set_ylabel("weight")
    legend_above(ax, theme)


def _shares(ax: Axes, shares: dict[str, Series], numbers: dict[str, int], theme: Theme) -> None:
    """Stacked bars: each was measured at the start of its epoch and stands over it; hatches tell the terms apart."""
    epoch = next(iter(shares.values())).epoch
    bottom = np.zeros(len(epoch))
    for name, series in shares.items():
        value = np.interp(epoch, series.epoch, series.value)
        color, hatch = (of[numbers[name] % len(of)] for of in (theme.cycle, HATCHES))
        ax.bar(
            epoch - 1, value, 1.0, bottom, align="edge", color=color, hatch=hatch, label=name,
            edgecolor=theme.background, linewidth=0.5,
        )  # fmt: skip
        bottom = bottom + value
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylabel("share of gradient")
    legend_above(ax, theme)
