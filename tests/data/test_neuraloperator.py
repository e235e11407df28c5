"""neuraloperator: both layouts, small files of them, the genuine ones, and what is wrong with others."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import DataError, Trajectory
from upt_data.neuraloperator import NeuralOperator


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def write(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def darcy(path: Path, num: int = 20, size: tuple[int, int] = (4, 6)) -> Path:
    return write(path, {"x": noise(num, *size) > 0, "y": noise(num, *size, seed=1)})


def burgers(path: Path, num: int = 10) -> Path:
    y = noise(num, 5, 8).double()
    return write(path, {"x": y[:, 0].clone(), "y": y, "visc": torch.tensor([[0.01]])})


def all_of(data: NeuralOperator) -> list[Trajectory]:
    found = []
    for split in ("train", "valid", "test"):
        trajectories = data.trajectories(split)  # type: ignore[arg-type]
        found += [trajectories.read(i, 0, trajectories.num_times(i)) for i in range(len(trajectories))]
    return found


def test_steady_pairs(tmp_path: Path) -> None:
    path = darcy(tmp_path / "darcy.pt")
    data = NeuralOperator(path=path, valid_fraction=0.1, test_fraction=0.2)
    spec = data.spec()
    assert spec.steady
    assert (spec.grid_shape, spec.extent, spec.periodic) == ((4, 6), (1.0, 1.0), (False, False))
    assert [field.name for field in spec.inputs + spec.targets] == ["a", "u"]
    assert [len(data.trajectories(split)) for split in ("train", "valid", "test")] == [14, 2, 4]
    content = torch.load(path, weights_only=True)
    seen = set()
    for sample in all_of(data):
        (number,) = (i for i in range(20) if torch.equal(content["y"][i].flatten(), sample.fields["u"].flatten()))
        seen.add(number)
        assert sample.fields["a"].dtype == torch.float32
        assert torch.equal(sample.fields["a"][0, :, 0], content["x"][number].flatten().float())
        assert sample.time_T.tolist() == [0.0]
    assert seen == set(range(20))
    assert torch.allclose(sample.coords_NX[7], torch.tensor([1 / 4, 1 / 6]))


def test_trajectories_and_their_strides(tmp_path: Path) -> None:
    path = burgers(tmp_path / "burgers.pt")
    data = NeuralOperator(path=path, time_stride=2, space_stride=4, extent=2.0, final_time=8.0, target_field="v")
    spec = data.spec()
    assert not spec.steady
    assert (spec.inputs, spec.periodic, spec.grid_shape, spec.extent) == (spec.targets, (True,), (2,), (2.0,))
    first = data.trajectories("train").read(0, 1, 3)
    assert first.time_T.tolist() == [4.0, 8.0]
    assert first.coords_NX.tolist() == [[0.0], [1.0]]
    y = torch.load(path, weights_only=True)["y"].float()
    assert any(torch.equal(first.fields["v"][..., 0], y[i, [2, 4]][:, [0, 4]]) for i in range(10))


def test_a_test_file_is_the_whole_test_split(tmp_path: Path) -> None:
    main, other = darcy(tmp_path / "a.pt"), darcy(tmp_path / "b.pt", num=7)
    data = NeuralOperator(path=main, test_path=other, num_samples=10, num_test_samples=5, valid_fraction=0.2)
    assert [len(data.trajectories(split)) for split in ("train", "valid", "test")] == [8, 2, 5]


def test_the_split_depends_on_its_seed_only(tmp_path: Path) -> None:
    path = darcy(tmp_path / "a.pt")
    first, same, other = (NeuralOperator(path=path, seed=seed).trajectories("test") for seed in (0, 0, 1))
    assert torch.equal(first.read(0, 0, 1).fields["u"], same.read(0, 0, 1).fields["u"])
    assert not torch.equal(first.read(0, 0, 1).fields["u"], other.read(0, 0, 1).fields["u"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a dict with the tensors 'x' and 'y', found list"),
        (
            {"x": torch.zeros(9), "y": torch.zeros(9), "u": torch.zeros(4, 9), "triang": torch.zeros(3, 2), "mu": 0.1},
            r"besides 'x' and 'y', the file holds u \(4, 9\), triang \(3, 2\), so 'x' and 'y' may not be input and "
            r"solution",
        ),
        (
            {"x": torch.zeros(3, 4), "y": torch.zeros(3, 4, dtype=torch.complex64)},
            "'x' or 'y' is complex; store the real",
        ),
        ({"a": torch.zeros(1), "y": torch.zeros(1)}, "found a dict of a, y"),
        ({"x": torch.zeros(3, 4), "y": torch.zeros(3, 5)}, r"'x' \(3, 4\) and 'y' \(3, 5\) do not fit"),
        ({"x": torch.zeros(3, 4), "y": torch.ones(3, 2, 4)}, "'x' is not the first time step of 'y'"),
        ({"x": torch.zeros(2, 4), "y": torch.zeros(2, 4)}, "2 trajectories cannot be split into 1 for validation"),
    ],
)
def test_wrong_layouts_name_what_was_found(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        NeuralOperator(path=write(tmp_path / "wrong.pt", content)).trajectories("train")


def test_values_that_are_not_finite_name_field_trajectory_and_time(tmp_path: Path) -> None:
    y = noise(10, 5, 8)
    y[3, 2, :2] = float("nan")
    path = write(tmp_path / "nan.pt", {"x": y[:, 0], "y": y})
    with pytest.raises(DataError, match=r"nan.pt, 'y', trajectory 3, time step 2: 2 of 8 values are NaN"):
        all_of(NeuralOperator(path=path))
    x = noise(10, 4)
    x[1, 0] = float("inf")
    with pytest.raises(DataError, match=r"inf.pt, 'x', trajectory 1, time step 0: 1 of 4 values"):
        all_of(NeuralOperator(path=write(tmp_path / "inf.pt", {"x": x, "y": noise(10, 4)})))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.pt: expected a file, but it does not exist"):
        NeuralOperator(path=tmp_path / "gone.pt").spec()
    with pytest.raises(DataError, match=r"neither a file nor a folder that holds any \(\*\.pt\); found: nothing"):
        NeuralOperator(path=tmp_path).spec()
    path = darcy(tmp_path / "cut.pt")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"cut.pt: not a complete torch file \(1000 bytes"):
        NeuralOperator(path=path).spec()
    for damage in (b"", b"text", b"\x80\x02garbage"):
        path.write_bytes(damage)
        with pytest.raises(DataError, match="not a complete torch file"):
            NeuralOperator(path=path).spec()
    objects = write(tmp_path / "objects.pt", {"x": Path("."), "y": OrderedDict()})
    with pytest.raises(DataError, match="contains Python objects other than tensors"):
        NeuralOperator(path=objects).spec()


def test_strides_and_resolutions_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="space_stride 3 does not divide the 8 points of a periodic axis"):
        NeuralOperator(path=burgers(tmp_path / "b.pt"), space_stride=3).spec()
    with pytest.raises(DataError, match="time_stride 5 leaves fewer than 2 of 5 time steps"):
        NeuralOperator(path=tmp_path / "b.pt", time_stride=5).trajectories("train")
    with pytest.raises(DataError, match="space_stride 4 leaves fewer than 2 of 4 points"):
        NeuralOperator(path=darcy(tmp_path / "d.pt"), space_stride=4).spec()
    finer = NeuralOperator(path=tmp_path / "d.pt", test_path=darcy(tmp_path / "d2.pt", size=(8, 8)))
    assert (finer.spec().grid_shape, finer.trajectories("test").read(0, 0, 1).grid_shape) == ((4, 6), (8, 8))
    with pytest.raises(ValueError, match="input_field and target_field are both 'u'"):
        NeuralOperator(path=tmp_path / "d.pt", input_field="u")
    with pytest.raises(DataError, match="2 trajectories cannot be split into 2 for validation"):
        NeuralOperator(
            path=tmp_path / "d.pt", test_path=tmp_path / "d.pt", num_samples=2, valid_fraction=0.9, test_fraction=0.05
        ).trajectories("train")


def test_genuine_darcy(real_data: Path) -> None:
    data = NeuralOperator(path=real_data / "neuralop" / "darcy_train_16.pt")
    assert data.spec().grid_shape == (16, 16)
    assert len(data.trajectories("train")) == 800
    sample = data.trajectories("test").read(0, 0, 1)
    assert set(sample.fields["a"].unique().tolist()) == {0.0, 1.0}


def test_genuine_burgers(real_data: Path) -> None:
    data = NeuralOperator(path=real_data / "neuralop" / "burgers_train_16.pt")
    assert data.spec().grid_shape == (16,)
    assert data.trajectories("train").num_times(0) == 17
    assert data.trajectories("train").read(3, 4, 6).fields["u"].shape == (2, 16, 1)
