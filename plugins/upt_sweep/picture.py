"""Picture of a sweep: the best value so far, and the metric against each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from upt_core.commands import THEMES, Theme, figure, spans_decades
from upt_sweep.outcome import Row, rows
from upt_sweep.space import Dimension, readable, short_names
from upt_sweep.study import Study

COLUMNS = 3


def write_pictures(study: Study) -> Path | None:
    """Writes ``plots/sweep.png`` and ``plots/sweep-dark.png``; the first; None before any trial has a value."""
    found = [row for row in rows(study) if row.value is not None]
    if not found:
        return None
    folder = study.folder / "plots"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"sweep{theme.suffix}.png" for theme in THEMES]
    for theme, path in zip(THEMES, paths, strict=True):
        with theme.applied():
            draw(study, found, theme).savefig(path)
    return paths[0]


def draw(study: Study, found: Sequence[Row], theme: Theme) -> Figure:
    """One panel for the course of the search, one for each parameter; pruned trials are hollow."""
    dimensions, metric = study.sweep.dimensions, study.sweep.metric
    panels = 1 + len(dimensions)
    columns = 2 if panels == 4 else min(COLUMNS, panels)
    count = -(-panels // columns)
    fig = figure(3.2 * columns + 0.4, 2.8 * count)
    axes = fig.subplots(count, columns, squeeze=False).ravel()
    _course(axes[0], found, study.sweep.lower_is_better, theme)
    names = short_names([dimension.key for dimension in dimensions])
    for ax, dimension in zip(axes[1:], dimensions, strict=False):
        _parameter(ax, dimension, found)
        ax.set_xlabel(names[dimension.key])
    for ax in axes[:panels]:
        ax.set_ylabel(metric)
        if spans_decades([row.value for row in found if row.value is not None], 5.0) and _all_positive(found):
            ax.set_yscale("log")
    for ax in axes[panels:]:
        ax.set_visible(False)
    return fig


def _course(ax: Axes, found: Sequence[Row], lower_is_better: bool, theme: Theme) -> None:
    _points(ax, [float(row.number) for row in found], found)
    finished = [row for row in found if row.finished]
    if finished:
        best = np.minimum if lower_is_better else np.maximum
        so_far = best.accumulate(np.array([row.value for row in finished], dtype=float))
        numbers = [*(row.number for row in finished), found[-1].number]
        ax.step(numbers, [*so_far, so_far[-1]], where="post", color=theme.ink, label="best so far")
    ax.legend(loc="best", fontsize=8)
    ax.set_xlabel("trial")


def _parameter(ax: Axes, dimension: Dimension, found: Sequence[Row]) -> None:
    shown = [row for row in found if dimension.key in row.point]
    values = [row.point[dimension.key] for row in shown]
    if _numeric(dimension):
        _points(ax, [float(value) for value in values], shown)
        if dimension.logarithmic or spans_decades([float(value) for value in dimension.values]):
            ax.set_xscale("log")
    else:
        places = {text: float(i) for i, text in enumerate(dimension.labels)}
        _points(ax, [places[dimension.encoded(value)] for value in values], shown)
        ax.set_xticks(list(places.values()), [_short(readable(value)) for value in dimension.values])
        ax.set_xlim(-0.5, len(places) - 0.5)


def _points(ax: Axes, x: Sequence[float], found: Sequence[Row]) -> None:
    for finished, face, name in ((True, "C0", "finished"), (False, "none", "pruned")):
        some = [(at, row.value) for at, row in zip(x, found, strict=True) if row.finished is finished]
        if some:
            at, value = zip(*some, strict=True)
            ax.scatter(at, value, s=22, facecolors=face, edgecolors="C0", linewidths=1.2, label=name)


def _numeric(dimension: Dimension) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in dimension.values)


def _all_positive(found: Sequence[Row]) -> bool:
    return all(row.value is not None and row.value > 0 for row in found)


def _short(text: str) -> str:
    return text if len(text) <= 14 else text[:13] + "…"
