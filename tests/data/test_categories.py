"""Parameters that are names: one condition for each value, from file names, tables, arrays and attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import upt_core
from upt_core import DataError, Experiment
from upt_data.hdf5_arrays import Hdf5
from upt_data.npz import Npz
from upt_data.points import PointClouds

MATERIALS = {"material": ["steel", "copper", "wood"]}
NAMES = ("material=steel", "material=copper", "material=wood")
RNG = np.random.default_rng(0)


def arrays(number: int, **more: Any) -> dict[str, Any]:
    u = RNG.standard_normal((number, 4, 8)).astype(np.float32)
    return {"u": u, "x": np.arange(8) / 8, "t": np.arange(4.0), **more}


def told(data: Npz | Hdf5 | PointClouds) -> list[tuple[float, ...]]:
    assert data.spec().condition[-3:] == NAMES
    whole = data.everything()
    return [tuple(float(whole.read(i, 0, 1).condition[name]) for name in NAMES) for i in range(len(whole))]


def test_names_of_files(tmp_path: Path) -> None:
    for name in ("copper", "steel", "wood"):
        np.savez(tmp_path / f"run_{name}_0.5.npz", **arrays(1))
    pattern = tmp_path / "run_{material}_{nu}.npz"
    data = Npz(path=pattern, conditions=["nu", "material"], categories=MATERIALS)
    assert data.spec().condition == ("nu", *NAMES)
    assert told(data) == [(0, 1, 0), (1, 0, 0), (0, 0, 1)]
    np.savez(tmp_path / "run_glass_0.5.npz", **arrays(1))
    with pytest.raises(
        DataError, match=r"run_glass_0.5.npz: 'material' is 'glass', but 'categories' has steel, copper"
    ):
        Npz(path=pattern, categories=MATERIALS).spec()


def test_a_table(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays(3))
    (tmp_path / "runs.csv").write_text("trajectory,material\n0,wood\n1, steel\n2,copper\n")
    data = Npz(path=tmp_path / "a.npz", table=tmp_path / "runs.csv", categories=MATERIALS)
    assert told(data) == [(0, 0, 1), (1, 0, 0), (0, 1, 0)]
    (tmp_path / "runs.csv").write_text("trajectory,material\n0,wood\n1,glass\n2,copper\n")
    with pytest.raises(DataError, match=r"runs.csv, a.npz: 'material' is 'glass'"):
        told(Npz(path=tmp_path / "a.npz", table=tmp_path / "runs.csv", categories=MATERIALS))


def test_arrays_and_attributes(tmp_path: Path) -> None:
    kinds = np.array(["wood", "copper", "steel"])
    np.savez(tmp_path / "a.npz", **arrays(3, material=kinds))
    expected = [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]
    assert told(Npz(path=tmp_path / "a.npz", conditions=["material"], categories=MATERIALS)) == expected
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, value in arrays(3).items():
            file[name] = value
        file["material"] = [kind.encode() for kind in kinds]
        file.attrs["wall"] = "no-slip"
    walls = {"wall": ["slip", "no-slip"], **MATERIALS}
    data = Hdf5(path=tmp_path / "a.h5", conditions=["wall", "material"], categories=walls)
    assert data.spec().condition == ("wall=slip", "wall=no-slip", *NAMES)
    assert told(data) == expected
    assert data.everything().read(0, 0, 1).condition["wall=no-slip"] == 1.0
    points = {"pos": RNG.random((6, 2)), "u": RNG.random((6, 4)), "ptr": [0, 2, 4, 6], "t": np.arange(4.0)}
    np.savez(tmp_path / "p.npz", **points, material=kinds)
    assert told(PointClouds(path=tmp_path / "p.npz", conditions=["material"], categories=MATERIALS)) == expected


def test_values_over_time(tmp_path: Path) -> None:
    valve = np.array([["open", "open", "shut", "open"]] * 3)
    np.savez(tmp_path / "a.npz", **arrays(3, valve=valve))
    data = Npz(path=tmp_path / "a.npz", conditions=["valve"], categories={"valve": ["open", "shut"]})
    read = data.everything().read(0, 1, 4)
    assert np.array_equal(np.asarray(read.condition["valve=shut"]), [0, 1, 0])
    assert np.array_equal(np.asarray(read.condition["valve=open"]), [1, 0, 1])


def test_a_list_of_values_must_tell_something() -> None:
    with pytest.raises(ValueError, match="'material' has the values .* give at least two, each once"):
        Npz(path=Path("a.npz"), categories={"material": ["steel", "steel"]})


def test_a_run_is_told_names_and_an_operator_asked_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays(6, material=np.array(["wood", "copper", "steel"] * 2)))
    settings = {
        "data": {
            "name": "npz",
            "path": str(tmp_path / "a.npz"),
            "periodic": True,
            "conditions": ["material"],
            "categories": MATERIALS,
        },
        "model": {
            "latent": {"tokens": 2, "dim": 8},
            "encoder": {"name": "grid", "patch": 4, "depth": 1},
            "approximator": {"name": "transformer", "depth": 1},
            "decoder": {"name": "perceiver", "depth": 1},
        },
        "losses": {"forward": {"name": "forward"}},
        "trainer": {"epochs": 1, "batch_size": 4, "device": "cpu", "optimizer": {"name": "adamw", "lr": 0.1}},
        "validation": {"metrics": {"rmse": "rmse"}},
    }
    Experiment.from_dict(settings).train(tmp_path / "run")
    operator = upt_core.load(tmp_path / "run")
    u = np.ones(8, dtype=np.float32)
    by_name = {kind: operator.predict({"u": u}, conditions={"material": kind})["u"] for kind in MATERIALS["material"]}
    numbers = {"material=steel": 0.0, "material=copper": 1.0, "material=wood": 0.0}
    assert np.array_equal(by_name["copper"], operator.predict({"u": u}, conditions=numbers)["u"])
    assert not np.array_equal(by_name["copper"], by_name["wood"])
    with pytest.raises(DataError, match="condition 'material' is 'glass'; the operator knows: steel, copper, wood"):
        operator.predict({"u": u}, conditions={"material": "glass"})
