"""Checkpoints of a divided model: saved by four processes, read by any number, as one file, and never half."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import upt_core
from upt_core import CheckpointError
from upt_core.operator import file, sharded_file
from upt_core.processes import ALONE
from upt_core.training import checkpoint
from upt_core.training.saver import newest

Found = list[dict[str, Any]]
Start = Callable[[int, str, Path], Found]


@pytest.fixture(scope="module")
def saved(folder: Path, started: Start) -> Found:
    return started(4, "saved", folder)


@pytest.fixture
def last(saved: Found, folder: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint of four processes."""
    shutil.copytree(folder / "saved" / "checkpoints", tmp_path / "checkpoints")
    return tmp_path / "checkpoints" / "last"


def same(one: Any, other: Any) -> bool:
    """Equal in every bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("size", [2, 3])
def test_other_numbers_of_processes_go_on_from_the_same_bits(
    size: int, saved: Found, folder: Path, started: Start
) -> None:
    for found in started(size, "loaded", folder):
        assert same(found["last"], saved[0])
        assert same(found["alone"], saved[0]), "parts that each process saved by itself"


def test_one_process_goes_on_from_the_same_bits(saved: Found, folder: Path, scenarios: Any) -> None:
    found = scenarios.loaded(ALONE, folder)
    assert same(found["last"], saved[0])
    assert same(found["alone"], saved[0])


def test_parts_that_do_not_fit_together_are_passed_over(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One process was ended before it could save its part, or was a step behind."""
    [alone] = last.parent.glob("alone-*")
    whole, step = newest(last.parent), checkpoint.load(last)["state"]["step"]
    assert whole is not None
    assert whole[0]["state"]["step"] == step
    part = file.read(alone / "part-2-of-4.pt")
    del part["format"]
    file.write({**part, "step": step - 1}, alone / "part-2-of-4.pt")
    steps = f"{step}, {step}, {step - 1}, {step}"
    with pytest.raises(CheckpointError, match=f"the processes saved the steps {steps}, not the same one"):
        sharded_file.state_of(alone)
    (alone / "part-2-of-4.pt").unlink()
    found = newest(last.parent)
    assert found is not None
    assert found[1] == last
    said = capsys.readouterr().err
    assert (
        f"{alone.name}: only 3 of 4 processes saved their parts, so it cannot be used; continuing from last, which"
    ) in said


def test_the_folder_is_one_operator(last: Path, saved: Found, tmp_path: Path) -> None:
    """``upt_core.load`` reads it, and writes it as one file, with the weights of the moving average."""
    operator = upt_core.load(last)
    whole = upt_core.load(operator.save(tmp_path / "operator.pt"))
    average = saved[0]["ema"]["average"]
    assert all(torch.equal(value, average[name]) for name, value in whole.model.state_dict().items())


def test_the_best_is_one_file_of_whole_weights(last: Path) -> None:
    content = file.read(last.parent / "best.pt")
    assert content["optimizers"] is None
    assert upt_core.load(last.parent / "best.pt").model.state_dict().keys() == content["model"].keys()


def test_each_process_wrote_its_parts(last: Path) -> None:
    names = sorted(path.name for path in last.iterdir())
    assert names == [".metadata", "__0_0.distcp", "__1_0.distcp", "__2_0.distcp", "__3_0.distcp", "state.pt"]


@pytest.mark.parametrize("name", [".metadata", "__0_0.distcp", "__3_0.distcp", "state.pt"])
def test_a_flipped_bit_is_refused(name: str, last: Path) -> None:
    content = bytearray((last / name).read_bytes())
    content[len(content) // 2] ^= 1
    (last / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged: its content does not match its digest"):
        sharded_file.state_of(last)


def test_a_missing_part_is_refused_and_an_older_folder_taken(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(last, last.with_name("last-1"))
    for path in last.parent.glob("alone-*"):
        shutil.rmtree(path)
    (last / "__2_0.distcp").unlink()
    with pytest.raises(CheckpointError, match="__2_0.distcp: this part of the checkpoint is missing"):
        sharded_file.state_of(last)
    found = newest(last.parent)
    assert found is not None
    assert found[1].name == "last-1"
    assert "continuing from last-1, which is older" in capsys.readouterr().err


def test_a_best_state_without_optimizer_is_nothing_to_go_on_from(last: Path) -> None:
    for path in (last, *last.parent.glob("alone-*")):
        shutil.rmtree(path)
    assert newest(last.parent) is None


def test_code_in_the_description_is_refused(last: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("true",)

    (last / ".metadata").write_bytes(pickle.dumps(Code()))
    with pytest.raises(CheckpointError, match="posix.system is no part of a checkpoint's description"):
        sharded_file.sizes_of(last)


def test_a_best_state_that_the_first_cannot_write_hinders_no_other(folder: Path, started: Start) -> None:
    """None goes on to its parts while the first cannot; later all write the same step, and the best."""
    found = started(2, "no_best", folder)
    assert [each["error"] for each in found] == ["", ""]
    told = "no checkpoint could be written: IsADirectoryError: "
    assert found[0]["said"].count(told) == 1
    assert told not in found[1]["said"]
    checkpoints = folder / "no-best" / "checkpoints"
    last = sharded_file.read(checkpoints / "last")
    assert same({key: last[key] for key in found[0]["state"]}, found[0]["state"])
    assert same(found[0]["state"], found[1]["state"])
    assert file.read(checkpoints / "best.pt")["optimizers"] is None
