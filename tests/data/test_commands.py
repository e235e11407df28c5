"""``upt data``: what it understands of files, what it finds wrong in them, and conversion to zarr."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from upt_core import Dataset
from upt_core.cli import main
from upt_core.registry.discovery import installed

Upt = Callable[..., Result]
X, T = np.arange(16) / 16, np.linspace(0, 1, 6)
U = np.random.default_rng(0).standard_normal((10, 6, 16))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def upt(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["data", *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def section(text: str) -> dict[str, Any]:
    """The ``data`` section at the end of an output."""
    found: dict[str, Any] = yaml.safe_load(text[text.index("data:") :])["data"]
    return found


def built(settings: dict[str, Any]) -> Dataset:
    own = dict(settings)
    dataset: Dataset = installed().find("dataset", own.pop("name")).load()(**own)
    return dataset


def known(data: Dataset) -> dict[str, torch.Tensor]:
    """All trajectories of all splits, by a value of theirs."""
    found = {}
    for split in ("train", "valid", "test"):
        part = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(part)):
            value = next(iter(part.read(index, 0, part.num_times(index)).fields.values()))
            found[f"{value.flatten()[0]:.8f}"] = value
    return found


def own_hdf5() -> str:
    with h5py.File("sim.h5", "w") as file:
        for seed, split in enumerate(("train", "valid")):
            file[f"{split}/u"] = np.random.default_rng(seed).random((8, 6, 4, 4))
        file["x"], file["t"] = np.arange(4) / 4, T
    return "sim.h5"


def archive(**more: Any) -> str:
    np.savez("a.npz", **({"u": U, "x": X, "t": T} | more))
    return "a.npz"


def folder() -> str:
    Path("sims").mkdir()
    for number in range(5):
        np.savez(f"sims/{number}.npz", u=U[number : number + 1], x=X, t=T)
    return "sims"


def images() -> str:
    Path("film").mkdir()
    for step in range(8):
        Image.fromarray(np.full((4, 4), step, dtype=np.uint8)).save(f"film/{step}.png")
    return "film"


def points() -> str:
    np.savez("p.npz", pos=np.random.default_rng(0).random((20, 2)), ptr=[0, 5, 9, 15, 20], t=T, u=np.ones((20, 6)))
    return "p.npz"


def pair() -> str:
    torch.save({"x": torch.rand(9, 8), "y": torch.rand(9, 8)}, "pair.pt")
    return "pair.pt"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (archive, {"name": "npz", "inputs": ["u"]}),
        (lambda: archive(nu=np.arange(10.0)), {"name": "npz", "inputs": ["u"], "conditions": ["nu"]}),
        (lambda: archive(u=U.astype(complex)), {"name": "npz", "inputs": ["u"], "complex": "channels"}),
        (lambda: archive(u=U[:1]), {"name": "npz", "inputs": ["u"], "split_by": "time"}),
        (lambda: archive(time=T, t=np.ones(3)), {"name": "npz", "inputs": ["u"]}),
        (folder, {"name": "npz", "inputs": ["u"]}),
        (images, {"name": "frames", "split_by": "time"}),
        (points, {"name": "points", "inputs": ["u"]}),
        (pair, {"name": "neuraloperator"}),
        (own_hdf5, {"name": "hdf5", "group": "train", "valid_group": "valid", "inputs": ["u"], "axes": ["x", "x"]}),
    ],
)  # fmt: skip
def test_info_proposes_what_reads_the_file(make: Callable[[], str], expected: dict[str, Any]) -> None:
    path = make()
    if expected == {"name": "npz", "inputs": ["u"]} and path == "a.npz" and "time" in np.load(path):
        upt("info", path, code=2)  # 't' is no row of times here: the guess is shown, and why it fails
        return
    text = upt("info", path)
    assert section(text) == {"path": path, **expected}
    assert known(built(section(text)))


def bare(**arrays: Any) -> str:
    np.savez("bare.npz", **arrays)
    return "bare.npz"


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"u": U}, {"inputs": ["u"], "extent": [1.0], "time_step": 1.0}),
        ({"u": U[..., :8, None] * X}, {"inputs": ["u"], "extent": [1.0, 1.0], "time_step": 1.0}),
        ({"u": U, "t": T}, {"inputs": ["u"], "extent": [1.0]}),
        ({"a": U, "u": U}, {"inputs": ["a"], "targets": ["u"], "steady": True, "extent": [1.0, 1.0]}),
    ],
    ids=["one field, 1-D", "one field, 2-D", "times", "two fields"],
)
def test_a_file_without_coordinates_is_guessed(arrays: dict[str, Any], expected: dict[str, Any]) -> None:
    """A field alone has times; of two, one is predicted from the other."""
    found = section(upt("info", bare(**arrays)))
    assert found == {"path": "bare.npz", "name": "npz", **expected}
    assert known(built(found))


@pytest.mark.parametrize("command", ["info", "init"])
def test_a_file_without_fields_is_refused_in_words(command: str) -> None:
    text = upt(command, bare(x=X, u=np.ones((10, 7, 3))), code=2)
    assert "no array looks like a field on a grid: (trajectories, times, *grid)" in text
    assert "u (10, 7, 3)" in text
    assert "set data.inputs, and data.time_step and data.extent if needed" in text


def test_info_says_what_was_understood() -> None:
    archive(lat=X[::-1], nu=np.arange(10.0))
    text = upt("info", "a.npz", "--plot", "a.png")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.split()}
    assert rows["u"] == "(10, 6, 16) float64"
    assert (rows["inputs"], rows["points"], rows["conditions"]) == ("u", "16", "nu")
    assert rows["times"] == "6 time steps, from 0 to 1"
    assert rows["splits"] == "8 train, 1 valid, 1 test"
    with Image.open("a.png") as picture:
        assert picture.size == (800, 300)
    found = json.loads(upt("info", "a.npz", "--json"))
    assert (found["data"]["name"], found["memory"]) == ("npz", "0.00768 MB, 0.000768 MB a trajectory")


def test_info_of_what_cannot_be_read() -> None:
    Path("a.docx").touch()
    assert ("a.docx: no data set reads files with this ending; known endings are .cdf, .h5") in upt(
        "info", "a.docx", code=2
    )
    assert "gone.npz: expected a file, but it does not exist" in upt("info", "gone.npz", code=2)
    archive(v=np.ones(3))
    assert "no dataset is called 'nz'" in upt("info", "a.npz", "--as", "nz", code=2)


def test_check_finds_what_spoils_training() -> None:
    bad = U.copy()
    bad[3, 2, 5] = np.nan
    bad[4] = bad[5]
    bad[6] *= 1e4
    archive(u=bad, rho=np.ones_like(U))
    Path("c.yaml").write_text("data: {name: npz, path: a.npz, inputs: [u, rho]}\n")
    text = upt("check", "a.npz", code=1)
    rows = [line.split("   ") for line in text.splitlines()[1:]]
    kinds = [row[0].strip() for row in rows]
    assert sorted(kinds) == ["constant", "duplicate", "not finite", "outlier"]
    by_kind = dict(zip(kinds, text.splitlines()[1:], strict=True))
    assert "a.npz, trajectory 3" in by_kind["not finite"]
    assert "time step 2: 1 of 16 values" in by_kind["not finite"]
    assert "a.npz, trajectory 5 (train)" in by_kind["duplicate"]
    assert "begins exactly like a.npz, trajectory 4 (train)" in by_kind["duplicate"]
    assert "a.npz, trajectory 6" in by_kind["outlier"]
    assert "rho" in by_kind["constant"]
    assert "channel 0 is 1 everywhere" in by_kind["constant"]
    found = json.loads(upt("check", "a.npz", "--json", code=1))[""]
    assert sorted(one["kind"] for one in found) == sorted(kinds)


def test_check_finds_leaks_between_splits_of_an_experiment() -> None:
    archive()
    np.savez("test.npz", u=U[:3], x=X, t=T)
    Path("c.yaml").write_text(
        """\
data: {name: npz, path: a.npz, test_path: test.npz}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 4}
  approximator: {name: transformer}
  decoder: {name: perceiver}
losses: {forward: forward}
trainer: {epochs: 1, batch_size: 4, optimizer: {name: adamw}}
validation: {metrics: {rmse: rmse}}
"""
    )
    text = upt("check", "c.yaml", code=1)
    leaks = [line for line in text.splitlines() if line.startswith("leak")]
    assert len(leaks) == 3
    assert all("test.npz, trajectory" in line and "begins exactly like a.npz" in line for line in leaks)
    assert upt("check", "a.npz") == "nothing found\n"


@pytest.mark.parametrize("make", [archive, points, pair, own_hdf5])
def test_convert_keeps_every_value(make: Callable[[], str]) -> None:
    pytest.importorskip("zarr")
    path = make()
    settings = section(upt("convert", path, "out.zarr"))
    before, after = known(built(section(upt("info", path)))), known(built(settings))
    assert set(after) <= set(before)
    assert all(torch.equal(after[name], before[name]) for name in after)
    assert "out.zarr: already exists; remove it" in upt("convert", path, "out.zarr", code=2)
    assert "the name of the store must end in .zarr" in upt("convert", path, "out.h5", code=2)


def test_convert_keeps_lengths_conditions_and_chunks() -> None:
    zarr = pytest.importorskip("zarr")
    early = U.copy()
    early[2, 4:] = np.nan
    archive(u=early, nu=np.arange(10.0), force=np.arange(60.0).reshape(10, 6))
    Path("c.yaml").write_text("data: {name: npz, path: a.npz, conditions: [nu, force]}\n")
    settings = section(upt("convert", "a.npz", "out.zarr", "--chunk-mb", "0.01"))
    assert settings["lengths"] == "lengths"
    assert settings["conditions"] == ["nu"]
    data = built(settings)
    for split in ("train", "valid", "test"):
        part = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(part)):
            assert part.num_times(index) == (4 if part.read(index, 0, 1).condition["nu"] == 2 else 6)
    assert zarr.open_group("out.zarr")["u"].chunks == (1, 6, 16, 1)


def test_info_proposes_holes_where_values_are_missing_always() -> None:
    missing = U.copy()
    missing[:, :, 3:5] = np.nan
    np.savez("holes.npz", u=missing, x=X, t=T)
    text = upt("info", "holes.npz")
    assert section(text)["holes"] == "nan"
    assert "2 of the 16 points of its first trajectory are holes" in text
    damaged = U.copy()
    damaged[0, 0, 2] = np.nan
    np.savez("damaged.npz", u=damaged, x=X, t=T)
    found = CliRunner().invoke(main, ["data", "info", "damaged.npz"])
    assert found.exit_code != 0
    assert "holes: nan" not in found.output.split("error:")[0]
    ending = U.copy()
    ending[1::2, 4:] = np.nan
    np.savez("ending.npz", u=ending, x=X, t=T)
    assert "holes" not in section(upt("info", "ending.npz"))
    ragged = np.where(np.arange(40)[:, None] % 7 == 0, np.nan, np.random.default_rng(0).random((40, 6)))
    pos = np.random.default_rng(1).random((40, 2))
    np.savez("points.npz", pos=pos, ptr=np.arange(5) * 10, u=ragged, t=T)
    assert section(upt("info", "points.npz"))["holes"] == "nan"


def test_info_proposes_categories_of_names_and_of_codes() -> None:
    metal = np.array(["steel", "copper"] * 5)
    code, size = np.arange(10) % 3, np.arange(10) * 100
    name = np.array([f"run {number}" for number in range(10)])
    np.savez("a.npz", u=U, x=X, t=T, metal=metal, code=code, size=size, name=name)
    found = section(upt("info", "a.npz"))
    assert found["categories"] == {"metal": ["copper", "steel"], "code": ["0", "1", "2"]}
    assert sorted(found["conditions"]) == ["code", "metal", "size"]
    assert set(built(found).spec().condition) == {"metal=copper", "metal=steel", "code=0", "code=1", "code=2", "size"}
    with h5py.File("a.h5", "w") as file:
        file["u"], file["x"], file["t"], file["metal"] = U, X, T, metal.astype("S")
    assert section(upt("info", "a.h5"))["categories"] == {"metal": ["copper", "steel"]}


def test_pairs_are_examined_and_not_converted() -> None:
    archive()
    np.savez("b.npz", p=U[..., ::2], x=X[::2], t=T)
    data = {"name": "paired", "inputs": {"name": "npz", "path": "a.npz"}}
    data["targets"] = {"name": "npz", "path": "b.npz", "inputs": ["p"]}
    model = {
        "latent": {"tokens": 4, "dim": 8},
        "encoder": {"name": "supernode"},
        "approximator": {"name": "transformer"},
        "decoder": {"name": "perceiver"},
    }
    trainer = {"epochs": 1, "batch_size": 2, "optimizer": {"name": "adamw", "lr": 1e-3}}
    config = {"data": data, "model": model, "losses": {"forward": {"name": "forward"}}, "trainer": trainer}
    config["validation"] = {"metrics": {"rmse": {"name": "rmse"}}}
    Path("pair.yaml").write_text(yaml.safe_dump(config))
    assert "nothing found" in upt("check", "pair.yaml")
    refused = CliRunner().invoke(main, ["data", "convert", "pair.yaml", "out.zarr"])
    assert refused.exit_code != 0
    assert "which one store cannot hold; convert each data set separately" in refused.output


@pytest.mark.parametrize("command", ["info", "init"])
def test_scattered_points_in_a_file_for_each_trajectory_are_named(command: str) -> None:
    Path("clouds").mkdir()
    for number, size in enumerate((30, 40)):
        place = np.random.default_rng(number).random((size, 2))
        np.savez(f"clouds/{number}.npz", coords=place, temperature=np.ones((6, size)), time=T)
    output = upt(command, "clouds", code=2)
    assert "'coords' (30, 2) looks like positions of scattered points, with values in 'temperature'" in output
    assert "pos (rows, axes), ptr (trajectories + 1), fields (rows, times), t; docs/data.md shows how" in output


def test_settings_behind_the_files_replace_what_is_guessed() -> None:
    archive(v=U)
    found = section(upt("info", "a.npz", "data.inputs=[v]", "data.periodic=true"))
    assert (found["inputs"], found["periodic"]) == (["v"], True)
    vectors = ("data.vectors={w: [u, v]}", "data.inputs=[w]")
    upt("init", "a.npz", *vectors, "-o", "own.yaml")
    assert yaml.safe_load(Path("own.yaml").read_text())["data"]["vectors"] == {"w": ["u", "v"]}
    assert "nothing found" in upt("check", "a.npz", "data.inputs=[u]")
    assert "nothing found" in upt("check", "own.yaml", "data.inputs=[u]", "data.vectors={}")
    upt("convert", "a.npz", "data.inputs=[v]", "a.zarr")
    assert section(upt("info", "a.zarr"))["inputs"] == ["v"]
    assert section(upt("info", "a.npz", "data.name=npz"))["name"] == "npz"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("inputs=[v]", "inputs=[v]: only settings of the data set can be set here, as data.KEY=VALUE"),
        ("trainer.epochs=2", "trainer.epochs=2: only settings of the data set can be set here, as data.KEY=VALUE"),
        ("data.inptus=[v]", "data.inptus: unknown key"),
        ("data.inputs=[w]", "there is no array called 'w'"),
        ("data.periodic=maybe", "data.periodic: expected true or false or a list"),
        ("data.name=oops", "oops"),
    ],
)
def test_settings_that_cannot_be_are_refused(argument: str, message: str) -> None:
    archive()
    assert message in upt("info", "a.npz", argument, code=2)


def test_settings_alone_are_refused() -> None:
    assert "data.inputs=[v]: this is a setting, and no file was named" in upt("info", "data.inputs=[v]", code=2)


def test_patterns_with_an_equals_sign_are_files() -> None:
    for number in range(4):
        np.savez(f"nu={number}.npz", u=U[number : number + 1], x=X, t=T)
    assert section(upt("info", "nu=*.npz"))["path"] == "nu=*.npz"
    assert "conditions   nu" in upt("info", "nu={nu}.npz")
    assert "nu=9*.npz: no file fits this pattern" in upt("info", "nu=9*.npz", code=2)


def test_files_of_several_formats_are_refused_by_name() -> None:
    archive()
    images()
    text = upt("info", "a.npz", "film", code=2)
    assert "a.npz is read as npz, film as frames: a data set reads files of one format" in text
    torch.save({"x": torch.ones(3, 8), "y": torch.ones(3, 8)}, "b.pt")
    assert "b.pt is read as torch, a.npz as npz" in upt("info", "b.pt", "a.npz", code=2)
    assert "gone.npz: expected a file, but it does not exist" in upt("info", "a.npz", "gone.npz", code=2)


def test_a_folder_of_several_formats_is_refused_with_the_pattern_that_cures_it() -> None:
    Path("both").mkdir()
    Path(archive()).rename("both/b.npz")
    torch.save({"x": torch.ones(3, 8), "y": torch.ones(3, 8)}, "both/a.pt")
    text = upt("info", "both", code=2)
    assert "both/a.pt is read as torch, both/b.npz as npz: a data set reads files of one format" in text
    assert "with a pattern such as 'DIR/*.pt'" in text
    assert section(upt("info", "both/*.npz"))["name"] == "npz"
    assert section(upt("info", "both", "--as", "npz"))["name"] == "npz"
