"""Files larger than memory train in little of it: measured on files of 8 GB that are mostly holes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

NUM, TIMES, SIDE = 4, 1024, 512
"""float64: 8.6 GB, 2 MB for each time step, 2.1 GB for each trajectory."""
ALLOWED = 1.0e9
"""Bytes beyond what Python with torch and the readers' libraries takes by itself."""

PROCESS = """
import json, resource, sys
import h5py, numpy, torch
import upt_core, upt_data
if sys.argv[2] == "zarr":
    import zarr
torch.set_num_threads(1)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

bare = peak()
experiment = upt_core.Experiment.from_dict(json.loads(sys.argv[1]))
result = experiment.train(sys.argv[3])
print(json.dumps({"bare": bare, "peak": peak()}))
"""


def write_hdf5(path: Path, num: int = NUM, times: int = TIMES) -> None:
    """Chunks of one frame, of which few are ever written."""
    with h5py.File(path, "w") as file:
        u = file.create_dataset("u", (num, times, SIDE, SIDE), "f8", chunks=(1, 1, SIDE, SIDE))
        fill(u)
        for name, value in coordinates(times).items():
            file[name] = value


def write_zarr(path: Path, num: int = NUM, times: int = TIMES) -> None:
    """A store of which few chunks are ever written."""
    import zarr

    group = zarr.open_group(path, mode="w")
    fill(group.create_array("u", shape=(num, times, SIDE, SIDE), chunks=(1, 1, SIDE, SIDE), dtype="f8", fill_value=0))
    for name, value in coordinates(times).items():
        group.create_array(name, data=value)


def fill(u: Any) -> None:
    """The first frames of each trajectory; all others are holes."""
    rng = np.random.default_rng(0)
    for number in range(u.shape[0]):
        for time in range(3):
            u[number, time] = rng.normal(size=(SIDE, SIDE))


def coordinates(times: int) -> dict[str, Any]:
    return {"x": np.arange(SIDE) / SIDE, "y": np.arange(SIDE) / SIDE, "t": np.arange(times) * 0.01}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "write", "stride"), [("hdf5", write_hdf5, 1), ("zarr", write_zarr, 16)])
def test_eight_gigabytes_train_in_less_than_one(
    tmp_path: Path, name: str, write: Callable[..., None], stride: int, record_property: Callable[[str, object], None]
) -> None:
    pytest.importorskip("zarr")
    large, small = tmp_path / f"large.{name}", tmp_path / f"small.{name}"
    write(large)
    write(small, 1, 3 * stride)
    experiment = {
        "data": {
            "name": name,
            "path": str(large),
            "valid_path": str(small),
            "test_path": str(small),
            "periodic": True,
            "time_stride": stride,
        },
        "model": {
            "latent": {"tokens": 16, "dim": 16},
            "encoder": {"name": "grid", "patch": 64, "depth": 1, "heads": 2},
            "approximator": {"name": "transformer", "depth": 1, "heads": 2},
            "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
        },
        "sampler": {"name": "uniform", "num_queries": 64},
        "losses": {"forward": "forward"},
        "trainer": {
            "epochs": 1,
            "budget": {"seconds": 2, "clock": "process"},
            "batch_size": 2,
            "device": "cpu",
            "optimizer": "adamw",
        },
        "validation": {"metrics": {"relative_l2": "relative_l2"}},
    }
    command = [sys.executable, "-c", PROCESS, json.dumps(experiment), name, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    record_property("peak_beyond_imports", found["peak"] - found["bare"])
    print(f"{name}: {found['bare'] / 1e6:.0f} MB imported, {found['peak'] / 1e6:.0f} MB at the peak")
    assert found["peak"] - found["bare"] < ALLOWED


READ_ONE = """
import resource, sys
import numpy, torch
from upt_core.registry.discovery import installed

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

dataset = installed().find("dataset", "neuraloperator").load()
bare = peak()
part = dataset(path=sys.argv[1]).trajectories("train")
part.read(0, 0, 1)
print(peak() - bare)
"""


@pytest.mark.slow
def test_a_torch_file_stays_on_disk(tmp_path: Path) -> None:
    values = torch.randn(400, 512, 512)
    torch.save({"x": values, "y": values.clone()}, tmp_path / "pair.pt")
    size = (tmp_path / "pair.pt").stat().st_size
    del values
    done = subprocess.run(
        [sys.executable, "-c", READ_ONE, str(tmp_path / "pair.pt")], capture_output=True, text=True, check=True
    )
    taken = int(done.stdout)
    print(f"a file of {size / 1e6:.0f} MB: {taken / 1e6:.0f} MB to open it and read a sample")
    assert taken < size / 4
