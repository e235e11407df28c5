"""frames: folders of arrays and of images, and folders of .npy files as one archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from upt_core import DataError
from upt_data.frames import Frames
from upt_data.npz import Npz

VALUES = np.random.default_rng(0).random((4, 11, 6, 4, 3))


def folders(root: Path) -> Path:
    for number, frames in enumerate(VALUES):
        (root / f"run_{number}").mkdir(parents=True)
        for step, frame in enumerate(frames):  # out_10 sorts before out_2 as text
            np.save(root / f"run_{number}" / f"out_{step}.npy", frame)
    return root


def test_folders_of_arrays(tmp_path: Path) -> None:
    path = folders(tmp_path) / "run_{number}"
    data = Frames(path=path, fields={"velocity": 2, "p": 1}, extent=[3.0, 1.0], time_step=0.5, space_stride=2)
    spec = data.spec()
    assert (spec.grid_shape, spec.extent, spec.origin, spec.condition) == ((3, 2), (3.0, 1.0), (0.0, 0.0), ("number",))
    for split in ("train", "valid", "test"):
        window = data.trajectories(split).read(0, 9, 11)  # type: ignore[arg-type]
        expected = VALUES[round(window.condition["number"]), 9:11, ::2, ::2].reshape(2, 6, 3)  # type: ignore[arg-type]
        assert np.array_equal(window.fields["velocity"].numpy(), expected[..., :2])
        assert np.array_equal(window.fields["p"].numpy(), expected[..., 2:])
        assert window.time_T.tolist() == [4.5, 5.0]
        assert window.coords_NX[1].tolist() == [0.0, 0.5]


def test_pixels_are_square_by_default(tmp_path: Path) -> None:
    data = Frames(path=folders(tmp_path), fields={"u": 3}, space_stride=2)
    assert data.spec().extent == (1.0, 4 / 6)
    places_NX = data.trajectories("train").read(0, 0, 2).coords_NX
    assert places_NX[1].tolist() == pytest.approx([0, 2 / 6])
    assert places_NX[2].tolist() == pytest.approx([2 / 6, 0])


def test_a_folder_of_images_is_one_trajectory(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 4, 3), dtype=np.uint8)
    for step, frame in enumerate(pixels):
        Image.fromarray(frame).save(tmp_path / f"frame_{step:03d}.png")
    data = Frames(path=tmp_path, split_by="time")
    assert (data.spec().grid_shape, data.spec().channels) == ((6, 4), 3)
    assert np.array_equal(data.trajectories("test").read(0, 0, 2).fields["u"].numpy(), pixels[6:].reshape(2, 24, 3))


def test_gray_images_and_scalar_arrays(tmp_path: Path) -> None:
    for kind in ("arrays", "images"):
        (tmp_path / kind).mkdir()
    for step in range(8):
        np.save(tmp_path / "arrays" / f"{step}.npy", np.full((6, 4), step))
        Image.fromarray(np.full((6, 4), step, dtype=np.uint8)).save(tmp_path / "images" / f"{step}.png")
    for kind in ("arrays", "images"):
        data = Frames(path=tmp_path / kind, split_by="time")
        assert data.trajectories("train").read(0, 2, 4).fields["u"].mean((1, 2)).tolist() == [2.0, 3.0]


def test_what_is_wrong_with_frames(tmp_path: Path) -> None:
    root = folders(tmp_path)
    with pytest.raises(DataError, match=r"run_0: has 3 channels, but 'fields' names 2"):
        Frames(path=root, fields={"u": 2}).spec()
    with pytest.raises(DataError, match=r"frames have 2 axes of points \(6, 4\), 'extent' has 1"):
        Frames(path=root, fields={"u": 3}, extent=[1.0]).spec()
    train = Frames(path=root, fields={"u": 3}).trajectories("train")
    for folder in root.iterdir():
        np.save(folder / "out_3.npy", np.zeros((6, 5, 3)))
    with pytest.raises(DataError, match=r"out_3.npy: has the shape \(6, 5, 3\), and the first frame \(6, 4, 3\)"):
        train.read(0, 0, 5)
    for folder in root.iterdir():
        (folder / "out_3.npy").write_bytes(b"text")
    with pytest.raises(DataError, match=r"out_3.npy: not a complete frame .*write it again"):
        train.read(0, 0, 5)
    np.save(root / "run_0" / "out_0.npy", np.zeros((6, 4), dtype=complex))
    with pytest.raises(DataError, match="frames do not hold real numbers"):
        Frames(path=root / "run_0").spec()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither a folder of frames .* nor a folder that holds any; found: nothing"):
        Frames(path=tmp_path / "empty").spec()


def test_a_folder_of_npy_files_is_an_archive(tmp_path: Path) -> None:
    u = np.random.default_rng(0).random((5, 4, 6))
    for name, value in {"u": u, "x": np.arange(6.0), "t": np.arange(4.0)}.items():
        np.save(tmp_path / f"{name}.npy", value)
    data = Npz(path=tmp_path)
    assert data.spec().grid_shape == (6,)
    first = data.trajectories("train").read(0, 0, 4).fields["u"][..., 0].numpy()
    assert any(np.array_equal(first, one) for one in u)
    (tmp_path / "u.npy").write_bytes(b"text")
    with pytest.raises(DataError, match=r"u.npy: not a complete .npy array of numbers \(4 bytes"):
        Npz(path=tmp_path).spec()
