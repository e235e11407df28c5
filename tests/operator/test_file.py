"""The file of operators and checkpoints: no damage goes unseen, no old format is guessed at."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from upt_core import CheckpointError, load
from upt_core.operator import file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "a.upt"
    file.write({"x": torch.randn(200), "plain": {"name": "grid", "sizes": (1, 2)}}, found)
    return found


def test_a_file_is_read_by_torch_alone(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    assert content["format"] == file.FORMAT
    assert content["plain"] == {"name": "grid", "sizes": (1, 2)}


def test_every_flipped_bit_is_refused(path: Path) -> None:
    whole, rng = path.read_bytes(), random.Random(0)
    places = [*range(16), *range(len(whole) - 64, len(whole)), *(rng.randrange(len(whole)) for _ in range(60))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged|cannot be read as a checkpoint"):
            file.read(path)


@pytest.mark.parametrize("cut", [1, 32, 40, 55, 56, 600])
def test_a_file_that_is_cut_off_is_refused(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(
        CheckpointError, match="truncated or damaged; use another copy|is it truncated, or another kind of file"
    ):
        file.read(path)


def test_an_old_format_says_what_it_lacks(tmp_path: Path) -> None:
    torch.save({"format": 1, "model": {}}, tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match=r"older upt \(format 1\), without the statistics .* train again"):
        file.read(tmp_path / "last.pt")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        file.read(tmp_path)


def test_what_could_not_be_read_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(
        TypeError,
        match=r"content\['x'\]\[1\] is of type PosixPath; a file can hold only tensors and "
        r"plain",
    ):
        file.write({"x": [1, Path("/")]}, path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.part"))


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.write({"x": 1}, path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.part"))


def test_a_whole_file_without_an_operator_says_what_is_wanted(tmp_path: Path) -> None:
    file.write({"model": {}}, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match=r"weights\.pt: this file contains no operator; give the folder of a run"):
        load(tmp_path / "weights.pt")
