"""Values at query points: the product's gather beside torch's own ways, and what torch.compile makes of one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from upt_bench.clock import Action, times
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core.commands import gather_points

OWN = "gather_points"


def measure(setting: Setting, results: Results) -> None:
    """Each way in turn, on the fields of a batch."""
    rows, points, count, channels = (2, 256, 64, 3) if setting.quick else (10, 65_536, 8_192, 3)
    setting.say(f"gathers: {count:,} of {points:,} points")
    value_BNC = torch.rand(rows, points, channels, generator=setting.rng(), device=setting.device)
    index_BQ = torch.randint(points, (rows, count), generator=setting.rng(), device=setting.device)
    ways: dict[str, Any] = {OWN: gather_points, "torch.gather": _gather, "indexing": _indexed}
    if not setting.quick:
        ways["torch.gather, compiled"] = torch.compile(_gather)
    assert all(torch.equal(way(value_BNC, index_BQ), _gather(value_BNC, index_BQ)) for way in ways.values())
    actions: dict[str, Action] = {name: lambda way=way: way(value_BNC, index_BQ) for name, way in ways.items()}  # type: ignore[misc]
    found = times(actions, setting.device, 50, 0.2 if setting.quick else 10.0)
    results.curves["gathers"] = [{"way": name, "us": 1e6 * found.median(name)} for name in ways]
    for name in ways:
        if name != OWN:
            ratio = found.ratio(OWN, name)
            results.figures.append(
                Figure(
                    f"gather_over_{name.replace(', ', '_').replace('.', '_')}",
                    f"values of {channels} channels at query points: time over that of {name}",
                    ratio.value,
                    detail=f"{count:,} of {points:,} points, {rows} samples; {1e6 * found.median(OWN):.3g} µs and "
                    f"{1e6 * found.median(name):.3g} µs",
                    noise=ratio.noise,
                )
            )


def _gather(value_BNC: Tensor, index_BQ: Tensor) -> Tensor:
    return value_BNC.gather(1, index_BQ.unsqueeze(-1).expand(-1, -1, value_BNC.shape[-1]))


def _indexed(value_BNC: Tensor, index_BQ: Tensor) -> Tensor:
    return value_BNC[torch.arange(len(value_BNC), device=value_BNC.device).unsqueeze(1), index_BQ]
