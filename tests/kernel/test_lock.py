"""One process writes into a run folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from upt_core import UserError
from upt_core.run.lock import locked


def test_a_second_process_is_told_who_trains(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    told = rf"run: this run is being trained by process {os.getpid()} on .*; wait"
    with locked(folder), pytest.raises(UserError, match=told), locked(folder):
        raise AssertionError("both hold it")
    with locked(folder):
        pass


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told = r"file/run: nothing can be written there \(Not a directory\); make the run"
    with pytest.raises(UserError, match=told), locked(tmp_path / "file" / "run"):
        raise AssertionError("there is no such folder")
