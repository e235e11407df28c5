"""Pictures of a run that goes on, from the files of its folder: example predictions, and where the samplers looked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
DPI = 80


class Pictures:
    """The pictures of a run folder that are new since the last look.

    Args:
        run_dir: the run folder; ``latest*.npz`` holds predictions of the validation split, ``sampling.npz`` densities.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._seen: dict[Path, int] = {}

    def new(self) -> Iterator[tuple[str, Figure]]:
        """Name → figure of every file that was written since the last look."""
        for pattern in ("latest*.npz", "sampling.npz"):
            for path in sorted(self._run_dir.glob(pattern)):
                written = path.stat().st_mtime_ns
                if self._seen.get(path) != written:
                    self._seen[path] = written
                    yield from _figures(path)


def _figures(path: Path) -> Iterator[tuple[str, Figure]]:
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if path.stem == "sampling":
        yield from _densities(arrays)
        return
    yield path.stem.replace("latest", "predictions", 1).replace("-", "/", 1), _examples(arrays)


def _examples(arrays: Arrays) -> Figure:
    """Truth, prediction and error of the first channel at the last time step; a row for each example."""
    count, axes = len(arrays["target"]), arrays["coords"].shape[-1]
    figure = Figure(figsize=(9, 2.4 * count), dpi=DPI, layout="constrained")
    for row, panels in enumerate(figure.subplots(count, 1 if axes == 1 else 3, squeeze=False)):
        length = int(arrays["lengths"][row])
        truth, found = (arrays[name][row, -1, :length, 0] for name in ("target", "prediction"))
        coords = arrays["coords"][row, :length]
        title = f"{arrays['roles'][row]}: relative error {arrays['errors'][row]:.2g}"
        if axes == 1:
            _lines(panels[0], coords[:, 0], truth, found)
            panels[0].set_title(f"{arrays['target_names'][0]}, {title}")
            continue
        limits = float(min(truth.min(), found.min())), float(max(truth.max(), found.max()))
        error = np.abs(found - truth)
        shown = (("truth", truth, limits), ("prediction", found, limits), (title, error, (0.0, float(error.max()))))
        for panel, (what, value, (low, high)) in zip(panels, shown, strict=True):
            drawn = _field(panel, coords, tuple(arrays["grid_shape"]), value, low, high, "viridis")
            panel.set(title=what, aspect="equal")
            figure.colorbar(drawn, ax=panel)
    return figure


def _lines(panel: Axes, x: NDArray[Any], truth: NDArray[Any], found: NDArray[Any]) -> None:
    order = np.argsort(x)
    panel.plot(x[order], truth[order], color="0.3", label="truth")
    panel.plot(x[order], found[order], "--", color="C0", label="prediction")
    panel.plot(x[order], np.abs(found - truth)[order], color="C3", linewidth=1, label="|error|")
    panel.legend(loc="upper right", fontsize=8)


def _field(
    panel: Axes, coords: NDArray[Any], shape: tuple[int, ...], value: NDArray[Any], low: float, high: float, cmap: str
) -> Any:
    """A grid of two axes as an image; other points as dots over their first two axes."""
    if len(shape) == 2:
        extent = (0.0, 1.0, 0.0, 1.0)
        return panel.imshow(value.reshape(shape).T, origin="lower", extent=extent, vmin=low, vmax=high, cmap=cmap)
    return panel.scatter(coords[:, 0], coords[:, 1], c=value, s=3, vmin=low, vmax=high, cmap=cmap)


def _densities(arrays: Arrays) -> Iterator[tuple[str, Figure]]:
    """Of each task and sampler the density of query points at the last noted epoch; 1 is an even spread."""
    latest: dict[str, NDArray[Any]] = {}
    for number in sorted({key.partition("/")[0] for key in arrays}):
        task, stream = (str(arrays[f"{number}/{name}"]) for name in ("task", "stream"))
        latest["query_points/" + (f"{task}/" if task else "") + stream] = arrays[f"{number}/density"]
    for name, density in latest.items():
        figure = Figure(figsize=(4.2, 3.4), dpi=DPI, layout="constrained")
        panel = figure.subplots()
        relative = density / max(float(density.mean()), 1e-30)
        if relative.ndim == 1:
            panel.stairs(relative, np.linspace(0, 1, len(relative) + 1), fill=True)
        else:
            drawn = panel.imshow(relative.T, origin="lower", extent=(0, 1, 0, 1), vmin=0, cmap="cividis")
            figure.colorbar(drawn, ax=panel)
        yield name, figure
