"""Statistics of a split that is too large for memory are measured once, and again where anything changed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from upt_core.commands import PreparedData
from upt_core.trajectory import Trajectory
from upt_data.files import trajectories
from upt_data.files.trajectories import FileTrajectories
from upt_data.hdf5_arrays import Hdf5

NUM, TIMES, POINTS = 10, 30, 8


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and nothing fits into memory."""
    monkeypatch.setenv("UPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trajectories, "KEPT_BYTES", 0)
    return tmp_path


@pytest.fixture
def read_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many time steps were read, each time."""
    found: list[int] = []
    real = FileTrajectories.read

    def read(self: FileTrajectories, index: int, start: int, stop: int) -> Trajectory:
        found.append(stop - start)
        return real(self, index, start, stop)

    monkeypatch.setattr(FileTrajectories, "read", read)
    return found


def write(path: Path, seed: int = 0, scale: float = 1.0) -> Path:
    values = np.random.default_rng(seed).normal(size=(NUM, TIMES, POINTS)) * scale
    path.unlink(missing_ok=True)  # another data set may hold it open
    with h5py.File(path, "w") as file:
        file["u"], file["x"], file["t"] = values, np.arange(POINTS) / POINTS, np.arange(TIMES) * 0.1
        file["nu"] = np.linspace(1, 2, NUM)
    return path


def prepared(path: Path, **more: Any) -> PreparedData:
    settings = {"path": path, "conditions": ["nu"], **more}
    data = PreparedData(Hdf5(**settings), settings={"name": "hdf5", **settings})
    data.check_splits()
    return data


def facts(data: PreparedData) -> list[Any]:
    scale, training = data.normalization, data.training
    tensors = [scale.mean_C, scale.std_C, scale.condition_mean_P, scale.condition_std_P]
    return [*(value.tolist() for value in tensors), data.data, data.remarks(), training.content, training.ends]


def test_a_second_run_reads_beginnings_only_and_knows_the_same(own: Path, read_steps: list[int]) -> None:
    first = facts(prepared(write(own / "a.h5")))
    measured = sum(read_steps)
    read_steps.clear()
    assert facts(prepared(own / "a.h5")) == first
    assert measured > NUM * TIMES
    assert set(read_steps) == {2}
    assert sum(read_steps) == 2 * NUM  # each split once, though two of the four files are of the same
    assert len(list((own / "cache" / "statistics").glob("*.pt"))) == 4


def test_a_changed_file_is_measured_anew(own: Path) -> None:
    before = prepared(write(own / "a.h5"))
    after = prepared(write(own / "a.h5", seed=1, scale=3.0))
    assert float(after.normalization.std_C) > 2 * float(before.normalization.std_C)


def test_a_file_with_an_old_time_stamp_is_known_by_its_beginning(own: Path) -> None:
    before = prepared(write(own / "a.h5"))
    stamp = os.stat(own / "a.h5")
    write(own / "a.h5", seed=1, scale=3.0)
    os.utime(own / "a.h5", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert os.stat(own / "a.h5").st_size == stamp.st_size
    after = prepared(own / "a.h5")
    assert float(after.normalization.std_C) > 2 * float(before.normalization.std_C)


def test_other_settings_are_measured_anew(own: Path) -> None:
    path = write(own / "a.h5")
    every, third = prepared(path), prepared(path, time_stride=3)
    assert facts(third) != facts(every)
    assert facts(third) == facts(prepared(path, time_stride=3))


def test_what_fits_into_memory_is_not_kept(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectories, "KEPT_BYTES", 2**28)
    prepared(write(own / "a.h5"))
    assert not list((own / "cache").rglob("*.pt"))


def test_a_damaged_cache_is_measured_anew(own: Path) -> None:
    first = facts(prepared(write(own / "a.h5")))
    for file in (own / "cache" / "statistics").glob("*.pt"):
        file.write_bytes(file.read_bytes()[:100])
    assert facts(prepared(own / "a.h5")) == first
    torch.load(next((own / "cache" / "statistics").glob("*.pt")), weights_only=True)  # it is whole again


def test_a_cache_that_cannot_be_written_costs_a_remark(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = facts(prepared(write(own / "a.h5")))
    (own / "file").write_text("no folder")
    monkeypatch.setenv("UPT_CACHE", str(own / "file"))
    assert facts(prepared(own / "a.h5")) == expected
    told = capsys.readouterr().err
    assert "remark: the statistics of the data could not be saved" in told
    assert "the next run will measure them again" in told


def test_a_full_disk_costs_a_remark_and_leaves_nothing(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(own / "a.h5")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))  # a longer file cannot be written, as on a full disk
    try:
        prepared(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "could not be saved" in capsys.readouterr().err
    assert not list((own / "cache" / "statistics").iterdir())


PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_statistics_cache import facts, prepared
from upt_data.files import trajectories
trajectories.KEPT_BYTES = 0
print(facts(prepared(Path(sys.argv[1]))))
"""


def test_two_processes_that_measure_at_once(own: Path) -> None:
    path = write(own / "a.h5")
    command = [sys.executable, "-c", PROCESS, str(path), str(Path(__file__).parent)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert told[0] == told[1] == (f"{facts(prepared(path))}\n", "")
    assert {file.suffix for file in (own / "cache" / "statistics").iterdir()} == {".pt"}
