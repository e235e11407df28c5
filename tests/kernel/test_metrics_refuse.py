"""A metric that cannot judge the data is refused before training and before evaluation, with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from upt_core import ConfigError, Experiment
from upt_core.cli import main

MODEL = {
    "latent": {"tokens": 4, "dim": 8},
    "encoder": {"name": "supernode", "supernodes": 4, "depth": 1, "heads": 2},
    "approximator": {"name": "transformer", "depth": 1, "heads": 2},
    "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
}
TRAINER = {"epochs": 1, "batch_size": 4, "optimizer": "adamw", "device": "cpu"}


def clouds(path: Path) -> dict[str, object]:
    """Six trajectories of nine scattered points."""
    rng = np.random.default_rng(0)
    u = rng.random((54, 3))
    np.savez(path, pos=rng.random((54, 2)), ptr=np.arange(0, 55, 9), t=np.arange(3.0), u=u)
    return {"name": "points", "path": str(path), "valid_fraction": 0.2, "test_fraction": 0.2}


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("relative_h1", "needs a regular grid of at least 3 points along each axis"),
        ("spectral_rmse", "needs a regular grid; this data set has scattered points"),
        ("spectrum_error", "needs a regular grid; this data set has scattered points"),
    ],
)
def test_before_training(tmp_path: Path, metric: str, message: str) -> None:
    validation = {"metrics": {"mine": {"name": metric}}}
    data = clouds(tmp_path / "clouds.npz")
    config = {"data": data, "model": MODEL, "losses": {"f": "forward"}, "trainer": TRAINER, "validation": validation}
    with pytest.raises(ConfigError, match=rf"validation.metrics.mine.name: {metric} {message}"):
        Experiment.from_dict(config).train(tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_before_evaluation(tmp_path: Path) -> None:
    data = clouds(tmp_path / "clouds.npz")
    validation = {"metrics": {"rmse": "rmse"}}
    config = {"data": data, "model": MODEL, "losses": {"f": "forward"}, "trainer": TRAINER, "validation": validation}
    Experiment.from_dict(config).train(tmp_path / "run")
    result = CliRunner().invoke(main, ["evaluate", str(tmp_path / "run"), "--metrics", "rmse,spectrum_error"])
    assert result.exit_code == 2
    assert "spectrum_error needs a regular grid; this data set has scattered points" in result.output
    assert "Traceback" not in result.output
