"""A picture of the first trajectory of a data set: each field at its first and last time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from upt_core import Dataset, DataSpec
from upt_core.commands import view_of


def draw(dataset: Dataset, path: Path) -> None:
    """Writes the picture."""
    spec = dataset.spec()
    train = dataset.trajectories("train")
    whole = train.read(0, 0, train.num_times(0))
    times = [0] if spec.steady else [0, len(whole.time_T) - 1]
    names = [field.name for field in spec.fields]
    figure = Figure(figsize=(4 * len(times), 3 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), len(times), squeeze=False)
    for row, name in enumerate(names):
        value_TNC = whole.fields[name]
        for column, time in enumerate(times):
            value_N = value_TNC[min(time, len(value_TNC) - 1)].double().norm(dim=-1)
            value_N = value_N if value_TNC.shape[-1] > 1 else value_TNC[min(time, len(value_TNC) - 1), :, 0]
            title = name if spec.steady else f"{name}, t = {whole.time_T[time]:.4g}"
            _panel(
                axes[row][column],
                value_N,
                whole.coords_NX,
                replace(spec, grid_shape=whole.grid_shape or spec.grid_shape),
            )
            axes[row][column].set_title(f"|{title}|" if value_TNC.shape[-1] > 1 else title)
    figure.savefig(path, dpi=100)


def _panel(axes: Any, value_N: Tensor, coords_NX: Tensor, spec: DataSpec) -> None:
    """One field at one time: a curve, an image of the first two axes, or dots."""
    view = view_of(spec.axes)
    axes.set_xlabel(view.labels[0])
    if coords_NX.shape[1] == 1:
        order = coords_NX[:, 0].argsort()
        axes.plot(coords_NX[order, 0].numpy(), value_N[order].numpy())
        return
    place_N2 = view.of(coords_NX.numpy())
    axes.set_ylabel(view.labels[1])
    if spec.grid_shape is not None:
        shape = spec.grid_shape
        image = view.rows(value_N.reshape(*shape[:2], -1)[..., 0].numpy())
        sides = (place_N2[:, 0].min(), place_N2[:, 0].max(), place_N2[:, 1].min(), place_N2[:, 1].max())
        shown = axes.imshow(image, origin="lower", extent=sides, aspect="auto")
    else:
        shown = axes.scatter(*place_N2.T, c=value_N.numpy(), s=4)
    view.turn(axes)
    axes.figure.colorbar(shown, ax=axes)
