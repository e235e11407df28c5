"""Answers that are gathered on disk are those of one array, and do not fill the memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import DataError, Experiment, UserError, load
from upt_core.operator.answers import Answers
from upt_core.operator.gathered import Gathered
from upt_core.operator.output import writing

from .conftest import CONFIG, waves, write
from .test_export import LATTICE

RNG = np.random.default_rng(0)


def part(samples: int, points: int = 5, **changes: Any) -> Answers:
    told: dict[str, Any] = {
        "fields": {"u": RNG.normal(size=(samples, 3, points)), "v": RNG.normal(size=(samples, 3, points, 2))},
        "coords": np.linspace(0, 1, points)[:, None],
        "grid_shape": None,
        "times": np.arange(3.0),
        "remarks": (f"{samples} samples",),
    }
    return Answers(**{**told, **changes})


def gathered(folder: Path, *parts: Answers) -> Answers:
    with Gathered(folder) as found:
        for one in parts:
            found.add(one)
        answers = found.answers()
    assert [path.name for path in folder.iterdir()] == ["train.npz"], "the files have no name"
    return answers


def test_batches_are_one_after_the_other(tmp_path: Path) -> None:
    parts = [part(2), part(3), part(2)]
    found = gathered(tmp_path, *parts)
    for name in ("u", "v"):
        np.testing.assert_array_equal(found.fields[name], np.concatenate([one.fields[name] for one in parts]))
    np.testing.assert_array_equal(found.coords, parts[0].coords)
    assert found.times is not None
    assert (found.times.shape, found.remarks, found.samples) == ((3,), ("2 samples", "3 samples"), 7)


@pytest.mark.parametrize("each", [False, True], ids=["one for all", "one for each sample"])
def test_coordinates_and_times_that_differ_are_kept_for_each_sample(tmp_path: Path, each: bool) -> None:
    first = part(2)
    coords = np.stack([first.coords + 0.1, first.coords + 0.2])
    second = part(2, coords=coords if each else coords[0], times=np.arange(3.0) + 1)
    found = gathered(tmp_path, first, second, first)
    own = [first.coords] * 2 + (list(coords) if each else [coords[0]] * 2) + [first.coords] * 2
    np.testing.assert_array_equal(found.coords, np.stack(own))
    np.testing.assert_array_equal(found.times, [np.arange(3.0) + late for late in (0, 0, 1, 1, 0, 0)])


def test_a_steady_answer_has_no_times(tmp_path: Path) -> None:
    steady = part(2, fields={"u": RNG.normal(size=(2, 5))}, times=None)
    found = gathered(tmp_path, steady, steady)
    assert (found.times, found.fields["u"].shape) == (None, (4, 5))


@pytest.mark.parametrize("other", [part(2, 6), part(2, times=np.arange(4.0)), part(2, grid_shape=(5,))])
def test_what_no_array_holds_is_refused(tmp_path: Path, other: Answers) -> None:
    with pytest.raises(DataError, match="do not fit into one array; give --at or --resolution, and --steps, or one"):
        gathered(tmp_path, part(2), other)


def test_a_full_disk_is_said() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    refused = pytest.raises(UserError, match=r"out\.npz: cannot be written: No space left on device; choose another")
    with refused, writing(Path("out.npz")), open("/dev/full", "wb") as file:
        file.write(bytes(1 << 16))
    with pytest.raises(UserError, match="temporary files cannot be written: "), writing(None):
        raise OSError(28, "No space left on device")


ALLOWED = 300e6
"""Bytes beyond the operator's; the answers have 540 MB."""

LIMITED = """
import resource, sys
from pathlib import Path
from upt_core.cli import main

main(["predict", sys.argv[3], "few.npz", "-o", "few." + sys.argv[1]], standalone_mode=False)
status = Path("/proc/self/status").read_text()
used = 1024 * int(status.partition("VmData:")[2].split()[0])
resource.setrlimit(resource.RLIMIT_DATA, (used + int(float(sys.argv[2])), -1))
question = ["--steps", "64", "--resolution", "65536", "--batch-size", "1"]
main(["predict", sys.argv[3], "many.npz", *question, "-o", "many." + sys.argv[1]], standalone_mode=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the memory as Linux does")
@pytest.mark.parametrize(("ending", "plain"), [("npz", False), ("h5", False), ("nc", False), ("npz", True)])
def test_more_than_the_memory_holds_is_written(ending: str, plain: bool) -> None:
    """Also for plain arrays, which an operator takes whose data set reads no files."""
    pytest.importorskip("xarray")
    Experiment.from_dict({**CONFIG, "model": LATTICE}, "waves").train("run")
    operator, u = load("run"), {"few": waves(2, trajectories=1), "many": waves(2, trajectories=16)}
    if plain:
        operator.provenance["config"]["data"] = {"name": "burgers1d"}
    operator.save("waves.upt")
    for name, value in u.items():
        if plain:
            np.savez(f"{name}.npz", u=value[:, 0])
        else:
            write(Path(f"{name}.npz"), value)
    command = [sys.executable, "-c", LIMITED, ending, str(ALLOWED), "waves.upt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(f"many.{ending}").stat().st_size > 16 * 64 * 65536 * 8
