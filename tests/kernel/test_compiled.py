"""``trainer.compile`` on the host: parts are compiled in place, and a run is what it is without."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from upt_core import Experiment

Tiny = Callable[..., Experiment]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # torch warns of its own while it compiles; errors would end that
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on the host"),
]


def test_compiled_parts_train_on_the_host(tiny: Tiny, tmp_path: Path) -> None:
    # the check before training goes back through one graph for each term; compiled graphs once refused the second time
    compiled = tiny(trainer={"device": "cpu", "compile": True, "epochs": 1}).train(tmp_path / "compiled")
    plain = tiny(trainer={"device": "cpu", "epochs": 1}).train(tmp_path / "plain")
    assert compiled["model"]["relative_l2"] == pytest.approx(plain["model"]["relative_l2"], rel=1e-2)
