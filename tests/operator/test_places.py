"""Where the points of an input lie: other resolutions and other places in the box are the same field to an operator."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import Experiment, load
from upt_core.run.evaluate import Asked, evaluate_operator

from .conftest import CONFIG, Array

MODEL: dict[str, Any] = {
    "latent": {"tokens": [16], "dim": 4},
    "encoder": {"name": "patches"},
    "approximator": {"name": "spectral", "width": 8, "depth": 1},
    "decoder": {"name": "basis"},
}


def wave(points: int, start: float = 0.0) -> tuple[Array, Array]:
    """Coordinates (points, 1) from ``start`` spacings on, and a wave at them."""
    x = (np.arange(points) + start) / points
    return x[:, None], np.sin(2 * np.pi * x) + 0.5 * np.cos(4 * np.pi * x)


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["points at i / n", "centres of cells"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run on 32 points, and where they begin; the file says nothing of the box."""
    folder = tmp_path_factory.mktemp("places")
    x, _ = wave(32, request.param)
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 1, (10, 1, 1)) - 0.05 * np.arange(6)[:, None]
    np.savez(folder / "train.npz", u=np.sin(2 * np.pi * (x[:, 0] + phases)), t=0.1 * np.arange(6), x=x[:, 0])
    config = copy.deepcopy(CONFIG)
    config["data"]["path"], config["model"] = str(folder / "train.npz"), MODEL
    Experiment.from_dict(config).train(folder / "run")
    return folder / "run", request.param


@pytest.mark.parametrize(("points", "start"), [(32, 0.3), (64, 0.0), (64, 0.5), (128, 0.0), (128, 0.5)])
def test_the_answer_does_not_depend_on_where_the_input_is_known(
    trained: tuple[Path, float], points: int, start: float
) -> None:
    operator, at = load(trained[0]), np.array([[0.05], [0.21], [0.5], [0.83]])
    own, other = wave(32, trained[1]), wave(points, start)
    expected = operator.predict(own[1], coords=own[0], at=at, steps=2)["u"]
    found = operator.predict(other[1], coords=other[0], at=at, steps=2)
    np.testing.assert_allclose(found["u"], expected, atol=0.005 * np.abs(expected).max())
    assert not [text for text in found.remarks if "outside" in text], "a periodic axis has no outside"


@pytest.mark.parametrize("points", [32, 64, 128])
def test_without_coordinates_a_grid_lies_as_that_of_training(trained: tuple[Path, float], points: int) -> None:
    x, u = wave(points, trained[1])
    operator = load(trained[0])
    told, assumed = operator.predict(u, coords=x), operator.predict(u)
    np.testing.assert_allclose(assumed.coords, x, atol=1e-12)
    np.testing.assert_array_equal(assumed["u"], told["u"])
    np.testing.assert_allclose(operator.predict(u, at=points).coords, x, atol=1e-12)


def test_a_periodic_axis_has_no_ends(trained: tuple[Path, float]) -> None:
    operator, u = load(trained[0]), wave(32, trained[1])[1]
    at = np.array([[0.1], [0.7]])
    inside = operator.predict(u, at=at)["u"]
    for turns in (1, -2):
        np.testing.assert_allclose(operator.predict(u, at=at + turns)["u"], inside, atol=1e-5)


def test_an_encoder_that_knows_one_place_says_that_a_grid_lies_elsewhere(tmp_path: Path) -> None:
    """``grid`` reads patches where they are, and has seen them at one place; ``patches`` resamples and says nothing."""
    x, u = wave(32)
    phases = np.linspace(0, 1, 10)[:, None, None] - 0.05 * np.arange(6)[:, None]
    np.savez(tmp_path / "train.npz", u=np.sin(2 * np.pi * (x[:, 0] + phases)), t=0.1 * np.arange(6), x=x[:, 0])
    moved = x[:, 0] + 0.4 / 32
    np.savez(tmp_path / "moved.npz", u=np.sin(2 * np.pi * (moved + phases)), t=0.1 * np.arange(6), x=moved)
    config = copy.deepcopy(CONFIG)
    config["data"]["path"] = str(tmp_path / "train.npz")
    config["model"]["encoder"] = {"name": "grid", "patch": 4, "depth": 0}
    Experiment.from_dict(config).train(tmp_path / "run")
    operator = load(tmp_path / "run")
    said = r"the grid of the input is shifted by 0.4 spacings from the training grid, and GridEncoder"
    assert not [text for text in operator.predict(u, coords=x).remarks if "spacings" in text]
    assert re.search(said, " ".join(operator.predict(u, coords=x + 0.4 / 32).remarks))
    found = evaluate_operator(operator, Asked(path=tmp_path / "moved.npz"))
    assert [text for text in found.remarks if re.search(said, text)]
    assert not [text for text in evaluate_operator(operator, Asked()).remarks if "spacings" in text]


def test_an_encoder_that_resamples_says_nothing_of_the_place(trained: tuple[Path, float]) -> None:
    other = wave(32, trained[1] + 0.3)
    found = load(trained[0]).predict(other[1], coords=other[0])
    assert not [text for text in found.remarks if "spacings" in text]
