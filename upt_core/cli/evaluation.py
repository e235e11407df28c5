"""An evaluation for a terminal, wide or narrow: the verdict first, then figures, fields, horizon, the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from upt_core.cli.text import heading, style, table, terminal_width
from upt_core.figures import number

if TYPE_CHECKING:
    from upt_core.operator.bootstrap import Range
    from upt_core.operator.evaluation import Evaluation

WORST = 5
FEW = 10
"""Trajectories below which percentile intervals are known to be too narrow."""
MOST_STEPS = 8
_COLOURS = {"better": "green", "even": "yellow", "worse": "red"}


def shown(found: Evaluation, title: str, width: int | None = None) -> str:
    """The whole text.

    Args:
        width: columns; None: those of the terminal, or as many as are needed where there is none.
    """
    width = width or terminal_width()
    parts = [
        heading(_wrapped(title, width)),
        "\n".join(style(_wrapped(v.words, width), fg=_COLOURS[v.sense]) for v in found.verdicts()),
        _figures(found, width),
        _fields(found) if len(found.model.errors.names) > 1 else "",
        _horizon(found, width) if found.steps > 1 else "",
        _worst(found, width) if len(found.trajectories) > 1 else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _wrapped(text: str, width: int | None) -> str:
    return text if width is None else click.wrap_text(text, width, subsequent_indent="  ")


def _figures(found: Evaluation, width: int | None) -> str:
    """Predictors as rows, metrics as columns; where these do not fit, a metric to a row."""
    metrics, names = list(found.model.figures), list(found.predictors)
    cells = {
        (name, metric): _with_interval(found.predictors[name].figures[metric], found.predictors[name].intervals[metric])
        for name in names
        for metric in metrics
    }
    rows = [[name, *(cells[name, metric] for metric in metrics)] for name in names]
    text = table(rows, ["", *metrics], right=range(1, len(metrics) + 1))
    if not _fits(text, width):
        turned = [(metric, name) for metric in metrics for name in names]
        text = _folded([[m if name == names[0] else "", name, cells[name, m]] for m, name in turned], width)
    note = _note(found, width)
    return f"{text}\n{note}" if note else text


def _folded(rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Three columns; in a narrow terminal each first cell has a line of its own."""
    wide = table(rows, right=[2], gap=2)
    if _fits(wide, width):
        return wide
    lines = []
    for first, second, third in rows:
        lines += [first] if first else []
        lines += [f"  {second}: {third}"]
    return "\n".join(lines)


def _note(found: Evaluation, width: int | None) -> str:
    from upt_core.operator.bootstrap import LEVEL, RESAMPLES, SEED

    if not any(interval for one in found.predictors.values() for interval in one.intervals.values()):
        return ""
    text = (
        f"[ ]: {LEVEL:.0%} intervals over {len(found.trajectories)} trajectories (bootstrap, {RESAMPLES} resamples, "
        f"seed {SEED})"
    )
    if len(found.trajectories) < FEW:
        text += "; they are too narrow for so few trajectories"
    return style(_wrapped(text, width), dim=True)


def _with_interval(value: float, interval: Range | None) -> str:
    return number(value) if interval is None else f"{number(value)} [{interval[0]:.3g}, {interval[1]:.3g}]"


def _fields(found: Evaluation) -> str:
    rows = [
        [
            field if place == 0 else "",
            name,
            number(one.errors.relative_SF[:, column].mean().item()),
            number(one.errors.rmse_SF[:, column].mean().item()),
        ]
        for column, field in enumerate(found.model.errors.names)
        for place, (name, one) in enumerate(found.predictors.items())
    ]
    return table(rows, ["field", "", "relative L2", "RMSE"], right=[2, 3], gap=2)


def _horizon(found: Evaluation, width: int | None) -> str:
    """Relative L2 error at some time steps, the last among them; a block for each field."""
    timed = found.time_ST is not None
    head = ["step", *(["t"] if timed else []), *found.predictors]
    blocks = []
    for column, field in enumerate(found.model.errors.names):
        curves = [one.errors.relative_STF[..., column].mean(0).tolist() for one in found.predictors.values()]
        rows = [
            [str(step), *([_time(found, step)] if timed else []), *(number(curve[step - 1]) for curve in curves)]
            for step in _some(found.steps)
        ]
        title = heading(_wrapped(f"relative L2 of {field} over the horizon", width))
        blocks.append(f"{title}\n{table(rows, head, range(len(head)), gap=2)}")
    return "\n\n".join(blocks)


def _time(found: Evaluation, step: int) -> str:
    assert found.time_ST is not None
    times = found.time_ST[:, step - 1]
    return f"{times[0]:.4g}" if times.max() - times.min() <= 1e-9 * abs(times).max() else "–"


def _some(steps: int) -> list[int]:
    """Up to ``MOST_STEPS`` time steps, denser at the beginning: 1, 2, 4, …, the last."""
    if steps <= MOST_STEPS:
        return list(range(1, steps + 1))
    return sorted({round(steps ** (k / (MOST_STEPS - 1))) for k in range(MOST_STEPS)})


def _worst(found: Evaluation, width: int | None) -> str:
    worst = found.worst(WORST)
    rows = [[f"{n}", number(error), found.sources[n]] for n, error in worst]
    if width is not None:
        room = max(8, width - max(len(row[0]) for row in rows) - max(len(row[1]) for row in rows) - 4)
        rows = [[a, b, c if len(c) <= room else "…" + c[len(c) - room + 1 :]] for a, b, c in rows]
    head = heading(f"worst of {len(found.trajectories)} trajectories (relative L2 of the model)")
    return f"{_wrapped(head, width)}\n{table(rows, right=[0, 1], gap=2)}"


def _fits(text: str, width: int | None) -> bool:
    return width is None or max(map(len, click.unstyle(text).splitlines()), default=0) <= width
