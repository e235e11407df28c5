"""The benchmark's plots: time of a draw against the number of points, and gains of variance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from upt_bench.results import Results

COLOURS = {
    "uniform": "#1f6f8b",
    "stratified": "#e07a3f",
    "sobol": "#4c9a4a",
    "importance": "#7a4fa3",
    "numpy choice": "#8a8a8a",
    "torch.randperm": "#b03a48",
    "torch.multinomial": "#c9a227",
}


def draw_pictures(results: Results, out: Path) -> None:
    """Writes speed.png and variance.png."""
    _speed(results.curves["speed"]).savefig(out / "speed.png", dpi=130)
    _variance(results.curves["field_variance"]).savefig(out / "variance.png", dpi=130)


def _speed(rows: list[dict[str, Any]]) -> Canvas:
    canvas = Canvas(figsize=(7, 4.5), layout="constrained")
    axes = canvas.add_subplot()
    for name, colour in COLOURS.items():
        own = [row for row in rows if row["method"] == name]
        if own:
            axes.loglog(
                [row["num_points"] for row in own],
                [1e3 * row["seconds"] for row in own],
                "-" if "torch" not in name and "numpy" not in name else "--",
                marker="o",
                markersize=4,
                color=colour,
                label=name,
                base=2,
            )
    axes.set_yscale("log", base=10)
    axes.set(xlabel="points N", ylabel="milliseconds", title="A draw of 2048 points, one row")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return canvas


def _variance(rows: list[dict[str, Any]]) -> Canvas:
    names = list(dict.fromkeys(f"{row['field']}, Q = {row['count']}" for row in rows))
    canvas = Canvas(figsize=(8, 1.2 + 0.48 * len(names)), layout="constrained")
    axes = canvas.add_subplot()
    for offset, sampler in ((-0.27, "stratified"), (0.0, "sobol"), (0.27, "importance")):
        own = {f"{row['field']}, Q = {row['count']}": row["gain"] for row in rows if row["sampler"] == sampler}
        places = [number + offset for number, name in enumerate(names) if name in own]
        axes.barh(places, [own[name] for name in names if name in own], 0.26, color=COLOURS[sampler], label=sampler)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set(xlabel="times lower variance of the mean than uniform, equal Q")
    axes.legend(frameon=False)
    return canvas
