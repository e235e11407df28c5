"""Picture: the norm of the gradient at each logged step."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from upt_core.report.load import RunData
from upt_core.report.style import Theme, epoch_axis, figure, log_axis, spans_decades

CAPTION = "Norm of the gradient at logged steps, before clipping. Steps with NaN or infinite gradients are left out."


def draw(run: RunData, theme: Theme) -> Figure | None:
    """One line; None where no norm was logged."""
    norm = run.series("step").get("gradient_norm")
    if norm is None:
        return None
    fig = figure(theme.width(9), 2.4)
    ax = fig.subplots()
    mark = "o" if len(norm.value) < 2 else ""
    ax.plot(norm.epoch, np.where(np.isfinite(norm.value), norm.value, np.nan), color="C0", marker=mark, clip_on=False)
    ax.set_ylabel("gradient norm")
    if spans_decades(norm.value[np.isfinite(norm.value)].tolist()):
        log_axis(ax)
    else:
        ax.set_ylim(bottom=0)
    epoch_axis(ax, run.position)
    return fig
