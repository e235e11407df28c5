"""points: ragged archives of scattered points, the genuine one, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import DataError
from upt_data.points import PointClouds

Arrays = dict[str, Any]
PTR = np.array([0, 5, 7, 16, 20])


def ragged(**changes: Any) -> Arrays:
    generator = np.random.default_rng(0)
    arrays = {
        "pos": generator.random((20, 2)).astype(np.float32),
        "u": generator.standard_normal((20, 4, 3)),
        "ptr": PTR,
        "t": np.arange(4.0) / 2,
        "nu": np.array([1.0, 2.0, 3.0, 4.0]),
        "kappa": generator.random(20),
    }
    return {name: value for name, value in (arrays | changes).items() if value is not None}


def read_everything(data: PointClouds) -> None:
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(trajectories)):
            trajectories.read(index, 0, trajectories.num_times(index))


def write(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


def test_trajectories_have_their_own_points(tmp_path: Path) -> None:
    arrays = ragged()
    data = PointClouds(path=write(tmp_path / "a.npz", arrays), conditions=["nu"], time_stride=2)
    spec = data.spec()
    assert (spec.grid_shape, spec.channels, spec.condition) == (None, 3, ("nu",))
    low, high = arrays["pos"].min(0), arrays["pos"].max(0)
    assert (spec.origin, spec.extent) == (pytest.approx(tuple(low)), pytest.approx(tuple(high - low)))
    seen = set()
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        for index in range(len(trajectories)):
            whole = trajectories.read(index, 0, 2)
            number = round(whole.condition["nu"]) - 1
            rows = slice(PTR[number], PTR[number + 1])
            assert whole.point_set == number
            assert np.array_equal(whole.coords_NX.numpy(), arrays["pos"][rows])
            assert np.allclose(whole.fields["u"].numpy(), arrays["u"][rows, ::2].transpose(1, 0, 2))
            seen.add(number)
    assert seen == {0, 1, 2, 3}
    assert whole.time_T.tolist() == [0.0, 1.0]


def test_scalar_fields_and_constant_inputs(tmp_path: Path) -> None:
    arrays = ragged(u=np.ones((20, 4)))
    data = PointClouds(path=write(tmp_path / "a.npz", arrays), inputs=["u", "kappa"], targets=["u"], num_trajectories=3)
    train = data.trajectories("train")
    assert len(train) == 1
    window = train.read(0, 2, 4)
    assert window.fields["u"].shape[::2] == (2, 1)
    assert window.fields["kappa"].shape[::2] == (1, 1)


def test_steady_problem(tmp_path: Path) -> None:
    arrays = ragged(t=None, u=np.ones((20, 2)))
    data = PointClouds(path=write(tmp_path / "a.npz", arrays), inputs=["kappa"], targets=["u"], steady=True)
    assert (data.spec().steady, data.spec().channels) == (True, 3)
    assert data.trajectories("test").read(0, 0, 1).fields["u"].shape[::2] == (1, 2)


def test_a_periodic_domain_is_given(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", ragged())
    spec = PointClouds(path=path, extent=[1.0, 1.0], origin=[0.0, 0.0], periodic=[True, False]).spec()
    assert (spec.extent, spec.origin, spec.periodic) == ((1.0, 1.0), (0.0, 0.0), (True, False))
    with pytest.raises(DataError, match=r"points reach from .*, outside the domain of origin"):
        PointClouds(path=path, extent=[0.5, 1.0], origin=[0.0, 0.0]).spec()
    with pytest.raises(DataError, match="the points have 2 axes, extent has 1"):
        PointClouds(path=path, extent=[1.0], origin=[0.0]).spec()
    with pytest.raises(DataError, match="periodic has 1 values, the points have 2 axes"):
        PointClouds(path=path, extent=[1.0, 1.0], origin=[0.0, 0.0], periodic=[True]).spec()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"periodic": True}, "larger than its points' bounding box; give extent and origin"),
        ({"extent": [1.0, 1.0]}, "give both extent and origin"),
        ({"extent": [0.0], "origin": [0.0]}, "need one positive length for each axis"),
        ({"inputs": []}, "inputs needs at least 1 items; it has 0"),
        ({"time_stride": 0}, "time_stride must be at least 1; got 0"),
    ],
)
def test_settings_that_cannot_be(settings: Arrays, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointClouds(path=Path("any.npz"), **settings)


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        (ragged(ptr=None), {}, "there is no array called 'ptr'; found: kappa, nu, pos, t, u"),
        (ragged(ptr=np.array([0, 7, 5, 20])), {}, "'ptr': coordinates must rise, but position 1 has 7"),
        (ragged(ptr=np.array([0, 7, 19])), {}, "'ptr': goes from 0 to 19; expected from 0 to the number of rows, 20"),
        (ragged(pos=np.zeros(20)), {}, r"'pos': shape \(20,\); expected \(rows, 1 to 3 axes\)"),
        (ragged(pos=np.ones((20, 2))), {}, "all points have the same coordinate on axis 0; leave this axis out"),
        (ragged(u=np.zeros((20, 5, 3))), {}, r"'u': shape \(20, 5, 3\) does not fit; expected \(20, 4, channels\)"),
        (ragged(u=np.zeros((19, 4))), {}, r"'u': shape \(19, 4\) does not fit"),
        (ragged(), {"steady": True}, r"'u': shape \(20, 4, 3\) does not fit; expected \(20, channels\)"),
        (ragged(nu=np.ones(3)), {"conditions": ["nu"]}, "a condition needs one number for each trajectory"),
        (ragged(), {"time_stride": 4}, "time_stride 4 leaves fewer than 2 of 4 time steps"),
        (ragged(ptr=np.array([0, 7, 20])), {}, "2 trajectories cannot be split"),
    ],
)  # fmt: skip
def test_bad_archives(tmp_path: Path, arrays: Arrays, settings: Arrays, message: str) -> None:
    data = PointClouds(path=write(tmp_path / "bad.npz", arrays), **settings)
    with pytest.raises(DataError, match=f"bad.npz.*{message}"):
        (data.spec(), data.trajectories("train"))


def test_values_that_are_not_finite_name_field_trajectory_and_time(tmp_path: Path) -> None:
    arrays = ragged()
    arrays["u"][15, 2, 0] = np.inf  # the last row of trajectory 2
    data = PointClouds(path=write(tmp_path / "bad.npz", arrays), time_stride=2)
    with pytest.raises(DataError, match=r"bad.npz, 'u', trajectory 2, time step 2: 1 of 27 values are NaN or infinite"):
        read_everything(data)
    arrays = ragged()
    arrays["pos"][6, 1] = np.nan
    with pytest.raises(DataError, match="'pos', trajectory 1: a coordinate is NaN or infinite"):
        PointClouds(path=write(tmp_path / "bad.npz", arrays)).spec()


def test_genuine_archive(real_data: Path) -> None:
    path = real_data / "pointcloud" / "scattered_burgers2d.npz"
    data = PointClouds(path=path, extent=[1.0, 1.0], origin=[0.0, 0.0], periodic=True)
    train = data.trajectories("train")
    counts = {len(train.read(index, 0, 1).coords_NX) for index in range(len(train))}
    assert (len(train), train.num_times(0), data.spec().channels) == (26, 6, 2)
    assert len(counts) > 20
    assert torch.isfinite(train.read(0, 0, 6).fields["u"]).all()
