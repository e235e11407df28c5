"""Processor time of a process that trains with others over gloo, beside one that trains alone on the same batches."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from upt_bench.clock import Ratio
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Experiment, Trainer, hookimpl

RANKS = (1, 2)
GOAL = 0.6
"""Of two processes each has half of the rows: 0.5, and what both do all the same (optimizer, averaging, messages)."""


class Stopwatch:
    """Notes the processor time at the end of every epoch."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, float]] = []

    @hookimpl
    def epoch_ended(self, trainer: Trainer) -> None:
        """One more epoch."""
        self.noted.append((trainer.state.step, time.process_time()))

    def seconds_of_step(self) -> float:
        """The median over the epochs; the first, in which tables are made, is left out."""
        pairs = zip(self.noted, self.noted[1:], strict=False)
        return statistics.median((later - earlier) / (stop - start) for (start, earlier), (stop, later) in pairs)


def measure(setting: Setting, results: Results) -> None:
    """Runs of one and of two processes in turn."""
    if setting.device.type == "cuda":
        return  # one device has no second process to train with
    runs: dict[int, list[float]] = {ranks: [] for ranks in RANKS}
    for round_ in range(1 if setting.quick else 3):
        for ranks in RANKS:
            setting.say(f"scaling: {ranks} processes, round {round_ + 1}")
            runs[ranks].append(_seconds(config(setting), ranks))
    ratio = Ratio.of([two / one for one, two in zip(runs[1], runs[2], strict=True)])
    medians = {ranks: statistics.median(found) for ranks, found in runs.items()}
    results.curves["ranks"] = [{"ranks": ranks, "seconds": medians[ranks]} for ranks in RANKS]
    results.figures.append(
        Figure(
            "ranks",
            "processor time of each of two processes (gloo) over that of one, the same batches",
            ratio.value,
            GOAL,
            detail=f"{1e3 * medians[2]:.3g} ms against {1e3 * medians[1]:.3g} ms a step; 0.5 would be without cost",
            noise=ratio.noise,
        )
    )


def config(setting: Setting) -> dict[str, Any]:
    """Burgers in two dimensions, 16 samples a batch."""
    points, dim = (16, 32) if setting.quick else (64, 96)
    return {
        "data": {"name": "burgers2d", "points": points, "num_trajectories": 12, "num_times": 6},
        "model": {
            "latent": {"tokens": 64, "dim": dim},
            "encoder": {"name": "grid", "patch": points // 8},
            "approximator": {"name": "transformer", "depth": 3},
            "decoder": {"name": "perceiver", "depth": 2},
        },
        "sampler": {"name": "stratified", "num_queries": points**2 // 4},
        "losses": {"forward": "forward", "inverse_encoding": "inverse_encoding"},
        "trainer": {"epochs": 3 if setting.quick else 6, "batch_size": 16, "optimizer": "adamw", "device": "cpu"},
        "validation": {"metrics": {"rmse": "rmse"}, "every": 100},
    }


def _seconds(config: dict[str, Any], ranks: int) -> float:
    """Of a step, in the first process."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        done = subprocess.run([*command, "-m", __name__, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{ranks} processes ended with {done.returncode}:\n{done.stderr}")
        return float((Path(folder) / "seconds").read_text(encoding="utf-8"))


def main(folder: Path) -> None:
    """One of the processes: trains, and the first writes the seconds of a step."""
    torch.set_num_threads(1)
    stopwatch = Stopwatch()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    Experiment.from_dict(config).train(folder / "run", listeners=[stopwatch])
    if stopwatch.noted:  # in the first process
        (folder / "seconds").write_text(str(stopwatch.seconds_of_step()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
