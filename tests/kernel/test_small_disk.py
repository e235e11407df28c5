"""A disk that is full, for a while or for good: every message, and what a run loses by it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ALONE = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened in each case of ``small_disk.py``."""
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk (unshare --user --mount)")
    folder = tmp_path_factory.mktemp("small")
    command = [*ALONE, sys.executable, str(HERE / "small_disk.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


FULL = "the disk is full; free some space"


def test_a_run_goes_on_and_ends_as_if_nothing_had_been(cases: dict[str, Any]) -> None:
    found = cases["for_a_while"]
    assert found["ended"] == ""
    assert found["equal"]
    assert found["steps"], "the log has every step once"
    assert found["left"] == []
    told = f"checkpoints: no checkpoint could be written: {FULL}; training continues, and upt will try again"
    assert found["said"].count(told) == 1
    assert "MetricsLog failed in step_ended: OSError: [Errno 28] No space left on device" in found["said"]


def test_a_run_that_cannot_begin_says_why(cases: dict[str, Any]) -> None:
    assert cases["begins"]["ended"].endswith(f"begins/config.yaml: cannot be written: {FULL}")


def test_figures_that_cannot_be_written_are_written_by_a_resume(cases: dict[str, Any]) -> None:
    found = cases["results"]
    assert found["ended"].endswith(f"results/results.json: cannot be written: {FULL}")
    assert found["again"] == ""
    assert found["there"]


def test_latents_without_room_are_refused_before_one_is_encoded(cases: dict[str, Any]) -> None:
    """Without a place for all of them the process would be killed by SIGBUS on the way."""
    found = cases["latents"]
    assert found["generated"] == ""
    assert "no space for the latents of the training split (" in found["ended"]
    assert found["ended"].endswith(f"{FULL}; or set UPT_CACHE to another folder")
    assert found["kept"] == []


def test_generated_data_that_cannot_be_kept_cost_a_warning(cases: dict[str, Any]) -> None:
    found = cases["generated"]
    assert found["ended"] == ""
    assert "the generated data could not be saved (" in found["warned"]
    assert "No space left on device); the next run will compute them again" in found["warned"]


def test_a_checkpoint_larger_than_the_disk_is_told_in_words(cases: dict[str, Any]) -> None:
    assert cases["larger_than_the_disk"]["ended"].endswith(f"larger: no checkpoint could be written: {FULL}")
