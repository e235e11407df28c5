"""An evaluation uses the statistics of training, and never passes off seen data as unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import upt_core
from upt_core import DataError
from upt_core.run.experiment import evaluate_run

from .conftest import waves, write


def test_the_same_data_give_the_same_figures(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    first = evaluate_run(run)
    assert evaluate_run(run) == first
    assert "not those of the run" not in capfd.readouterr().err


def test_a_file_that_grew_does_not_pass_off_training_data_as_test(run: Path) -> None:
    write(Path("train.npz"), np.concatenate([waves(1), waves(0), waves(0)]))
    with pytest.raises(DataError, match=r"\d of the 3 trajectories of the split 'test' are among those"):
        evaluate_run(run)


def test_values_of_another_scale_are_not_scaled_again(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(Path("train.npz"), waves(0, scale=10.0))
    figures = evaluate_run(run)["model"]
    assert "0 of them among the 8 of the run" in capfd.readouterr().err
    assert figures["rmse"] > 3, "statistics of training, so the answer is about ten times too small"


def test_data_that_are_gone_stop_an_evaluation_but_not_a_prediction(run: Path) -> None:
    Path("train.npz").unlink()
    with pytest.raises(DataError, match="train.npz"):
        evaluate_run(run)
    operator = upt_core.load(run)
    prediction = operator.predict({"u": waves(2)[0, 0]}, steps=3, at=64)
    assert prediction["u"].shape == (3, 64)
    assert prediction.remarks == ()
    assert "u goes from" in operator.predict(4 * waves(2)[0, 0]).remarks[0]
