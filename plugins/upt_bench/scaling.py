"""How the cost of a step grows with the points N, the query points Q and the latent tokens L, one at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from upt_bench.clock import medians
from upt_bench.made_up import ROWS, bundle_of, grid, step_of
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting

MOST = 1.0
"""Costs may grow in proportion: the exponent of the growth."""


@dataclass(frozen=True)
class Size:
    """A step.

    Args:
        edge: points of a side of the grid.
        count: Q.
        patches: of a side; their number is that of the tokens.
    """

    edge: int
    count: int
    patches: int = 8

    @property
    def numbers(self) -> dict[str, int]:
        """N, Q and L."""
        return {"N": self.edge**2, "Q": self.count, "L": self.patches**2}


AXES: dict[str, tuple[Size, ...]] = {
    "N": tuple(Size(edge, 1024) for edge in (32, 64, 128, 256)),
    "Q": tuple(Size(64, count) for count in (256, 1024, 2048, 4096)),
    "L": tuple(Size(64, 1024, patches) for patches in (4, 8, 16, 32)),
}
QUICK: dict[str, tuple[Size, ...]] = {
    "N": (Size(16, 64), Size(32, 64)),
    "Q": (Size(16, 64), Size(16, 256)),
    "L": (Size(16, 64, 4), Size(16, 64, 8)),
}
NAMES = {"N": "points", "Q": "query points", "L": "latent tokens"}


def measure(setting: Setting, results: Results) -> None:
    """Every axis, its sizes in turn."""
    results.curves["scaling"] = []
    for axis, sizes in (QUICK if setting.quick else AXES).items():
        setting.say(f"scaling: {NAMES[axis]}")
        actions = {str(size.numbers[axis]): _step(setting, size) for size in sizes}
        seconds = medians(actions, setting.device, 9, 0.2 if setting.quick else 30.0)
        rows = [size.numbers | {"axis": axis, "seconds": seconds[str(size.numbers[axis])]} for size in sizes]
        results.curves["scaling"] += rows
        results.figures.append(_figure(axis, rows))


def _step(setting: Setting, size: Size) -> Any:
    points = grid(size.edge, setting.device)
    patch = size.edge // size.patches
    bundle = bundle_of(setting, points, "grid", size.count, size.patches**2, patch=patch)
    return step_of(setting, bundle, points)


def _figure(axis: str, rows: list[dict[str, Any]]) -> Figure:
    first, last = rows[0], rows[-1]
    growth, times = last["seconds"] / first["seconds"], last[axis] / first[axis]
    others = ", ".join(f"{name} = {first[name]:,}" for name in NAMES if name != axis)
    return Figure(
        f"growth_{axis}",
        f"a step's time grows with the {NAMES[axis]} to the power of",
        math.log(growth) / math.log(times),
        MOST,
        detail=f"{growth:.3g} times from {axis} = {first[axis]:,} to {last[axis]:,}; {others}, {ROWS} samples, forward "
        "and inverse_encoding, grid encoder",
    )
