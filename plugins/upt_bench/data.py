"""``upt bench data``: samples per second of every reader of files beside a bare loop that reads the same bytes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from upt_bench.clock import Times, times
from upt_bench.data_files import FORMATS, Grid, Layout, Stored
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core.commands import PreparedData, generator

BATCH = 16
GOAL = 0.8
READ_AHEAD_SECONDS = 1.5
"""So much reading is shared out to processes, which takes them longer than to begin."""
GRIDS = (
    Grid("1,024 points", (1024,), 230, 200, (1, 32, 1024), (8, 8, 256)),
    Grid("128 × 128 points", (128, 128), 140, 21, (1, 4, 128, 128), (4, 4, 32, 64)),
)
QUICK = (Grid("64 points", (64,), 16, 9, (1, 4, 64), (4, 4, 32)),)


def measure(setting: Setting, results: Results) -> None:
    """Every format in each of its layouts, without and with processes that read ahead."""
    rows = []
    for grid in QUICK if setting.quick else GRIDS:
        for name in FORMATS:
            for layout, chunks in layouts(name, grid).items():
                setting.say(f"{name}, {grid.name}, {layout}")
                with tempfile.TemporaryDirectory() as folder:
                    stored = FORMATS[name](Path(folder), grid.values(), chunks)
                    found = _speeds(setting, stored, grid)
                rows += [{"format": name, "grid": grid.name, "layout": layout, **row} for row in found]
    results.curves["reading"] = rows
    results.figures += [_figure(name, rows) for name in FORMATS]


def layouts(name: str, grid: Grid) -> dict[str, Layout]:
    """Layouts that a format can have on a grid."""
    if name == "pdebench" and len(grid.shape) > 1:
        return {}
    chunked: dict[str, Layout] = {"whole frames": grid.whole, "blocks": grid.blocks}
    one: dict[str, Layout] = {"one piece": None}
    return one if name == "npz" else chunked if name == "zarr" else one | chunked


def _speeds(setting: Setting, stored: Stored, grid: Grid) -> list[dict[str, Any]]:
    """Samples per second of both, read in turn, with 0 and with 2 processes that read ahead."""
    prepared = PreparedData(setting.dataset(stored.dataset, **stored.settings))
    batches = prepared.batches("train", 1, BATCH, seed=0)
    bare = BareLoop(stored.opened, batches.num_samples, grid.times)
    most = batches.per_epoch
    few, found = min(most, 8), []
    many = few if setting.quick else _in_seconds(bare, few, READ_AHEAD_SECONDS, most)
    for workers, number in ((0, few), (2, many)):
        actions: dict[str, Callable[[], object]] = {
            "upt": partial(_batches_of, batches, number, workers),
            "bare": partial(_batches_of, bare, number, workers),
        }
        measured = (
            times(actions, torch.device("cpu"), 5, 1.5) if workers == 0 else _waited(actions, 1 if setting.quick else 3)
        )
        ratio = measured.ratio("bare", "upt")
        speed = {name: number * BATCH / measured.median(name) for name in actions}
        found.append({"workers": workers, **speed, "ratio": ratio.value, "noise": ratio.noise})
    return found


def _in_seconds(bare: BareLoop, number: int, seconds: float, most: int) -> int:
    """Batches that the bare loop reads in so many seconds, at least 40: the start of processes counts once an epoch."""
    started = time.perf_counter()
    _batches_of(bare, number, 0)
    return min(most, max(40, round(number * seconds / (time.perf_counter() - started))))


def _waited(actions: dict[str, Callable[[], object]], rounds: int) -> Times:
    """Seconds that pass, in turn: the work of other processes is on no clock of this one."""
    found: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            found[name].append(time.perf_counter() - started)
    return Times(found)


class BareLoop(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Batches as one would read them by hand: random starts, two frames of each, stacked and scaled.

    Args:
        opened: opens the array (trajectories, times, *grid).
        num_samples: in an epoch.
        times: time steps of a trajectory.
    """

    def __init__(self, opened: Callable[[], Any], num_samples: int, times: int) -> None:
        self.order = torch.randperm(num_samples, generator=generator("cpu", 0, "bare")).tolist()
        self.windows = times - 1
        self.opened = opened
        self.array: Any = None
        self.mean, self.std = 0.5, 12**-0.5  # of values spread evenly over 0 to 1

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, (B, *grid)."""
        if self.array is None:
            self.array = self.opened()
        found = []
        for sample in self.order[number * BATCH : (number + 1) * BATCH]:
            trajectory, start = divmod(sample, self.windows)
            found.append(torch.from_numpy(self.array[trajectory, start : start + 2].copy()))
        frames = (torch.stack(found) - self.mean) / self.std
        return frames[:, 0], frames[:, 1]

    def iterate(self, start: int, stop: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches start ≤ k < stop, read ahead by processes."""
        if workers == 0:
            return (self[index] for index in range(start, stop))
        self.array = None  # each process opens the file itself
        return iter(DataLoader(self, batch_size=None, sampler=range(start, stop), num_workers=workers))


class _Reads(Protocol):
    def iterate(self, start: int, stop: int, workers: int) -> Iterator[Any]: ...


def _batches_of(reads: _Reads, number: int, workers: int) -> None:
    for _ in reads.iterate(0, number, workers):
        pass


def _figure(name: str, rows: list[dict[str, Any]]) -> Figure:
    """The worst layout of a format."""
    own = [row for row in rows if row["format"] == name]
    worst = min(own, key=lambda row: float(row["ratio"]))
    return Figure(
        f"{name}_over_bare",
        f"`{name}`: samples per second, of a bare loop's",
        worst["ratio"],
        GOAL,
        "at least",
        "×",
        noise=worst["noise"],
        detail=f"the worst of {len(own)}: {worst['grid']}, {worst['layout']}, {worst['workers']} workers, "
        f"{worst['upt']:,.0f} samples per second",
    )
