"""Trained on one grid, judged on a finer one by one command: as good, where training looked between the points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from upt_core.cli import main
from upt_data.burgers1d import Burgers1d

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"
DARCY = "pdebench/2D/DarcyFlow/2D_DarcyFlow_beta1.0_Train.hdf5"
DENSER = 1.05
"""The error at twice as many points over that at the points of training, at most, of one step of Burgers' equation."""
DARCY_DENSER = 1.15
"""The same for Darcy flow, whose permeability jumps between the points that training saw, after a short training; the
smaller the error on the grid becomes, the larger the ratio: docs/evaluate.md."""


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def upt(*arguments: str) -> None:
    main(list(arguments), standalone_mode=False)


def relative_l2(*arguments: str) -> float:
    """The model's error, as ``upt evaluate run`` prints it as JSON."""
    upt("evaluate", "run", *arguments, "--json", "found.json")
    return float(json.loads(Path("found.json").read_text())["predictors"]["model"]["relative_l2"])


def test_burgers_at_twice_as_many_points() -> None:
    more = ("data.num_trajectories=128", "trainer.epochs=8", "callbacks=[]")
    upt("train", str(CONFIGS / "burgers.yaml"), "--run-dir", "run", *more)
    coarse, fine = relative_l2(), relative_l2("--resolution", "512")
    assert fine <= DENSER * coarse

    upt("predict", "run", "data.points=512", "--split", "test", "--steps", "3", "-o", "found.npz")
    truth = Burgers1d(num_trajectories=128, points=512, seed=0).trajectories("test")
    truth_BTN = np.stack([truth.read(number, 1, 4).fields["u"][..., 0].numpy() for number in range(len(truth))])
    error_BTN = np.load("found.npz")["u"] - truth_BTN
    error_B = np.linalg.norm(error_BTN, axis=(1, 2)) / np.linalg.norm(truth_BTN, axis=(1, 2))
    rolled = relative_l2("--resolution", "512", "--steps", "3", "--space", "latent")
    assert float(error_B.mean()) == pytest.approx(rolled, rel=1e-4)


def test_darcy_flow_from_16_to_32(real_data: Path) -> None:
    if not (real_data / DARCY).is_file():
        pytest.skip(f"{DARCY} is not among the real data sets")
    upt(
        "train", str(CONFIGS / "darcy.yaml"), "--run-dir", "run", "callbacks=[]", "trainer.epochs=25",
        f"data={{name: pdebench, path: '{real_data / DARCY}', space_stride: 4}}",
        "sampler={name: jittered, base: {name: stratified, num_queries: 256}}",
    )  # fmt: skip
    coarse, fine = relative_l2(), relative_l2("--resolution", "32x32")
    assert coarse < 0.3, "it has learned something"
    assert fine <= DARCY_DENSER * coarse
