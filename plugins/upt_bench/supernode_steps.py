"""Training steps with supernodes at more and more points: what a step costs must not grow with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from upt_bench.clock import Action, medians, seconds_of
from upt_bench.made_up import ROWS, bundle_of, grid, step_of
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Encoder, Points


@dataclass(frozen=True)
class Case:
    """Points of one kind in several numbers.

    Args:
        key: of the figure.
        text: what the points are.
        goal: how much longer a step at the most points may be than at the fewest.
        supernodes: S.
        queries: Q.
        points: of one sample, fewest first.
    """

    key: str
    text: str
    goal: float
    supernodes: int
    queries: int
    points: list[Points]


def measure(setting: Setting, results: Results) -> None:
    """A step of forward and inverse_encoding at every number of points, all in turn."""
    results.curves["supernode_steps"] = rows = []
    for case in (_grids(setting), _cloud(setting)):
        setting.say(f"steps: {case.text}")
        found = _steps(setting, case)
        rows += found
        results.figures += _figures(case, found)


def _grids(setting: Setting) -> Case:
    edges = (16, 32) if setting.quick else (64, 128, 256, 512)
    supernodes, queries = (16, 64) if setting.quick else (256, 2048)
    return Case("grid", "a grid", 1.2, supernodes, queries, [grid(edge, setting.device) for edge in edges])


def _cloud(setting: Setting) -> Case:
    """The points of the CFD case of the real data, tiled; without it, points that crowd in a corner."""
    folder = None if setting.quick else setting.file("pointcloud", "cfd")
    if folder is None:
        coords_NX = torch.rand(300 if setting.quick else 32_392, 2, generator=setting.rng(), device=setting.device) ** 2
        text = "points that crowd in a corner"
    else:
        dataset = setting.dataset("point_frames", path=folder, split_by="time")
        coords_NX = dataset.trajectories("train").read(0, 0, 1).coords_NX.float().to(setting.device)
        coords_NX = (coords_NX - coords_NX.amin(0)) / (coords_NX.amax(0) - coords_NX.amin(0)).max()
        text = "the CFD case, tiled"
    supernodes, queries = (16, 64) if setting.quick else (512, 1024)
    points = [Points(_tiled(coords_NX, copies)[None]) for copies in (1, 2, 4, 8)]
    return Case("cloud", text, 1.1, supernodes, queries, points)


def _tiled(coords_NX: Tensor, copies: int) -> Tensor:
    """Copies beside one another, scaled into the unit box."""
    tiles = [coords_NX + torch.tensor([float(number), 0.0], device=coords_NX.device) for number in range(copies)]
    return torch.cat(tiles) / copies


def _steps(setting: Setting, case: Case) -> list[dict[str, Any]]:
    actions: dict[str, Action] = {}
    rows = []
    for points in case.points:
        bundle = bundle_of(setting, points, "supernode", case.queries, supernodes=case.supernodes)
        encoder = bundle.model.encoder
        once = seconds_of(partial(points.get, encoder.needs[0]), setting.device)
        actions[f"{points.num_points}"] = step_of(setting, bundle, points)
        rows.append({"case": case.text, "points": points.num_points, "once": once, "heard": _heard(encoder, points)})
    seconds = medians(actions, setting.device, 15, 0.5 if setting.quick else 120.0)
    return [row | {"seconds": seconds[f"{row['points']}"]} for row in rows]


def _heard(encoder: Encoder, points: Points) -> float:
    """The share of the points that some supernode hears."""
    _, _, point_BM, _, count_BS = points.get(encoder.needs[0])
    return len(torch.unique(point_BM[0, : int(count_BS[0].sum())])) / points.num_points


def _figures(case: Case, rows: list[dict[str, Any]]) -> list[Figure]:
    fewest, most = rows[0], rows[-1]
    return [
        Figure(
            f"{case.key}_step",
            f"{case.text}: a step at {most['points']:,} points over one at {fewest['points']:,}",
            most["seconds"] / fewest["seconds"],
            case.goal,
            detail=f"{case.supernodes} supernodes, Q = {case.queries}, {ROWS} samples, forward and inverse_encoding; "
            f"{1e3 * most['seconds']:.0f} ms over {1e3 * fewest['seconds']:.0f} ms",
        ),
        Figure(
            f"{case.key}_heard",
            f"{case.text}: share of the points that some supernode hears, at {most['points']:,} points",
            100 * most["heard"],
            100.0,
            "at least",
            unit="%",
        ),
        Figure(
            f"{case.key}_once",
            f"{case.text}: finding supernodes and neighbours once, at {most['points']:,} points, over a step",
            most["once"] / most["seconds"],
            unit="×",
            detail=f"{1e3 * most['once']:.0f} ms, once per point set",
        ),
    ]
