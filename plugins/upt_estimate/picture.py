"""Memory of a step against the number of query points."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from upt_estimate.subject import Subject
from upt_estimate.trial import try_step

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
COLOURS = ("#1f6f8b", "#e07a3f", "#7a4fa3", "#8a8a8a", "#b03a48", "#5a9367", "#c9a227")


def draw(subject: Subject, batch_size: int, devices: int, path: Path) -> None:
    """Writes what holds the peak, stacked, at shares of the points."""
    counts = sorted({max(1, round(share * subject.num_points)) for share in SHARES})
    tried = [try_step(subject, batch_size, count, devices) for count in counts]
    names = sorted({name for found in tried for name in found.at_peak}, key=lambda n: -tried[-1].at_peak.get(n, 0))
    canvas = Figure(figsize=(6, 4), layout="constrained")
    axes = canvas.subplots()
    rows = [[found.at_peak.get(name, 0) / 2**20 for found in tried] for name in names]
    axes.stackplot(counts, rows, labels=names, colors=COLOURS[: len(names)])
    axes.set(xlabel="query points a sample", ylabel="MiB at the peak", xlim=(counts[0], counts[-1]), ylim=0)
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    canvas.savefig(path, dpi=130)
