"""What a trained operator refuses: each message of ``upt predict``, ``upt evaluate`` and ``Operator.predict``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from upt_core import CheckpointError, DataError, Experiment, load

Refused = Callable[..., str]
X = np.array([0.0, 0.1, 0.15, 0.3, 0.32, 0.5, 0.55, 0.7, 0.82, 0.95])
CASES, TIMES = 10, 6


def write(path: str, cases: int = CASES, times: int = TIMES) -> None:
    """Two fields at uneven points, and a condition that changes in time."""
    phase = np.random.default_rng(0).random((cases, 1, 1))
    moved = 2 * np.pi * (X - phase - 0.1 * np.arange(times)[:, None])
    nu = np.tile(np.linspace(0.1, 0.2, times), (cases, 1))
    np.savez(path, p=np.sin(moved), w=np.cos(moved), nu=nu, x=X, t=0.1 * np.arange(times))


@pytest.fixture
def run(own_folder: Path) -> Path:
    write("train.npz")
    config = {
        "data": {"name": "npz", "path": "train.npz", "inputs": ["p", "w"], "conditions": ["nu"], "history": 3},
        "model": {
            "latent": {"tokens": 4, "dim": 16},
            "encoder": {"name": "supernode", "supernodes": 4, "depth": 1, "heads": 2},
            "approximator": {"name": "transformer", "depth": 1},
            "decoder": {"name": "perceiver", "depth": 1},
        },
        "losses": {"forward": {"name": "forward"}},
        "trainer": {"epochs": 1, "batch_size": 8, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
        "validation": {"metrics": {"relative_l2": "relative_l2"}},
    }  # fmt: skip
    Experiment.from_dict(config, "points").train("run")
    return Path("run")


def test_files_that_hold_too_little(run: Path, refused: Refused) -> None:
    write("short.npz", 2, times=2)
    write("new.npz", 2)
    message = refused("predict", "run", "short.npz", "-o", "a.npz")
    assert "has 2 time steps; the operator takes 3 as its input" in message
    message = refused("predict", "run", "new.npz", "--steps", "9", "-o", "a.npz")
    assert "condition 'nu' has values at 6 time steps, too few for 9 steps; predict fewer steps" in message


def test_arrays_that_are_not_those_of_the_operator(run: Path) -> None:
    operator, data, coords, told = load("run"), np.load("train.npz"), X[:, None], {"nu": 0.1}
    fields = {name: data[name][:2, :3] for name in ("p", "w")}
    with pytest.raises(
        DataError, match="trained at scattered points, so it needs the points of the values: give coords"
    ):
        operator.predict(fields, conditions=told)
    with pytest.raises(DataError, match="the operator takes p, w; give a mapping from names to values"):
        operator.predict(fields["p"], coords, conditions=told)
    with pytest.raises(DataError, match=r"field 'w' has the shape \(2, 3, 7\), 'p' \(2, 3, 10\); all fields must"):
        operator.predict({**fields, "w": fields["w"][..., :7]}, coords, conditions=told)
    with pytest.raises(DataError, match=r"coords are \(4, 1\), but fields have 10 points and 2 samples; give \(points"):
        operator.predict(fields, coords[:4], conditions=told)
    with pytest.raises(DataError, match=r"condition 'nu' has the shape \(7,\); expected a number, \(3,\) for the"):
        operator.predict(fields, coords, steps=3, conditions={"nu": np.ones(7)})


def test_times_that_do_not_increase_and_points_without_a_grid(own_folder: Path, refused: Refused) -> None:
    x, t = np.arange(16) / 16, np.array([0.0, 0.1, 0.3, 0.4])
    np.savez("train.npz", u=np.sin(2 * np.pi * (x - t[:, None] - np.arange(10)[:, None, None] / 10)), x=x, t=t)
    config = {
        "data": {"name": "npz", "path": "train.npz", "inputs": ["u"], "periodic": True},
        "model": {
            "latent": {"tokens": 4, "dim": 16},
            "encoder": {"name": "grid", "patch": 4, "depth": 1},
            "approximator": {"name": "transformer", "depth": 1},
            "decoder": {"name": "perceiver", "depth": 1},
        },
        "losses": {"forward": {"name": "forward"}},
        "trainer": {"epochs": 1, "batch_size": 8, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
        "validation": {"metrics": {"relative_l2": "relative_l2"}},
    }
    operator = Experiment.from_dict(config, "waves").train("run").operator()
    for times in ([0.1, 0.1], [0.2, 0.1], [0.1]):
        with pytest.raises(DataError, match="times must increase; give the time of the input and of each step"):
            operator.predict(np.sin(x), times=np.array(times))
    np.savez("rough.npz", u=np.zeros((2, 3, 16)), x=np.sort(np.random.default_rng(0).random(16)), t=t[:3])
    message = refused("predict", "run", "rough.npz", "data.periodic=false", "-o", "a.npz")
    assert "GridEncoder works on whole grids; these are scattered points" in message


def test_outputs_that_would_be_lost(run: Path, refused: Refused) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        write(f"{folder}/new.npz", 2)
    message = refused("predict", "run", "a/new.npz", "b/new.npz", "-o", "out")
    assert (
        "two inputs have the same name, so their outputs would overwrite each other; predict them one by one"
    ) in message
    Path("file").write_text("")
    message = refused("predict", "run", "a/new.npz", "-o", "file/out.npz")
    assert "cannot be written: " in message
    assert "choose another place with -o" in message


def test_an_operator_that_does_not_know_its_data(run: Path, refused: Refused) -> None:
    operator = load("run")
    operator.provenance["config"] = {}
    operator.save("alone.upt")
    message = refused("predict", "alone.upt", "--split", "test", "-o", "a.npz")
    assert "does not record its training data; give an INPUT, for example an .npz of arrays" in message
    message = refused("evaluate", "alone.upt", "--metrics", "relative_l2")
    assert "does not record its training data; name the data set: data.name=NAME" in message
    with Path("array.npz").open("wb") as file:
        np.save(file, X)
    message = refused("predict", "alone.upt", "array.npz", "-o", "a.npz")
    assert "array.npz: holds one array without a name; save it with np.savez(FILE, u=…)" in message


def test_parts_that_are_missing_or_cannot_be_built(run: Path) -> None:
    operator = load("run")
    settings, plugins = operator.settings, operator.plugins
    operator.plugins = {**plugins, "encoder mesh_former": {"distribution": "upt-mesh", "version": "1.0"}}
    with pytest.raises(CheckpointError, match=r"(?s)foreign\.upt: parts of the model are missing.*mesh_former"):
        load(operator.save("foreign.upt"))
    operator.plugins = plugins
    operator.settings = {**settings, "encoder": {**settings["encoder"], "supernodes": 0}}
    with pytest.raises(
        CheckpointError,
        match=r"odd\.upt: the model cannot be built from its description in the file\n    encoder\.supernodes: ",
    ) as caught:
        load(operator.save("odd.upt"))
    assert "validation error" not in str(caught.value)
    assert "input_value" not in str(caught.value)
