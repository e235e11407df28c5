"""point_cases: lists of steady cases, the genuine potential flows, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import DataError
from upt_data.point_cases import PointCases


def case(number: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(number)
    points = 6 + number
    return {
        "vertices": torch.rand(points, 3, generator=generator),
        "vertex_normals": torch.randn(points, 3, generator=generator),
        "press": torch.randn(1, points, generator=generator),
        "angle": torch.randn(points, generator=generator),
        "speed": 1.0 + number,
        "axes": torch.tensor([1.0, 2.0]),
    }


def write(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_cases(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pt", [case(number) for number in range(8)])
    data = PointCases(path=path, inputs=["vertex_normals", "angle"], conditions=["speed", "axes"], num_cases=6)
    spec = data.spec()
    assert (spec.steady, spec.grid_shape, spec.num_axes) == (True, None, 3)
    assert [(field.name, field.channels) for field in spec.fields] == [
        ("vertex_normals", 3),
        ("angle", 1),
        ("press", 1),
    ]
    assert spec.condition == ("speed", "axes_0", "axes_1")
    found = [data.trajectories(split) for split in ("train", "valid", "test")]
    assert [len(split) for split in found] == [4, 1, 1]
    sample = found[0].read(1, 0, 1)
    number = sample.point_set
    assert sample.condition == {"speed": 1.0 + number, "axes_0": 1.0, "axes_1": 2.0}
    assert torch.equal(sample.fields["press"][0, :, 0], case(number)["press"][0])
    assert torch.equal(sample.fields["vertex_normals"][0], case(number)["vertex_normals"])
    assert sample.coords_NX.shape == (6 + number, 3)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in case(1).items() if name != key}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3), "expected a list of dicts, one for each case, found Tensor"),
        ([], "expected a list of dicts"),
        ([without("press")], "case 0: there is no 'press'; found: vertices, vertex_normals, angle"),
        ([case(0) | {"vertices": torch.zeros(3)}], r"case 0, 'vertices': expected points \(N, 1 to 3 axes\), found"),
        ([case(0) | {"press": torch.zeros(7)}], r"case 0, 'press': expected \(6,\), \(6, channels\).* found \(7,\)"),
        ([case(0), case(1) | {"press": torch.zeros(7, 2)}], "case 1: has the axes, channels and conditions"),
        ([case(0) | {"speed": "fast"}], "case 0, 'speed': a condition needs a finite number .* found str 'fast'"),
        ([case(0) | {"speed": float("nan")}], "case 0, 'speed': a condition needs a finite number"),
        ([case(0) | {"press": torch.full((6,), torch.nan)}, *map(case, (1, 2))], "'press', trajectory 0, .*: 6 of 6"),
        ([case(0) | {"press": torch.ones(6, dtype=torch.complex64)}], "case 0, 'press' is complex; store real"),
        ([case(0) | {"vertices": torch.full((6, 3), torch.inf)}], "trajectory 0: a coordinate is NaN or infinite"),
        ([case(0), case(1)], "2 trajectories cannot be split"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path: Path, content: Any, message: str) -> None:
    data = PointCases(path=write(tmp_path / "bad.pt", content), conditions=["speed"])
    with pytest.raises(DataError, match=f"bad.pt.*{message}"):
        (data.spec(), [data.trajectories(split).read(0, 0, 1) for split in ("train", "valid", "test")])


def test_genuine_potential_flow_obeys_its_closed_form(real_data: Path) -> None:
    # the pressure on an ellipsoid in a stream along x depends on the normal alone: 1 - |2 / (2 - α) (U - (U·n) n)|²
    data = PointCases(path=real_data / "pointcloud" / "ellipsoid_flow.pt", conditions=["alpha0", "semi_axes"])
    assert data.spec().condition == ("alpha0", "semi_axes_0", "semi_axes_1", "semi_axes_2")
    sample = data.trajectories("test").read(0, 0, 1)
    normal_NX = sample.fields["vertex_normals"][0]
    along_N = 1 - normal_NX[:, 0] ** 2
    expected = 1 - (2 / (2 - sample.condition["alpha0"])) ** 2 * along_N
    assert (sample.fields["press"][0, :, 0] - expected).abs().max() < 1e-4
