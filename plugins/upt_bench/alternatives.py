"""What is not built in, and why: patches, lattices and two levels against uniform points on planes."""

from __future__ import annotations

from typing import Any

import torch

from upt_bench.clock import Action, medians
from upt_bench.designs import Patches, designs, plane
from upt_bench.field_variance import gain
from upt_bench.fields import fields
from upt_bench.results import Results
from upt_bench.setting import PROGRESS, Setting, grid_without_memory
from upt_core import Queries, Sampler

BATCH, COUNT, CHANNELS = 16, 2048, 4


def measure(setting: Setting, results: Results) -> None:
    """Variance gains on all planes; then what a draw and its gather cost, which patches might make cheaper."""
    rows: list[dict[str, Any]] = []
    for field in fields(setting):
        if not plane(field.points):
            continue
        setting.say(f"alternatives: {field.name}")
        for count in field.counts:
            rows += [
                {"field": field.name, "num_points": field.points.num_points, "count": count}
                | {"sampler": name, "gain": gain(setting, sampler, field, count)}
                for name, sampler in designs(setting).items()
            ]
    results.curves["alternatives"] = rows
    results.curves["alternatives_time"] = [
        row for edge in ((64,) if setting.quick else (64, 512)) for row in _times(setting, edge)
    ]


def _times(setting: Setting, edge: int) -> list[dict[str, Any]]:
    """Seconds of the draw and of the gather of fields and coordinates, B rows each."""
    setting.say(f"alternatives: time of draw and gather, {edge} × {edge}")
    rng, points = setting.rng(), grid_without_memory((edge, edge), BATCH, setting.device)
    field_BNC = torch.randn(BATCH, edge * edge, CHANNELS, generator=rng, device=setting.device)
    apart = setting.sampler("stratified", coupling="independent")
    samplers: dict[str, Sampler] = {
        "uniform": setting.sampler("uniform"),
        "stratified": setting.sampler("stratified"),
        "sobol": setting.sampler("sobol"),
        "patches 4": Patches(4, apart),
        "patches 8": Patches(8, apart),
    }
    drawing: dict[str, Action] = {}
    gathering: dict[str, Action] = {}
    for name, sampler in samplers.items():
        index_BQ = sampler.draw(points, COUNT, rng, PROGRESS).index_BQ
        drawing[name] = lambda sampler=sampler: sampler.draw(points, COUNT, rng, PROGRESS)  # type: ignore[misc]
        gathering[name] = lambda index_BQ=index_BQ: Queries(index_BQ).take(field_BNC)  # type: ignore[misc]
    budget = 0.2 if setting.quick else 3.0
    draw, gather = (medians(actions, setting.device, 100, budget) for actions in (drawing, gathering))
    return [
        {"num_points": edge * edge, "action": action, "sampler": name, "seconds": found[name]}
        for action, found in (("draw", draw), ("gather", gather))
        for name in samplers
    ]
