"""Every reader of files refuses every kind of bad file with one message: the place, what was found, what to do."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core import DataError
from upt_core.commands import PreparedData, installed

NUM, TIMES, POINTS = 6, 5, 8
RNG = np.random.default_rng(0)
VALUES = RNG.random((NUM, TIMES, POINTS)).astype("f4")
X, T = np.arange(POINTS) / POINTS, np.arange(TIMES) / TIMES

Arrays = dict[str, Any]
Write = Callable[[Path, Arrays], None]


def arrays() -> Arrays:
    return {"u": VALUES.copy(), "x": X.copy(), "t": T.copy()}


def write_npz(path: Path, found: Arrays) -> None:
    np.savez(path, **found)


def write_hdf5(path: Path, found: Arrays) -> None:
    with h5py.File(path, "w") as file:
        for name, value in found.items():
            file[name] = value


def write_zarr(path: Path, found: Arrays) -> None:
    import zarr

    group = zarr.open_group(path, mode="w")
    for name, value in found.items():
        group.create_array(name, data=value)


def write_netcdf(path: Path, found: Arrays) -> None:
    import xarray

    dims = {"u": ("trajectory", "t", "x"), "x": ("x",), "t": ("t",)}
    sizes: dict[str, set[int]] = {}
    for name, value in found.items():
        for dim, size in zip(dims.get(name, ()), np.shape(value), strict=False):
            sizes.setdefault(dim, set()).add(size)
    odd = {dim for dim, lengths in sizes.items() if len(lengths) > 1}  # the format itself keeps lengths alike
    variables = {
        name: ([f"{dim}_of_{name}" if dim in odd else dim for dim in dims[name][: np.ndim(value)]], value)
        for name, value in found.items()
    }
    xarray.Dataset(variables).to_netcdf(path, engine="h5netcdf")


def write_mat(path: Path, found: Arrays) -> None:
    from scipy.io import savemat

    savemat(path, found)


def write_pdebench(path: Path, found: Arrays) -> None:
    names = {"u": "tensor", "x": "x-coordinate", "t": "t-coordinate"}
    write_hdf5(path, {names.get(name, name): value for name, value in found.items()})


def write_the_well(path: Path, found: Arrays) -> None:
    names = {"u": "t0_fields/u", "x": "dimensions/x", "t": "dimensions/time"}
    write_hdf5(path, {names.get(name, name): value for name, value in found.items()})
    with h5py.File(path, "a") as file:
        file.attrs.update({"n_spatial_dims": 1, "n_trajectories": NUM})
        file.require_group("dimensions").attrs["spatial_dims"] = ["x"]
        for group in ("t0_fields", "t1_fields", "t2_fields", "scalars"):
            file.require_group(group).attrs["field_names"] = ["u"] if f"{group}/u" in file else []
        if "t0_fields/u" in file:
            flags = {"sample_varying": True, "time_varying": True, "dim_varying": [True]}
            file["t0_fields/u"].attrs.update(flags)


def write_neuraloperator(path: Path, found: Arrays) -> None:
    u = found.get("u")
    torch.save({} if u is None else {"x": _tensor(u[:, 0]), "y": _tensor(u)}, path)


def write_points(path: Path, found: Arrays) -> None:
    ragged = {"pos": np.tile(X, NUM)[:, None], "ptr": np.arange(NUM + 1) * POINTS, "t": found["t"]}
    if "x" in found and len(found["x"]) != POINTS:
        ragged["pos"] = ragged["pos"][:-1]
    if "u" in found:
        ragged["u"] = found["u"].transpose(0, 2, 1).reshape(-1, found["u"].shape[1])
    np.savez(path, **ragged)


def write_point_cases(path: Path, found: Arrays) -> None:
    cases = [{"pos": torch.tensor(X[:, None])} for _ in range(NUM)]
    for number, case in enumerate(cases) if "u" in found else ():
        case["u"] = _tensor(found["u"][number, 0])
    torch.save(cases, path)


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if value.dtype.kind in "fiu" else value.tolist()


WRITERS: dict[str, tuple[str, Write, dict[str, Any]]] = {
    "npz": ("a.npz", write_npz, {}),
    "hdf5": ("a.h5", write_hdf5, {}),
    "zarr": ("a.zarr", write_zarr, {}),
    "netcdf": ("a.nc", write_netcdf, {}),
    "mat": ("a.mat", write_mat, {}),
    "pdebench": ("a.hdf5", write_pdebench, {}),
    "the_well": ("a.hdf5", write_the_well, {}),
    "neuraloperator": ("a.pt", write_neuraloperator, {}),
    "points": ("a.npz", write_points, {"extent": [1.0], "origin": [0.0]}),
    "point_cases": ("a.pt", write_point_cases, {"inputs": ["u"], "targets": ["u"], "positions": "pos"}),
}


def bad_values(value: float) -> Callable[[], Arrays]:
    def made() -> Arrays:
        found = arrays()
        found["u"][:, 0, 2] = value
        return found

    return made


def without_field() -> Arrays:
    found = arrays()
    del found["u"]
    return found


def of_text() -> Arrays:
    found = arrays()
    found["u"] = np.full((NUM, TIMES, POINTS), b"a")
    return found


def of_other_lengths() -> Arrays:
    return arrays() | {"x": np.arange(POINTS + 3) / POINTS}


def of_one_axis() -> Arrays:
    return arrays() | {"u": VALUES.reshape(-1)}


CONTENTS: dict[str, tuple[Callable[[], Arrays], str]] = {
    "NaN": (bad_values(np.nan), r"NaN or infinite"),
    "infinite": (bad_values(np.inf), r"NaN or infinite"),
    "no field": (without_field, r"."),
    "text": (of_text, r"."),
    "other lengths": (of_other_lengths, r"."),
    "one axis": (of_one_axis, r"."),
}
CANNOT_HOLD = {
    "zarr": ("text",),  # format 3 has no final form of it, as zarr itself warns
    "neuraloperator": ("other lengths", "one axis"),
    "points": ("one axis",),
    "point_cases": ("other lengths", "one axis"),
}
CURES = (
    "remove", "correct", "name", "write", "fetch", "copy", "give", "choose", "convert", "store", "install", "read it",
    "allow", "save", "reads files", "use ", "set ",
)  # fmt: skip
"""One of these begins what to do."""


def read(name: str, path: Path | str) -> None:
    settings = WRITERS[name][2]
    data = PreparedData(installed().load("dataset", name)(path=path, **settings))
    data.check_splits()


def message_of(name: str, path: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        read(name, path)
    message = str(caught.value)
    assert Path(path).name in message, "the place"
    assert any(cure in message for cure in CURES), message
    assert "npz" not in message or Path(path).suffix == ".npz", f"a reader is there already: {message}"
    assert "Traceback" not in message
    assert "\n" not in message.strip() or name == "the_well", "one message"
    return message


@pytest.fixture(params=list(WRITERS))
def name(request: pytest.FixtureRequest) -> str:
    needs = {"zarr": "zarr", "netcdf": "h5netcdf", "mat": "scipy"}.get(request.param)
    if needs is not None:
        pytest.importorskip(needs)
    named: str = request.param
    return named


def written(name: str, folder: Path, found: Arrays) -> Path:
    path = folder / WRITERS[name][0]
    WRITERS[name][1](path, found)
    return path


def test_a_sound_file_is_read(tmp_path: Path, name: str) -> None:
    read(name, written(name, tmp_path, arrays()))


@pytest.mark.parametrize("kind", CONTENTS)
def test_bad_content(tmp_path: Path, name: str, kind: str) -> None:
    if kind in CANNOT_HOLD.get(name, ()):
        pytest.skip("the format cannot hold this")
    make, match = CONTENTS[kind]
    path = written(name, tmp_path, make())
    message = message_of(name, path)
    assert re.search(match, message), message


@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "of another format", "remote"])
def test_bad_files(tmp_path: Path, name: str, kind: str) -> None:
    path = written(name, tmp_path, arrays())
    if kind == "remote":
        message = message_of(name, f"https://example.org/data/{path.name}")
        assert "upt reads only local files; download it first" in message
        return
    if path.is_dir():
        _spoil_store(path, kind)
    elif kind == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2]}.get(kind, b"some text\n" * 100))
    message = message_of(name, path)
    if kind == "missing":
        assert "does not exist" in message


def _spoil_store(path: Path, kind: str) -> None:
    """A store is a folder: its parts are spoilt."""
    if kind == "missing":
        shutil.rmtree(path)
    elif kind == "truncated":
        for chunk in (path / "u" / "c").rglob("*"):
            if chunk.is_file():
                chunk.write_bytes(chunk.read_bytes()[:-5])
    else:
        for item in path.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        if kind == "of another format":
            (path / "readme.txt").write_text("some text")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path, name: str) -> None:
    path = written(name, tmp_path, arrays())
    path.chmod(0)
    try:
        message_of(name, path)
    finally:
        path.chmod(0o700)
