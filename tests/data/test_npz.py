"""npz: fields with and without times and channels, the genuine archives, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import DataError
from upt_data.npz import Npz

Arrays = dict[str, Any]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def read_everything(data: Npz) -> None:
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(trajectories)):
            trajectories.read(index, 0, trajectories.num_times(index))


def flow(**changes: Any) -> Arrays:
    arrays = {"u": noise(10, 5, 6, 4, 2), "x": np.arange(6.0), "y": np.arange(4.0) / 4, "t": np.arange(5.0) / 10}
    arrays |= {"viscosity": np.linspace(1, 2, 10), "kappa": noise(10, 6, 4, seed=1)}
    return {name: value for name, value in (arrays | changes).items() if value is not None}


def test_a_field_with_channels_on_a_grid(tmp_path: Path) -> None:
    arrays = flow()
    data = Npz(path=write(tmp_path / "a.npz", **arrays), periodic=[True, False], conditions=["viscosity"])
    spec = data.spec()
    assert (spec.grid_shape, spec.extent, spec.periodic) == ((6, 4), (6.0, 1.0), (True, False))
    assert (spec.channels, spec.condition, spec.steady) == (2, ("viscosity",), False)
    seen = set()
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(trajectories)):
            whole = trajectories.read(index, 0, 5)
            number = round(9 * (whole.condition["viscosity"] - 1))
            assert np.allclose(whole.fields["u"], arrays["u"][number].reshape(5, 24, 2))
            seen.add(number)
    assert seen == set(range(10))
    assert (whole.fields["u"].dtype, whole.coords_NX.dtype) == (torch.float64, torch.float32)  # as the file has them
    assert whole.coords_NX[5].tolist() == [1.0, 0.25]


def test_strides_and_an_input_that_is_constant(tmp_path: Path) -> None:
    arrays = flow(u=noise(10, 5, 6, 4))
    path = write(tmp_path / "a.npz", **arrays)
    data = Npz(path=path, inputs=["u", "kappa"], targets=["u"], time_stride=2, space_stride=2, num_trajectories=6)
    assert [field.name for field in data.spec().inputs + data.spec().targets] == ["u", "kappa", "u"]
    assert data.spec().extent == (6.0, 1.0)
    train = data.trajectories("train")
    window = train.read(0, 1, 3)
    assert (len(train), train.num_times(0)) == (4, 3)
    assert window.time_T.tolist() == pytest.approx([0.2, 0.4])
    assert window.fields["kappa"].shape == (1, 6, 1)
    (number,) = (
        i for i in range(6) if np.allclose(window.fields["kappa"].numpy().ravel(), arrays["kappa"][i, ::2, ::2].ravel())
    )
    assert np.allclose(window.fields["u"].numpy().reshape(2, 3, 2), arrays["u"][number, 2::2, ::2, ::2])


def test_a_steady_problem_with_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", a=noise(8, 6) > 0, p=noise(8, 6, 3), position=np.linspace(-1, 1, 6))
    data = Npz(path=path, inputs=["a"], targets=["p"], axes=["position"], steady=True)
    spec = data.spec()
    assert (spec.steady, spec.channels, spec.grid_shape) == (True, 4, (6,))
    sample = data.trajectories("test").read(0, 0, 1)
    assert sample.fields["a"].shape == (1, 6, 1)
    assert sample.fields["p"].shape == (1, 6, 3)


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        (flow(t=None), {}, "there is no array called 't'; found: kappa, u, viscosity, x, y"),
        (flow(), {"inputs": ["v", "w"]}, "there is no array called 'v' or 'w'; found"),
        (flow(x=None, y=None), {}, "there is no coordinate array x, y or z; name them in 'axes'"),
        (flow(x=np.arange(7.0)), {}, r"'u': shape \(10, 5, 6, 4, 2\) does not fit the times and axes.*\(10, 5, 7, 4\)"),
        (flow(), {"inputs": ["kappa"]}, r"'kappa': shape \(10, 6, 4\) does not fit"),
        (flow(x=np.array([0, 2, 1, 3, 4, 5])), {}, "'x': coordinates must rise, but position 1 has 2 and"),
        (flow(x=np.zeros((6, 4))), {}, r"coordinates of a curvilinear grid need one shape.*found .*'x': \(6, 4\), 'y'"),
        (flow(x=np.array(list("abcdef"))), {}, r"'x': expected a row of numbers, found shape \(6,\) of <U1"),
        (flow(x=np.zeros(1)), {}, "'x': an axis needs at least 2 points, found 1; leave it out of data.axes"),
        (flow(t=np.array([0, 1, 2, 3, np.nan])), {}, "'t': a coordinate is NaN or infinite at position 4"),
        (
            flow(x=np.array([0, 1, 2, 3, 4, 9.0])),
            {"extent": [6.0, 4.0]},
            "'x': extent assumes evenly spaced, rising points, but .* from 0 to 9, are not evenly .*; leave extent out",
        ),
        (flow(y=np.arange(4.0)[::-1]), {"extent": [6.0, 4.0]}, "'y': extent assumes evenly spaced, ris"),
        (flow(), {"time_stride": 5}, "time_stride 5 leaves fewer than 2 of 5 time steps"),
        (flow(), {"space_stride": 4}, "axis 1: space_stride 4 leaves fewer than 2 of 4 points"),
        (flow(), {"space_stride": 4, "periodic": True}, "axis 0: space_stride 4 does not divide the 6 points"),
        (flow(), {"periodic": [True]}, "periodic has 1 values, the grid has 2 axes"),
        (flow(), {"conditions": ["kappa"]}, "a condition needs one number for each trajectory"),
        (flow(viscosity=np.full(10, np.nan)), {"conditions": ["viscosity"]}, "trajectory 0: the value is NaN"),
        (flow(kappa=noise(9, 6, 4)), {"inputs": ["u", "kappa"], "targets": ["u"]}, "one number of trajectories"),
        (flow(u=noise(2, 5, 6, 4)), {}, "2 trajectories cannot be split into 1 for validation, 1 for test"),
    ],
)  # fmt: skip
def test_bad_archives_and_settings(tmp_path: Path, arrays: Arrays, settings: Arrays, message: str) -> None:
    path = write(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=f"bad.npz.*{message}"):
        Npz(path=path, **settings).trajectories("train")


def test_an_extent_beside_other_coordinates_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", **flow(x=np.linspace(0, 10, 6), y=np.linspace(0, 1, 4)))
    remarks = Npz(path=path, extent=[1.0, 4 / 3]).remarks()
    assert remarks == [
        f"{path}: 'x' goes from 0 to 10, but extent gives a length of 1, which is used; leave extent out to use the "
        "file's "
        f"coordinates"
    ]


def test_values_that_are_not_finite_name_field_trajectory_and_time(tmp_path: Path) -> None:
    arrays = flow()
    arrays["u"][7, 4, 1, 1, 0] = np.nan
    data = Npz(path=write(tmp_path / "bad.npz", **arrays), time_stride=2)
    with pytest.raises(DataError, match=r"bad.npz, 'u', trajectory 7, time step 4: 1 of 48 values are NaN"):
        read_everything(data)


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone.npz: expected a file, but it does not exist"):
        Npz(path=tmp_path / "gone.npz").spec()
    path = write(tmp_path / "cut.npz", **flow())
    whole = path.read_bytes()
    for damage in (whole[:2000], b"", b"text"):
        path.write_bytes(damage)
        with pytest.raises(DataError, match=r"cut.npz: not a complete .npz archive of plain arrays"):
            Npz(path=path).spec()
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(DataError, match="not a complete .npz archive"):
        Npz(path=tmp_path / "single.npy").spec()
    write(path, **flow(u=np.array([{}], dtype=object)))
    with pytest.raises(DataError, match="not a complete .npz archive of plain arrays .*Object arrays"):
        Npz(path=path).spec()


@pytest.mark.parametrize(
    ("name", "shape", "extent"),
    [("kolmogorov2d_64", (64, 64), (6.283185, 6.283185)), ("ks1d_128", (128,), (64.0,))],
)
def test_genuine_archives(real_data: Path, name: str, shape: tuple[int, ...], extent: tuple[float, ...]) -> None:
    data = Npz(path=real_data / "npz" / f"{name}.npz", periodic=True)
    spec = data.spec()
    assert (spec.grid_shape, spec.channels) == (shape, 1)
    assert spec.extent == pytest.approx(extent)
    window = data.trajectories("train").read(0, 3, 5)
    assert window.fields["u"].shape == (2, spec.grid_shape[0] ** len(shape), 1)
