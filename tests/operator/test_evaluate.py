"""An evaluation uses the statistics of training, and never passes off seen data as unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

import upt_core
from upt_core import DataError
from upt_core.run.evaluate import evaluate_run

from .conftest import waves


def test_the_same_data_give_the_same_figures(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    first = evaluate_run(run)
    assert evaluate_run(run) == first
    assert "not those of the run" not in capfd.readouterr().err


def test_data_that_are_gone_stop_an_evaluation_but_not_a_prediction(run: Path) -> None:
    Path("train.npz").unlink()
    with pytest.raises(DataError, match="train.npz"):
        evaluate_run(run)
    operator = upt_core.load(run)
    prediction = operator.predict({"u": waves(2)[0, 0]}, steps=3, at=64)
    assert prediction["u"].shape == (3, 64)
    assert prediction.remarks == ()
    assert "u goes from" in operator.predict(4 * waves(2)[0, 0]).remarks[0]
