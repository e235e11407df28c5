"""Picture: the metrics of the validation split over training, with the baselines that a model must beat."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from upt_core.report.load import RunData, Series
from upt_core.report.style import Theme, epoch_axis, figure, log_axis, spans_decades

COLUMNS = 3


def caption(run: RunData) -> str:
    """What is shown."""
    dashed = " Dashed: baselines, measured on the test split at the end of the run." if run.results else ""
    return (
        "Metrics on the validation split, after each epoch with a validation. The circle marks the lowest "
        f"value.{dashed}"
    )


def draw(run: RunData, theme: Theme) -> Figure | None:
    """One panel for each metric, the monitored one first; None before the first validation."""
    metrics = run.series("validation")
    names = sorted(metrics, key=lambda name: name != run.monitor)
    if not names:
        return None
    columns = 1 if theme.narrow else min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    fig = figure(theme.width(9 if columns > 1 else 6), 2.9 * rows)
    axes = np.atleast_1d(fig.subplots(rows, columns, squeeze=False).ravel())
    for ax, name in zip(axes, names, strict=False):
        baselines = {who: found[name] for who, found in (run.results or {}).items() if who != "model" and name in found}
        _panel(ax, metrics[name], baselines, theme)
        ax.set_title(f"{name} (decides)" if name == run.monitor and len(names) > 1 else name)
        epoch_axis(ax, run.position)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    return fig


def _panel(ax: Axes, series: Series, baselines: dict[str, float], theme: Theme) -> None:
    ax.plot(series.epoch, series.value, color="C0", marker="o", markersize=3, clip_on=False)
    if np.isfinite(series.value).any():
        lowest = int(np.nanargmin(series.value))
        at = series.epoch[lowest], series.value[lowest]
        ax.plot(*at, "o", markersize=9, markerfacecolor="none", color=theme.ink, clip_on=False)
    for who, value in baselines.items():
        ax.axhline(value, color=theme.muted, linestyle="--", linewidth=1.2)
        ax.annotate(
            f"{who} (test split)", (0.99, value), xytext=(0, 2), xycoords=ax.get_yaxis_transform(),
            textcoords="offset points", ha="right", va="bottom", fontsize=8,
        )  # fmt: skip
    values = [*series.value.tolist(), *baselines.values()]
    if min(values) > 0 and spans_decades(values, 5.0):
        log_axis(ax)
