"""the_well: fields by rank, parameters, boundaries and splits of small files of its format, and the genuine ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from upt_core import DataError, Trajectory
from upt_data.the_well import TheWell

RNG = np.random.default_rng(0)
VELOCITY = RNG.random((4, 5, 6, 3, 2)).astype(np.float32)
PRESSURE = RNG.random((4, 5, 6, 3)).astype(np.float32)
SOURCE = RNG.random(3).astype(np.float32)


def varying(sample: bool, time: bool, x: bool = True, y: bool = True) -> dict[str, Any]:
    return {"sample_varying": sample, "time_varying": time, "dim_varying": [x, y]}


def put(file: h5py.File, group: str, name: str, value: Any, attributes: dict[str, Any]) -> None:
    file[f"{group}/{name}"] = value
    file[f"{group}/{name}"].attrs.update(attributes)
    listed = [*file[group].attrs.get("field_names", []), name]
    file[group].attrs["field_names"] = listed


def write(path: Path, change: Callable[[h5py.File], None] = lambda file: None, mach: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update({"n_trajectories": 4, "n_spatial_dims": 2, "grid_type": "cartesian"})
        put(file, "t0_fields", "pressure", PRESSURE, varying(True, True))
        put(file, "t0_fields", "source", SOURCE, varying(False, False, x=False))
        put(file, "t1_fields", "velocity", VELOCITY, varying(True, True))
        for name, num in (("x", 6), ("y", 3), ("time", 5)):
            file[f"dimensions/{name}"] = np.arange(num, dtype=np.float32)
        file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
        put(file, "scalars", "Mach", mach, {"sample_varying": False, "time_varying": False})
        put(file, "scalars", "drag", np.arange(4.0), {"sample_varying": True, "time_varying": False})
        put(file, "scalars", "energy", np.tile(np.arange(5.0), (4, 1)), {"sample_varying": True, "time_varying": True})
        for name, kind in (("x", "PERIODIC"), ("y", "WALL")):
            boundary = file.create_group(f"boundary_conditions/{name}_{kind}")
            boundary["mask"] = np.ones(6 if name == "x" else 3, dtype=bool)
            boundary.attrs.update({"bc_type": kind, "associated_dims": [name]})
        change(file)
    return path


def wholes(data: TheWell) -> list[Trajectory]:
    found = []
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        found += [trajectories.read(i, 0, trajectories.num_times(i)) for i in range(len(trajectories))]
    return found


def test_fields_parameters_and_boundaries(tmp_path: Path) -> None:
    data = TheWell(path=write(tmp_path / "a.hdf5"))
    spec = data.spec()
    assert [(field.name, field.channels) for field in spec.inputs] == [("pressure", 1), ("velocity", 2), ("source", 1)]
    assert [field.name for field in spec.targets] == ["pressure", "velocity"]
    assert (spec.grid_shape, spec.periodic, spec.condition) == ((6, 3), (True, False), ("Mach", "drag"))
    for whole in wholes(data):
        number = round(whole.condition["drag"])
        assert whole.condition["Mach"] == pytest.approx(0.3)
        assert np.array_equal(whole.fields["velocity"].numpy(), VELOCITY[number].reshape(5, 18, 2))
        assert np.array_equal(whole.fields["pressure"].numpy(), PRESSURE[number].reshape(5, 18, 1))
        assert np.array_equal(whole.fields["source"].numpy().reshape(6, 3), np.tile(SOURCE, (6, 1)))


def test_a_folder_of_a_data_set_has_its_own_splits(tmp_path: Path) -> None:
    for split, values in {"train": (0.1, 0.2), "valid": (0.3,), "test": (0.4,)}.items():
        for mach in values:
            write(tmp_path / "data" / split / f"mach_{mach}.hdf5", mach=mach)
    data = TheWell(path=tmp_path)
    found = {}
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        found[split] = {round(trajectories.read(i, 0, 1).condition["Mach"], 3) for i in range(len(trajectories))}
    assert found == {"train": {0.1, 0.2}, "valid": {0.3}, "test": {0.4}}
    for item in (tmp_path / "data" / "test").iterdir():
        item.unlink()
    (tmp_path / "data" / "test").rmdir()
    assert [len(data.trajectories(split)) for split in ("train", "valid", "test")] == [8, 4, 4]  # type: ignore[arg-type]
    again = TheWell(path=tmp_path)  # without a folder of its own, the test split is part of the training files
    assert [len(again.trajectories(split)) for split in ("train", "valid", "test")] == [7, 4, 1]  # type: ignore[arg-type]


def test_chosen_fields_and_conditions(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5")
    spec = TheWell(path=path, fields=["velocity"], conditions=["drag"]).spec()
    assert [field.name for field in spec.fields] == ["velocity"]
    assert spec.condition == ("drag",)
    with pytest.raises(DataError, match="there is no field density; found: pressure, source, velocity"):
        TheWell(path=path, fields=["density"]).spec()
    with pytest.raises(DataError, match="no field that is used changes in time; name one of"):
        TheWell(path=path, fields=["source"]).spec()
    energy = TheWell(path=path, conditions=["energy"], time_stride=2).trajectories("train").read(0, 1, 3)
    assert energy.condition["energy"].tolist() == [2.0, 4.0]  # type: ignore[union-attr]


def replace(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        attributes = dict(file[name].attrs)
        del file[name]
        if value is not None:
            file[name] = value
            file[name].attrs.update(attributes)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.pop("n_trajectories"), "not a file of The Well, which has the attributes"),
        (replace("dimensions/time", None), "not a file of The Well, .* the array dimensions/time; found"),
        (lambda file: file.attrs.update(grid_type="spherical"), "its grid is spherical; upt takes cartesian grids"),
        (replace("t1_fields/velocity", None), "the field 't1_fields/velocity' is listed, but missing"),
        (
            replace("t1_fields/velocity", VELOCITY[..., :1]),
            r"velocity': shape \(4, 5, 6, 3, 1\), but .* \(4, 5, 6, 3, 2\)",
        ),
        (replace("t0_fields/pressure", PRESSURE[:3]), r"pressure': shape \(3, 5, 6, 3\), but"),
        (lambda file: file["t0_fields/pressure"].attrs.pop("time_varying"), "lacks the attribute time_varying"),
        (replace("dimensions/time", np.ones((3, 5)) * np.arange(5)), "has 3 rows for 4 trajectories"),
        (replace("scalars/drag", np.ones(3)), "'scalars/drag' has shape .* one number for each trajectory"),
    ],
)
def test_what_is_not_of_the_format(tmp_path: Path, change: Callable[[h5py.File], None], message: str) -> None:
    with pytest.raises(DataError, match=f"bad.hdf5.*{message}"):
        TheWell(path=write(tmp_path / "bad.hdf5", change)).spec()


def test_a_mask_inside_the_domain_is_said(tmp_path: Path) -> None:
    def inside(file: h5py.File) -> None:
        wall = file.create_group("boundary_conditions/body")
        wall["mask"] = np.ones((6, 3), dtype=bool)
        wall.attrs.update({"bc_type": "WALL", "associated_dims": ["x", "y"]})

    data = TheWell(path=write(tmp_path / "a.hdf5", inside))
    data.spec()
    assert data.remarks()[0].endswith(
        "the boundary 'body' has a mask inside the domain; its points are kept (holes: body leaves them out)"
    )


@pytest.mark.parametrize("holes", ["body", "wall"])
def test_points_inside_a_body_are_left_out(tmp_path: Path, holes: str) -> None:
    body = np.zeros((6, 3), dtype=bool)
    body[2:4, 1] = True

    def inside(file: h5py.File) -> None:
        wall = file.create_group("boundary_conditions/body")
        wall["mask"] = body
        wall.attrs.update({"bc_type": "WALL", "associated_dims": ["x", "y"]})
        put(file, "t0_fields", "wall", body.astype(np.float32), varying(False, False))

    path = write(tmp_path / "a.hdf5", inside)
    data = TheWell(path=path, holes=holes)
    assert "wall" not in [field.name for field in data.spec().inputs] or holes == "body"
    for whole in wholes(data):
        number = round(whole.condition["drag"])
        assert np.array_equal(whole.fields["pressure"].numpy(), PRESSURE[number].reshape(5, 18, 1)[:, ~body.ravel()])
        assert whole.coords_NX.shape == (16, 2)
    assert any("2 of the 18 points of its first trajectory are holes" in text for text in data.remarks())
    with pytest.raises(
        DataError,
        match="no scalar field 'sand', and no boundary with a mask of the domain; found: body, pressure, source",
    ):
        TheWell(path=path, holes="sand").spec()


def test_files_of_different_problems(tmp_path: Path) -> None:
    write(tmp_path / "a.hdf5")
    write(tmp_path / "b.hdf5", lambda file: file["boundary_conditions/x_PERIODIC"].attrs.update(bc_type="WALL"))
    with pytest.raises(
        DataError, match=r"b.hdf5: has periodic axes \(False, False\), but .*a.hdf5 has \(True, False\)"
    ):
        TheWell(path=tmp_path).spec()


@pytest.mark.parametrize(
    ("name", "channels", "condition"),
    [
        ("mini_shear_layer", 8, ("Mach", "Viscosity")),
        ("mini_heterogeneous_diffusion", 3, ("source_width", "mean_diffusivity")),
    ],
)
def test_genuine_files(real_data: Path, name: str, channels: int, condition: tuple[str, ...]) -> None:
    folder = real_data / "the_well" / name
    data = TheWell(path=folder)
    assert (data.spec().channels, data.spec().condition) == (channels, condition)
    first = sorted((folder / "data" / "train").iterdir())[0]
    with h5py.File(first) as file:
        group = next(group for group in ("t1_fields", "t0_fields") if len(file[group].attrs["field_names"]))
        name = file[group].attrs["field_names"][0]
        values = file[group][name][:]
    found = [whole.fields[name].numpy().ravel() for whole in wholes(data)]
    assert all(any(np.array_equal(value.ravel(), one) for one in found) for value in values)
