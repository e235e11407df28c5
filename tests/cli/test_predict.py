"""``upt predict``: one command from a run and a file to answers in a file."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from click.testing import Result

import upt_core
from upt_core import Experiment, load

Upt = Callable[..., Result]
CONFIG = {
    "data": {"name": "npz", "path": "train.npz", "inputs": ["u"], "periodic": True},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 4, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1},
        "decoder": {"name": "perceiver", "depth": 1},
    },
    "losses": {"forward": {"name": "forward"}},
    "trainer": {"epochs": 1, "batch_size": 16, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
    "validation": {"metrics": {"relative_l2": "relative_l2"}},
}


def waves(path: str, cases: int, points: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Waves at speed 1, times 0.1 apart; the archive, and its values (cases, times, points)."""
    phase = np.random.default_rng(points).random((cases, 1, 1))
    x, t = np.arange(points) / points, 0.1 * np.arange(6)
    u = scale * np.sin(2 * np.pi * (x - phase - t[:, None]))
    np.savez(path, u=u, x=x + shift, t=t)
    return u


def loaded(path: str) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {**stored}


@pytest.fixture
def run(own_folder: Path) -> Path:
    """A run on 32 points; new.npz has the same points, fine.npz twice as many."""
    waves("train.npz", 10, 32)
    waves("new.npz", 2, 32)
    waves("fine.npz", 2, 64)
    Path("waves.yaml").write_text(yaml.safe_dump(CONFIG))
    Experiment.from_yaml("waves.yaml").train(Path("waves"))
    return Path("waves")


def test_new_files_are_answered_as_by_hand(run: Path, upt: Upt) -> None:
    operator = load(run)
    for name, points in (("new", 32), ("fine", 64)):
        result = upt("predict", "waves", f"{name}.npz", "-o", f"{name}-out.npz", "--space", "physical")
        assert result.exit_code == 0, result.output
        assert f"2 samples, 5 time steps, {points} points" in result.output
        found, truth = loaded(f"{name}-out.npz"), loaded(f"{name}.npz")
        by_hand = operator.predict({"u": truth["u"][:, 0]}, truth["x"][:, None], times=truth["t"], space="physical")
        np.testing.assert_allclose(found["u"], by_hand["u"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["x"], truth["x"], atol=1e-6)
        np.testing.assert_allclose(found["t"], truth["t"][1:], atol=1e-12)
    assert "remark: the input has 64 points; training saw 32" in result.stderr


def test_any_points_and_steps_and_one_case_alone(run: Path, upt: Upt) -> None:
    waves("one.npz", 1, 32)
    np.savetxt("points.csv", np.array([[0.1], [0.25], [0.9]]), header="x", comments="")
    assert upt("predict", "waves", "one.npz", "-o", "a.h5", "--at", "points.csv", "--steps", "7").exit_code == 0
    with h5py.File("a.h5") as file:
        assert file["u"].shape == (1, 7, 3)
        assert file["u"].attrs["dimensions"] == "sample,time,point"
        np.testing.assert_allclose(file["t"], 0.1 * np.arange(1, 8))
        assert file.attrs["input"] == "one.npz"
    assert upt("predict", "waves", "one.npz", "-o", "b.npz", "--resolution", "100").exit_code == 0
    assert loaded("b.npz")["u"].shape == (1, 5, 100)


def test_netcdf_is_read_by_xarray_and_its_absence_is_said(run: Path, upt: Upt, monkeypatch: pytest.MonkeyPatch) -> None:
    xarray = pytest.importorskip("xarray")
    assert upt("predict", "waves", "new.npz", "-o", "a.nc").exit_code == 0
    with xarray.open_dataset("a.nc", engine="h5netcdf", decode_times=False) as found:
        assert found["u"].dims == ("sample", "time", "x")
        assert set(found.coords) == {"x", "time"}
    monkeypatch.setitem(sys.modules, "xarray", None)
    assert r"pip install 'upt-core[netcdf]'" in refused_text(upt, "predict", "waves", "new.npz", "-o", "b.nc")


def test_every_file_says_where_it_comes_from(run: Path, upt: Upt) -> None:
    """The operator's digest is the one that ``upt info`` shows."""
    digest = json.loads(upt("info", "waves", "--json").output)[0]["digest"]
    for ending in ("npz", "h5"):
        assert upt("predict", "waves", "new.npz", "-o", f"a.{ending}").exit_code == 0
    said = json.loads(str(loaded("a.npz")["upt_provenance"]))
    assert (said["operator"], said["operator_digest"], said["input"]) == ("waves", digest, "new.npz")
    assert said["upt"] == upt_core.__version__
    assert said["command"]
    assert said["dimensions"]["u"] == "sample,time,x"
    with h5py.File("a.h5") as file:
        assert file.attrs["operator_digest"] == digest
    np.savez("again.npz", u=loaded("a.npz")["u"][:, 0], upt_provenance=np.array("{}"))
    operator = load("waves")
    operator.provenance["config"]["data"] = {"name": "burgers1d"}
    operator.save("plain.upt")
    assert upt("predict", "plain.upt", "again.npz", "-o", "b.npz").exit_code == 0, "the note is no field"


def test_a_series_for_paraview(run: Path, upt: Upt, monkeypatch: pytest.MonkeyPatch) -> None:
    meshio = pytest.importorskip("meshio")
    assert upt("predict", "waves", "new.npz", "-o", "flow.pvd").exit_code == 0
    assert sorted(p.name for p in Path().glob("flow*.pvd")) == ["flow-1.pvd", "flow.pvd"]
    assert len(list(Path("flow").glob("*.vtu"))) == 2 * 5
    by_hand = load("waves").predict({"u": loaded("new.npz")["u"][:, 0]}, steps=5)["u"]
    np.testing.assert_allclose(meshio.read("flow/1-0003.vtu").point_data["u"], by_hand[1, 2], rtol=1e-5, atol=1e-6)
    message = refused_text(upt, "predict", "waves", "new.npz", "-o", "one.vtu")
    assert ".vtu files hold one mesh, but there are 2 samples and 5 time steps" in message
    assert "out/new.pvd" in upt("predict", "waves", "new.npz", "-o", "out", "--format", "pvd").output
    monkeypatch.setitem(sys.modules, "meshio", None)
    assert r"pip install 'upt-core[mesh]'" in refused_text(upt, "predict", "waves", "new.npz", "-o", "b.pvd")


def refused_text(upt: Upt, *arguments: str) -> str:
    """The message of a command that must be refused."""
    result = upt(*arguments)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_a_folder_goes_on_where_it_was_left(run: Path, upt: Upt) -> None:
    first = upt("predict", "waves", "new.npz", "-o", "out")
    assert "out/new.npz: 2 samples" in first.output
    both = upt("predict", "waves", "new.npz", "fine.npz", "-o", "out")
    assert "1/2  out/new.npz: is already complete" in both.output
    assert "2/2  out/fine.npz: 2 samples" in both.output
    other = upt("predict", "waves", "new.npz", "-o", "out", "--steps", "2")
    assert "out/new.npz: 2 samples, 2 time steps" in other.output
    waves("new.npz", 3, 32)
    assert "out/new.npz: 3 samples" in upt("predict", "waves", "new.npz", "-o", "out", "--steps", "2").output


def test_its_own_data_and_overrides(run: Path, upt: Upt) -> None:
    assert "1 sample, 5 time steps" in upt("predict", "waves", "--split", "test", "-o", "test.npz").output
    assert "10 samples" in upt("predict", "waves", "--split", "all", "-o", "all.npz").output
    strided = upt("predict", "waves", "new.npz", "data.num_trajectories=1", "-o", "s.npz")
    assert "1 sample," in strided.output, strided.output


def test_a_picture_and_a_film(run: Path, upt: Upt) -> None:
    result = upt("predict", "waves", "new.npz", "--plot", "p.png")
    assert result.exit_code == 0, result.output
    assert Path("p.png").stat().st_size > 1000
    from PIL import Image

    with Image.open("p.gif") as film:
        assert film.n_frames == 5


def test_an_amplitude_outside_of_training_is_said(run: Path, upt: Upt) -> None:
    waves("loud.npz", 2, 32, scale=4)
    result = upt("predict", "waves", "loud.npz", "-o", "a.npz")
    assert re.search(r"remark: u goes from -3\.99\d to 3\.99\d; training saw -1 to 1", result.stderr)


def test_generated_data_and_plain_arrays(trained: Path, upt: Upt) -> None:
    """An operator whose data set reads no files takes arrays by the names of its fields."""
    x = np.arange(32) / 32
    np.savez("u.npz", u=np.sin(2 * np.pi * x))
    result = upt("predict", "run", "u.npz", "--steps", "3", "-o", "a.npz")
    assert result.exit_code == 0, result.output
    assert loaded("a.npz")["u"].shape == (1, 3, 32)
    np.savez("v.npz", u=np.sin(2 * np.pi * x), w=x)
    message = refused_text(upt, "predict", "run", "v.npz", "-o", "a.npz")
    assert "v.npz: the operator does not know the array 'w'; it takes u, coords, x, t" in message
    np.savez("w.npz", u=np.where(x == x[3], np.nan, x))
    message = refused_text(upt, "predict", "run", "w.npz", "-o", "a.npz")
    assert "w.npz: field 'u' has 1 NaN or infinite values of 32, the first at index (3,)" in message
    Path("text.npz").write_text("no archive")
    assert "text.npz: is not a numpy archive" in refused_text(upt, "predict", "run", "text.npz", "-o", "a.npz")
    message = refused_text(upt, "predict", "run", "u.npz", "data.points=64", "-o", "a.npz")
    assert "is read as plain arrays, so settings of a data set have no effect; remove" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new.npz"], "name an output: -o"),
        (["-o", "a.npz"], "give either INPUT files, or --split"),
        (["new.npz", "--split", "test", "-o", "a.npz"], "give either INPUT files, or --split"),
        (["new.npz", "-o", "a.txt"], "cannot write files that end in '.txt'; use .npz, .h5, .nc"),
        (["new.npz", "fine.npz", "-o", "a.npz"], "several inputs need one output each"),
        (["new.npz", "--at", "p.csv", "--resolution", "4", "-o", "a.npz"], "both set the points to predict at"),
        (
            ["new.npz", "--resolution", "4y", "-o", "a.npz"],
            "expected points along each axis, for example 512 or 128x128",
        ),
        (["new.npz", "--resolution", "4x4", "-o", "a.npz"], "a resolution of 4 x 4 does not fit; expected 1 numbers"),
        (["new.npz", "--at", "p.txt", "-o", "a.npz"], "points are read from .npy, .npz and .csv files"),
        (["new.npz", "--at", "none.csv", "-o", "a.npz"], "none.csv: there is no such file of points; correct --at"),
        (["none.npz", "-o", "a.npz"], "none.npz: there is no such file"),
        (["none.npz", "-o", "out"], "none.npz: there is no such file"),
        (["new.npz", "none.npz", "-o", "out"], "none.npz: there is no such file"),
        (["new.npz", "trainer.epochs=3", "-o", "a.npz"], "only settings of the data set can be set here"),
        (["new.npz", "data.colour=3", "-o", "a.npz"], "colour"),
        (["new.npz", "--plot", "a.pdf"], "plots are written as .png"),
        (["odd.npz", "-o", "a.npz"], "trajectories 0 to 1: GridEncoder cannot take this input"),
        (["moved.npz", "-o", "a.npz"], "these points are up to 9.6 spacings away from it"),
        (["bad.npz", "-o", "a.npz"], "NaN or infinite"),
        (["new.npz", "-o", "waves.yaml/a.npz"], "cannot be written"),
    ],
)
def test_what_cannot_be_answered_is_one_message(shared: Path, upt: Upt, arguments: list[str], message: str) -> None:
    assert message in refused_text(upt, "predict", "waves", *arguments)


@pytest.fixture
def shared(run: Path) -> Path:
    """The run, with files that it cannot take."""
    waves("odd.npz", 2, 30)
    waves("moved.npz", 2, 32, shift=0.3)
    u = waves("bad.npz", 2, 32)
    u[1, 0, 5] = np.nan
    np.savez("bad.npz", u=u, x=np.arange(32) / 32, t=0.1 * np.arange(6))
    return run
