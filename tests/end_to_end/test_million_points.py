"""A cloud of 10⁶ points trains and predicts in bounded memory, and a step with supernodes costs no more than at 10⁵."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MEASURE = """
import json, resource, sys, time
import numpy as np, torch
from upt_core import Experiment, Progress, load

torch.set_num_threads(1)
number, encoder = int(sys.argv[1]), sys.argv[2]
place = np.random.default_rng(0).random((number, 2)).astype("float32")
moved = place[:, None, 0] - 0.05 * np.arange(6, dtype="float32")
u = np.sin(2 * np.pi * moved) * np.cos(2 * np.pi * place[:, None, 1])
np.savez("cloud.npz", pos=place, u=u, ptr=np.array([0, number]), t=np.arange(6.0))
parts = {
    "supernode": [{"tokens": 16, "dim": 32}, {"name": "supernode", "supernodes": 256}, "transformer", "perceiver"],
    "lattice": [{"tokens": [16, 16], "dim": 8}, "lattice", "convolution", {"name": "basis", "functions": 3}],
}[encoder]
experiment = Experiment.from_dict(
    {
        "data": {"name": "points", "path": "cloud.npz", "split_by": "time", "valid_fraction": 0.34},
        "model": dict(zip(("latent", "encoder", "approximator", "decoder"), parts)),
        "sampler": {"name": "stratified", "num_queries": 1024},
        "losses": {"forward": "forward", "inverse_encoding": "inverse_encoding"},
        "trainer": {"epochs": 3, "batch_size": 1, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
        "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}},
        "callbacks": [],
    },
    "cloud",
)
built = experiment.build()
bundle = built.bundle.train()
optimizer = torch.optim.AdamW(bundle.model.parameters(), 1e-3)
seconds = []
for step in range(9):
    (batch,) = built.train.iterate(step, step + 1)
    started = time.process_time()
    bundle(batch, Progress(step=step)).total.backward()
    optimizer.step()
    optimizer.zero_grad()
    seconds.append(time.process_time() - started)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
del built, bundle, optimizer, batch
experiment.train("run")
found = load("run").predict({"u": u[:, 0]}, coords=place)["u"]
print(json.dumps({
    "step": sorted(seconds[1:])[4],
    "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "answers": int(np.isfinite(found).sum()),
}))
"""


def measured(folder: Path, number: int, encoder: str) -> dict[str, Any]:
    folder.mkdir()
    command = [sys.executable, "-c", MEASURE, str(number), encoder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["supernode", "lattice"])
def test_a_million_points_train_and_predict_in_bounded_memory(tmp_path: Path, encoder: str) -> None:
    few, many = (measured(tmp_path / str(number), number, encoder) for number in (100_000, 1_000_000))
    print(encoder, few, many)  # shown with -s: the figures of docs/supernodes.md
    assert (few["answers"], many["answers"]) == (100_000, 1_000_000)
    assert (many["mib"] - few["mib"]) * 2**20 / 900_000 < 2000  # bytes for each further point, its six frames and all
    if encoder == "supernode":
        assert many["step"] < 1.5 * few["step"]
