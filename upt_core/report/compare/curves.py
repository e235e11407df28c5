"""Picture: the validation metrics of several runs over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from upt_core.errors import UserError
from upt_core.report.load import RunData, Series
from upt_core.report.style import LIGHT, MARKERS, Theme, epoch_axis, figure, log_axis, of_series, spans_decades

COLUMNS = 3


def write_curves(runs: Sequence[RunData], names: Sequence[str], path: Path) -> Path | None:
    """Writes the picture as PNG; None before any of the runs has validated.

    Raises:
        UserError: the file cannot be written.
    """
    with LIGHT.applied():
        fig = draw(runs, names)
        if fig is None:
            return None
        try:
            fig.savefig(path, format="png")
        except OSError as error:
            raise UserError(
                f"{path}: the plot cannot be written: {error.strerror}; name another file with --plot"
            ) from error
    return path


def draw(runs: Sequence[RunData], names: Sequence[str], theme: Theme = LIGHT) -> Figure | None:
    """One panel for each metric that any of the runs has; the first run's deciding metric first."""
    curves = [run.series("validation") for run in runs]
    metrics = sorted(
        dict.fromkeys(name for found in curves for name in found), key=lambda name: name != runs[0].monitor
    )
    if not metrics:
        return None
    columns = min(1 if theme.narrow else COLUMNS, len(metrics))
    rows = -(-len(metrics) // columns)
    fig = figure(theme.width(4.0 * columns + 0.5), 3.0 * rows + 0.25 * len(runs))
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax, metric in zip(axes, metrics, strict=False):
        _panel(ax, [found.get(metric) for found in curves], names)
        ax.set_title(metric)
        epoch_axis(ax, max(run.position for run in runs))
    for ax in axes[len(metrics) :]:
        ax.set_visible(False)
    lines = {str(line.get_label()): line for ax in axes for line in ax.get_lines()}
    fig.legend(list(lines.values()), list(lines), loc="outside lower left", ncols=columns, handlelength=3.5)
    return fig


def _panel(ax: Axes, series: Sequence[Series | None], names: Sequence[str]) -> None:
    values: list[float] = []
    for i, (one, name) in enumerate(zip(series, names, strict=True)):
        if one is None:
            continue
        look = {**of_series(i), "marker": MARKERS[i % len(MARKERS)], "markersize": 4}
        ax.plot(one.epoch, one.value, **look, label=name, clip_on=False)
        values += one.value[np.isfinite(one.value)].tolist()
    if values and min(values) > 0 and spans_decades(values, 5.0):
        log_axis(ax)
