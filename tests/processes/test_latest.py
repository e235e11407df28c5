"""Example predictions while several processes train: as in one process, and a failure ends none of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Found = list[dict[str, Any]]
FAILED = "remark: example predictions of the run so far could not be written: "


@pytest.fixture(scope="module")
def two(folder: Path, started: Callable[[int, str, Path], Found]) -> Found:
    return started(2, "latest", folder)


def written(folder: Path) -> dict[str, dict[str, Any]]:
    """The examples on the way in the only run of a folder."""
    [run] = folder.iterdir()
    found = {}
    for path in sorted(run.glob("latest*")):
        with np.load(path) as stored:
            found[path.name] = dict(stored)
    return found


@pytest.mark.parametrize(
    ("name", "files"),
    [("ddp", ["latest.npz"]), ("fsdp", ["latest.npz"]), ("tasks", ["latest-line.npz", "latest-plane.npz"])],
)
def test_they_are_those_of_one_process(
    name: str, files: list[str], two: Found, folder: Path, tmp_path: Path, scenarios: Any
) -> None:
    """By the moving average of the weights, up to rounding."""
    changes = scenarios.TASKS if name == "tasks" else {}
    scenarios.train(scenarios.with_trainer(changes, epochs=1), tmp_path)
    alone, several = written(tmp_path), written(folder / name)
    assert sorted(alone) == sorted(several) == files
    for file, arrays in alone.items():
        assert str(several[file]["split"]) == "valid"
        for key, value in arrays.items():
            if value.dtype.kind == "f":
                assert np.allclose(several[file][key], value, rtol=1e-4, atol=1e-5), (file, key)
            else:
                assert np.array_equal(several[file][key], value), (file, key)


def test_sizes_of_a_divided_model_say_of_which_share_they_are(two: Found, folder: Path) -> None:
    """Listeners are those of the first process, which has its own rows alone."""
    [run] = (folder / "fsdp").iterdir()
    lines = [json.loads(line) for line in (run / "gradient_stats.jsonl").read_text().splitlines()]
    assert lines
    assert all(line["share"] == pytest.approx(0.5, rel=0.05) for line in lines)


def test_a_file_that_cannot_be_written_is_told_once_by_the_first(two: Found) -> None:
    first, second = (each["no file"] for each in two)
    assert first["ended"] == second["ended"] == ("", "")
    assert first["said"].count(FAILED) == 1
    assert "latest.npz: cannot be written: IsADirectoryError: " in first["said"]
    assert "(process 0); training continues, and further failures are not reported" in first["said"]
    assert FAILED not in second["said"]


def test_a_failure_in_one_process_is_told_once_by_it(two: Found) -> None:
    first, second = (each["no prediction"] for each in two)
    assert first["ended"] == second["ended"] == ("", "")
    assert FAILED not in first["said"]
    assert (
        second["said"].count(f"{FAILED}OSError: the disk of this process is gone (process 1); training continues") == 1
    )
