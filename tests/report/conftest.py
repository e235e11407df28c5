"""Small run folders, written as upt writes them, of every shape of data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

RunMaker = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """Makes a run folder; see ``write_run`` for the arguments."""

    def make(name: str = "run", **parts: Any) -> Path:
        return write_run(tmp_path / name, **parts)

    return make


def write_run(
    folder: Path,
    grid: tuple[int, ...] = (64,),
    points: int | None = None,
    shared: bool = True,
    times: int = 1,
    names: Sequence[str] = ("u",),
    epochs: int = 6,
    done: int | None = None,
    finished: bool = True,
) -> Path:
    """A run folder.

    Args:
        grid: points along each axis; of scattered points only the number of axes counts.
        points: number of scattered points; None: a grid.
        shared: whether all examples have the same scattered points.
        times: time steps of the examples.
        names: of the fields.
        epochs: of the plan.
        done: epochs that were trained; None: all.
        finished: whether results and examples are there.
    """
    folder.mkdir(parents=True)
    metrics = {"relative_l2": {"name": "relative_l2"}, "rmse": {"name": "rmse"}}
    config = {"trainer": {"epochs": epochs}, "validation": {"metrics": metrics, "monitor": "relative_l2"}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"name": "burgers1d"}, **config}))
    git = {"commit": "0123456789abcdef", "branch": "main", "changed": True}
    (folder / "environment.json").write_text(json.dumps({"torch": "2.13.0", "device": "cpu (2 cores)", "git": git}))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(done or epochs)))
    if finished:
        model, still = {"relative_l2": 0.01234, "rmse": 0.005}, {"relative_l2": 0.09876, "rmse": 0.04}
        results = {"model": model, "persistence": still}
        (folder / "results.json").write_text(json.dumps({"split": "test", "predictors": results}))
        np.savez_compressed(folder / "examples.npz", **examples(grid, points, shared, times, names))
    return folder


def lines(epochs: int, per_epoch: int = 8) -> list[dict[str, Any]]:
    """Lines of ``metrics.jsonl`` as a run writes them."""
    found = []
    for epoch in range(epochs):
        for step in range(epoch * per_epoch + 3, (epoch + 1) * per_epoch, 4):
            decay = float(np.exp(-step / 12))
            weight = 0.0 if epoch < 2 else 0.01
            found.append(
                {"kind": "step", "epoch": epoch + 1, "step": step, "time": step * 0.5, "lr": 1e-3 * decay}
                | {"loss/total": 1.1 * decay, "loss/forward": decay, "loss/inverse_encoding": 0.4 * decay}
                | {"weight/forward": 1.0, "weight/inverse_encoding": 0.1, "weight/inverse_decoding": weight}
            )
        decay, end = float(np.exp(-(epoch + 1) * per_epoch / 12)), (epoch + 1) * per_epoch
        place = {"epoch": epoch + 1, "step": end, "time": end * 0.5}
        found.append({"kind": "validation", **place, "relative_l2": 0.6 * decay + 0.01, "rmse": 0.2 * decay})
        shares = {"gradient_share/forward": 0.9, "gradient_share/inverse_encoding": 0.08}
        found.append(
            {"kind": "epoch", **place, "loss/total": decay, "loss/forward": 0.9 * decay, "seconds": 4.0}
            | {"loss/inverse_encoding": 0.35 * decay, **shares, "gradient_share/inverse_decoding": 0.02}
        )
    return found


def examples(
    grid: tuple[int, ...], points: int | None, shared: bool, times: int, names: Sequence[str], count: int = 4
) -> dict[str, Any]:
    """Arrays of ``examples.npz``: travelling waves, and predictions that grow wrong with time."""
    rng = np.random.default_rng(0)
    if points is None:
        axes = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in grid], indexing="ij")
        coords = np.broadcast_to(np.stack([axis.ravel() for axis in axes], -1), (count, int(np.prod(grid)), len(grid)))
    else:
        coords = rng.random((1 if shared else count, points, len(grid)))
        coords = np.broadcast_to(coords, (count, points, len(grid)))
    phase = np.arange(count)[:, None, None, None] + np.arange(len(names))
    time = np.arange(times + 1)[None, :, None, None]
    waves = np.sin(2 * np.pi * coords.sum(-1)[:, None, :, None] + phase + 0.4 * time)
    error = 0.05 * time[:, 1:] * np.cos(6 * np.pi * coords[..., :1])[:, None]
    lengths = np.full(count, coords.shape[1])
    if not shared:
        lengths[1] = coords.shape[1] // 2
    return {
        "input": waves[:, 0],
        "target": waves[:, 1:],
        "prediction": waves[:, 1:] + error,
        "coords": coords,
        "lengths": lengths,
        "extent": np.ones(len(grid)),
        "grid_shape": np.array(grid if points is None else (), dtype=np.int64),
        "input_names": np.array(names),
        "target_names": np.array(names),
    }
