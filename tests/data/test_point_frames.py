"""point_frames: folders of .th files, split by case and by time, the genuine case, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from upt_core import DataError
from upt_data.point_frames import PointFrames


def frame(case: int, step: int) -> Tensor:
    return torch.randn(3, 8, generator=torch.Generator().manual_seed(100 * case + step)).half()


def write_case(folder: Path, case: int = 0, steps: range = range(12)) -> Path:
    folder.mkdir(parents=True)
    for seed, axis in enumerate("xy"):
        torch.save(
            torch.rand(8, generator=torch.Generator().manual_seed(10 * case + seed)).half(), folder / f"{axis}.th"
        )
    for step in steps:
        torch.save(frame(case, step), folder / f"{step:08d}_mesh.th")
    return folder


def test_split_by_time_gives_blocks_that_follow_each_other(tmp_path: Path) -> None:
    path = write_case(tmp_path / "case")
    data = PointFrames(
        path=path, split_by="time", fields={"velocity": 2, "pressure": 1}, time_step=0.5, test_fraction=0.3
    )
    spec = data.spec()
    assert [(field.name, field.channels) for field in spec.targets] == [("velocity", 2), ("pressure", 1)]
    assert (spec.grid_shape, spec.num_axes, spec.periodic) == (None, 2, (False, False))
    blocks = [data.trajectories(split) for split in ("train", "valid", "test")]
    assert [(len(block), block.num_times(0)) for block in blocks] == [(1, 6), (1, 2), (1, 4)]
    times = [block.read(0, 0, block.num_times(0)).time_T for block in blocks]
    assert torch.equal(torch.cat(times), torch.arange(12) / 2)
    window = blocks[2].read(0, 1, 3)
    assert window.fields["velocity"].dtype == window.coords_NX.dtype == torch.float32
    assert torch.equal(window.fields["velocity"][1], frame(0, 10)[:2].T.float())
    assert torch.equal(window.fields["pressure"][0], frame(0, 9)[2:].T.float())


def test_the_history_of_a_block_lies_in_the_block_before(tmp_path: Path) -> None:
    data = PointFrames(path=write_case(tmp_path / "case"), split_by="time", history=3)
    blocks = {split: data.trajectories(split) for split in ("train", "valid", "test")}
    times = {split: block.read(0, 0, block.num_times(0)).time_T.tolist() for split, block in blocks.items()}
    assert times == {"train": [*range(8)], "valid": [6, 7, 8, 9], "test": [8, 9, 10, 11]}


def test_split_by_case(tmp_path: Path) -> None:
    for case in range(4):
        write_case(tmp_path / f"case{case}", case, steps=range(0, 30, 10))
    data = PointFrames(path=tmp_path, time_stride=2)
    blocks = [data.trajectories(split) for split in ("train", "valid", "test")]
    assert [len(block) for block in blocks] == [2, 1, 1]
    wholes = [block.read(index, 0, 2) for block in blocks for index in range(len(block))]
    assert sorted(whole.point_set for whole in wholes) == [0, 1, 2, 3]
    for whole in wholes:
        assert whole.time_T.tolist() == [0.0, 20.0]
        assert torch.equal(whole.fields["u"][1], frame(whole.point_set, 20).T.float())


def test_what_is_wrong_with_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: expected a folder of a case .*, but it does not exist"):
        PointFrames(path=tmp_path / "gone").spec()
    with pytest.raises(DataError, match=r"neither a folder of a case \(x.th, y.th, .*\), or a folder of cases nor"):
        PointFrames(path=tmp_path).spec()
    path = write_case(tmp_path / "case")
    with pytest.raises(DataError, match=r"x.th: expected a folder of a case .*, but it is not a complete one"):
        PointFrames(path=path / "x.th").spec()
    with pytest.raises(DataError, match=r"1 trajectories cannot be split .*\(split_by: time\)"):
        PointFrames(path=path).trajectories("train")
    with pytest.raises(DataError, match=r"has 3 channels, but 'fields' names 2 \(\{'p': 2\}\)"):
        PointFrames(path=path, fields={"p": 2}).spec()
    with pytest.raises(DataError, match="time_stride 12 leaves fewer than 2 of 12 time steps"):
        PointFrames(path=path, time_stride=12, split_by="time").trajectories("train")
    with pytest.raises(DataError, match="4 frames cannot be split into 2 for validation, 2 for test"):
        PointFrames(path=path, time_stride=3, split_by="time").trajectories("train")
    torch.save(torch.zeros(7), path / "y.th")
    with pytest.raises(DataError, match=r"must each be a row of equally many numbers, found \[\(8,\), \(7,\)\]"):
        PointFrames(path=path).spec()


def test_what_is_wrong_with_frames(tmp_path: Path) -> None:
    path = write_case(tmp_path / "case")
    train = PointFrames(path=path, split_by="time").trajectories("train")
    bad = frame(0, 2)
    bad[1, :2] = float("nan")
    torch.save(bad, path / "00000002_mesh.th")
    with pytest.raises(DataError, match=r"trajectory 0, time step 2: 2 of 24 values are NaN"):
        train.read(0, 1, 4)
    torch.save(frame(0, 2), path / "00000002_mesh.th")
    torch.save(torch.zeros(2, 8), path / "00000003_mesh.th")
    with pytest.raises(DataError, match=r"00000003_mesh.th: has 2 channels, the first frame has 3"):
        train.read(0, 3, 4)
    torch.save(frame(0, 3), path / "00000003_mesh.th")
    torch.save(torch.zeros(3, 9), path / "00000004_mesh.th")
    with pytest.raises(DataError, match=r"00000004_mesh.th: expected a tensor \(channels, 8\), found \(3, 9\)"):
        train.read(0, 4, 5)
    torch.save(frame(0, 4), path / "00000004_mesh.th")
    (path / "00000005_mesh.th").write_bytes(b"text")
    with pytest.raises(DataError, match=r"00000005_mesh.th: not a complete torch file"):
        train.read(0, 5, 6)


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="PointFrames: split_by expected 'trajectory' or 'time'; got 'frame'"):
        PointFrames(path=tmp_path, split_by="frame")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"PointFrames: time_step must be greater than 0"):
        PointFrames(path=tmp_path, time_step=0.0)


def test_genuine_case(real_data: Path) -> None:
    path = real_data / "pointcloud" / "cfd"
    data = PointFrames(path=path, split_by="time", fields={"velocity": 2, "pressure": 1})
    spec = data.spec()
    assert spec.extent == pytest.approx((1.496, 0.996), abs=2e-3)
    train = data.trajectories("train")
    assert (train.num_times(0), len(train.read(0, 0, 1).coords_NX)) == (8, 32392)
