"""Waves that move along a periodic line, in files; and runs that learn them, tiny."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from upt_core import Experiment

Array = npt.NDArray[np.float64]
Make = Callable[..., Experiment]


def waves(seed: int, trajectories: int = 10, times: int = 6, points: int = 32, scale: float = 1.0) -> Array:
    """Sums of two sine waves at speed 1, (trajectories, times, points)."""
    rng = np.random.default_rng(seed)
    x = np.arange(points) / points
    moved = x[None, :] - 0.05 * np.arange(times)[:, None]
    amplitudes, phases = rng.uniform(0.5, 1, (trajectories, 2)), rng.uniform(0, 1, (trajectories, 2))
    one = [
        amplitudes[:, k, None, None] * np.sin(2 * np.pi * (k + 1) * (moved + phases[:, k, None, None])) for k in (0, 1)
    ]
    return scale * sum(one)  # type: ignore[return-value]


def write(path: Path, u: Array) -> Path:
    """An archive as the data set npz reads it, times 0.1 apart."""
    np.savez(path, u=u, t=0.1 * np.arange(u.shape[1]), x=np.arange(u.shape[2]) / u.shape[2])
    return path


CONFIG: dict[str, Any] = {
    "data": {"name": "npz", "path": "train.npz", "inputs": ["u"], "periodic": True},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 4, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1},
        "decoder": {"name": "perceiver", "depth": 1},
    },
    "losses": {"forward": {"name": "forward"}},
    "trainer": {"epochs": 2, "batch_size": 16, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
    "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}, "rmse": {"name": "rmse"}}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own that holds ``train.npz``."""
    monkeypatch.chdir(tmp_path)
    write(Path("train.npz"), waves(0))
    return tmp_path


@pytest.fixture
def make() -> Make:
    """Makes the experiment with changes: ``make(trainer={"epochs": 1})``."""

    def made(**changes: Any) -> Experiment:
        config = {key: {**value, **changes.get(key, {})} for key, value in CONFIG.items()}
        return Experiment.from_dict({**changes, **config}, "waves")

    return made


@pytest.fixture
def run(make: Make) -> Path:
    """A finished run."""
    make().train(Path("run"))
    return Path("run")
