"""Checkpoints: when they are due, which are kept, what a fault leaves, and that a run goes on bit by bit from them."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import CheckpointError, Experiment, Progress, hookimpl
from upt_core.run.metrics_log import MetricsLog, read_metrics
from upt_core.training import checkpoint
from upt_core.training.saver import RETRY_SECONDS, CheckpointPlan, Saver, copied, newest
from upt_core.whole_file import in_words

Tiny = Callable[..., Experiment]


def state(number: int) -> dict[str, Any]:
    return {"model": {"weight": torch.full((3,), float(number))}, "number": number}


def numbers(folder: Path) -> dict[str, int]:
    return {path.name: checkpoint.load(path)["number"] for path in sorted(folder.glob("*.pt"))}


def written(folder: Path, plan: CheckpointPlan, count: int, best: tuple[int, ...] = ()) -> Saver:
    """A saver that wrote so many states, some of which were the best so far."""
    writer = Saver(folder, plan)
    for number in range(1, count + 1):
        if number in best:
            writer.keep_best(state(number))
        writer.save(state(number), number)
    list(writer.finish())
    return writer


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestWhen:
    def test_by_steps(self, tmp_path: Path) -> None:
        writer = Saver(tmp_path, CheckpointPlan(every_steps=3, every_minutes=None))
        writer.begin(10)
        assert [writer.due(step) for step in (11, 12, 13)] == [False, False, True]
        writer.save(state(13), 13)
        list(writer.finish())
        assert [writer.due(step) for step in (15, 16)] == [False, True]

    def test_by_minutes(self, tmp_path: Path) -> None:
        clock = Clock()
        writer = Saver(tmp_path, CheckpointPlan(every_minutes=2.0), clock)
        writer.begin(0)
        clock.now += 119
        assert not writer.due(50)
        clock.now += 1
        assert writer.due(50)

    def test_never(self, tmp_path: Path) -> None:
        writer = Saver(tmp_path, CheckpointPlan(every_steps=None, every_minutes=None))
        writer.begin(0)
        assert not writer.due(10**9)


class TestWhich:
    def test_the_last_ones_are_kept(self, tmp_path: Path) -> None:
        written(tmp_path, CheckpointPlan(keep_last=3), 5)
        assert numbers(tmp_path) == {"last.pt": 5, "last-1.pt": 4, "last-2.pt": 3}

    def test_the_best_ones_are_kept(self, tmp_path: Path) -> None:
        written(tmp_path, CheckpointPlan(keep_last=1, keep_best=2), 5, best=(1, 2, 4))
        assert numbers(tmp_path) == {"last.pt": 5, "best.pt": 4, "best-1.pt": 2}

    def test_a_copy_is_written_training_goes_on(self, tmp_path: Path) -> None:
        weight = torch.zeros(2)
        copy = copied({"a": [weight, {"b": (weight, 1)}]})
        weight.add_(1)
        assert copy["a"][0].tolist() == copy["a"][1]["b"][0].tolist() == [0, 0]

    def test_what_a_killed_writer_left_is_removed(self, tmp_path: Path) -> None:
        (tmp_path / "new-last.pt.part").write_bytes(b"half")
        Saver(tmp_path).begin(0)
        assert list(tmp_path.iterdir()) == []


class TestNewest:
    def test_is_the_last(self, tmp_path: Path) -> None:
        written(tmp_path, CheckpointPlan(), 3)
        found = newest(tmp_path)
        assert found is not None
        assert (found[0]["number"], found[1]) == (3, tmp_path / "last.pt")

    def test_passes_over_damaged_ones_with_a_remark(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written(tmp_path, CheckpointPlan(keep_last=3), 3)
        shutil.copy(tmp_path / "last-1.pt", tmp_path / "spare")
        (tmp_path / "last.pt").unlink()
        (tmp_path / "last.pt").write_bytes((tmp_path / "spare").read_bytes()[:-100])
        found = newest(tmp_path)
        assert found is not None
        assert found[0]["number"] == 2
        assert "last.pt: " in capsys.readouterr().err

    def test_is_the_one_that_is_furthest_whatever_the_dates(self, tmp_path: Path) -> None:
        """A run that went on with another strategy leaves a file and a folder; copies have dates of their own."""
        for name, step in (("last.pt", 7), ("last/state.pt", 5)):
            checkpoint.save({"state": {"step": step}, "seconds": 1.0, "files": {}}, tmp_path / name)
        os.utime(tmp_path / "last.pt", (0, 0))
        found = newest(tmp_path)
        assert found is not None
        assert found[1] == tmp_path / "last.pt"
        checkpoint.save({"state": {"step": 8}, "seconds": 1.0, "files": {}}, tmp_path / "last" / "state.pt")
        os.utime(tmp_path / "last", (0, 0))
        found = newest(tmp_path)
        assert found is not None
        assert found[1] == tmp_path / "last"

    def test_of_nothing_is_none_and_of_damaged_ones_alone_an_error(self, tmp_path: Path) -> None:
        assert newest(tmp_path) is None
        (tmp_path / "last.pt").write_text("not a checkpoint")
        with pytest.raises(CheckpointError, match=r"last.pt: cannot be read as a checkpoint"):
            newest(tmp_path)


class TestFailures:
    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.ENOSPC, "the disk is full; free some space"),
            (errno.EDQUOT, "the quota of this user is spent; free some space"),
            (errno.EROFS, "the file system is read-only; remount it, or start the run elsewhere"),
            (errno.EACCES, "there is no permission to write there; change the folder's owner or mode"),
            (errno.ENOENT, "the folder is gone; was it removed or moved?"),
        ],
    )
    def test_are_told_in_words(self, tmp_path: Path, number: int, words: str) -> None:
        assert in_words(OSError(number, "x"), tmp_path) == words

    def test_are_told_once_tried_again_and_an_error_at_the_end(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clock = Clock()
        folder = tmp_path / "checkpoints"
        folder.write_text("a file where the folder should be")
        writer = Saver(folder, CheckpointPlan(every_steps=1000), clock)
        for step in (1, 2):
            writer.save(state(step), step)
            with pytest.raises(CheckpointError, match=r"checkpoints: no checkpoint could be written: FileExistsError"):
                list(writer.finish())
            assert not writer.due(step + 1)
            clock.now += RETRY_SECONDS
            assert writer.due(step + 1)
        told = capsys.readouterr().err
        assert told.count("remark: ") == 1
        assert "training continues, and upt will try again" in told
        folder.unlink()
        writer.save(state(3), 3)
        assert list(writer.finish()) == [folder / "last.pt"]
        assert not writer.due(4)

    def test_a_best_state_that_could_not_be_written_is_written_later(self, tmp_path: Path) -> None:
        folder = tmp_path / "checkpoints"
        folder.write_text("in the way")
        writer = Saver(folder)
        writer.keep_best(state(1))
        writer.save(state(1), 1)
        with pytest.raises(CheckpointError, match="no checkpoint could be written"):
            list(writer.finish())
        folder.unlink()
        writer.save(state(2), 2)
        list(writer.finish())
        assert numbers(folder) == {"best.pt": 1, "last.pt": 2}


class Copies:
    """Copies the run folder as it is when a number of checkpoints is written: what a kill then would leave."""

    def __init__(self, to: Path, at: int) -> None:
        self.to, self.left = to, at

    @hookimpl
    def checkpoint_saved(self, trainer: Any, path: Path) -> None:
        self.left -= path.name == "last.pt"
        if self.left == 0 and not self.to.exists():
            shutil.copytree(path.parent.parent, self.to)


@pytest.mark.parametrize("more", [{}, {"accumulate": 3}, {"clip_norm": None, "max_gradient_spike": 1.01}])
def test_a_run_goes_on_from_the_middle_of_an_epoch_bit_by_bit(tiny: Tiny, tmp_path: Path, more: Any) -> None:
    """Also its means: the epoch in which it was killed is logged as if nothing had happened."""
    trainer = {"epochs": 3, "batch_size": 2, "ema": 0.9, "checkpoint": {"every_steps": 5}, **more}
    sampler = {"name": "importance", "num_queries": 8}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    results = tiny(trainer=trainer, sampler=sampler).train(whole, listeners=[Copies(killed, at=1)])
    step = checkpoint.load(killed / "checkpoints" / "last.pt")["state"]["step"]
    assert step % tiny(trainer=trainer).build().train.per_epoch != 0, "in the middle of an epoch"
    again = tiny(trainer=trainer, sampler=sampler).train(killed, resume=True)
    assert again == results
    one, other = (checkpoint.load(folder / "checkpoints" / "last.pt") for folder in (whole, killed))
    assert one["state"] == other["state"]
    for name, value in one["model"].items():
        assert torch.equal(value, other["model"][name])
    epochs = [
        [
            {k: v for k, v in line.items() if "second" not in k and k != "time"}
            for line in lines
            if line["kind"] == "epoch"
        ]
        for lines in map(read_metrics, (whole, killed))
    ]
    assert epochs[0] == epochs[1]


def test_a_full_disk_leaves_the_log_whole(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: writing fails in the middle."""
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.step_ended(Progress(step=1), {"loss": 1.0})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "metrics.jsonl").stat().st_size + 10, hard))
    try:
        for step in (2, 3):
            with pytest.raises(OSError, match="File too large"):
                log.step_ended(Progress(step=step), {"loss": 1.0})
        assert [line["step"] for line in read_metrics(tmp_path)] == [1]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.step_ended(Progress(step=4), {"loss": 1.0})
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2, 3, 4]
