"""How much lower the variance of the mini-batch gradient is than with uniform points, for a trained decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from upt_bench.field_variance import rows_of, uniform_variance
from upt_bench.flow import Flow, bundle_of, load, probe_of, squared_error, train
from upt_bench.point_gradients import point_gradients
from upt_bench.results import Figure, Results
from upt_bench.setting import PROGRESS, Setting
from upt_core import Sampler
from upt_core.commands import LossBundle

FRAMES, COUPLED = 6, 8
DIRECTIONS = 48
DRAWS, ROWS = 1024, 64
COUPLED_DRAWS = 2400
"""Of a whole batch: its share of the variance is then known within 0.01 (one standard deviation, over seeds)."""

STEPS = {"trained": 300, "converged": 1500}
"""Optimizer steps: to a mean squared error of about 0.05 (the fields' variance is 1), and of about 0.01."""


def measure(setting: Setting, results: Results) -> None:
    """Trains decoders, then compares samplers on their gradients."""
    flow = load(setting, 3 if setting.quick else FRAMES)
    rows: list[dict[str, Any]] = []
    for state, steps in STEPS.items():
        setting.say(f"gradient variance: training a decoder on {flow.name}, {state}")
        bundle = trained(setting, flow, steps)
        error = float(squared_error(bundle.model, flow).mean())
        gradient_NK = point_gradients(bundle.model, flow, 4 if setting.quick else DIRECTIONS, frames=1)[0]
        for count in (32,) if setting.quick else (256, 1024):
            setting.say(f"gradient variance: {flow.name}, {state}, Q = {count}")
            rows += [
                {"decoder": state, "error": error, "count": count, "sampler": name}
                | {"gain": gradient_gain(setting, sampler, flow, bundle, gradient_NK, count)}
                for name, sampler in _samplers(setting).items()
            ]
    results.curves["gradient_variance"] = rows
    results.figures += [_figure(flow, rows, count, goal) for count, goal in _goals(setting)]
    coupled = load(setting, 3 if setting.quick else COUPLED)
    setting.say("gradient variance: rows of a batch together")
    rows = [
        {"decoder": state} | row
        for state, steps in STEPS.items()
        for row in coordinated(setting, _coupled(setting), coupled, trained(setting, coupled, steps))
    ]
    results.curves["coordinated"] = rows
    results.figures.append(_coordinated_figure(coupled, rows))


def trained(setting: Setting, flow: Flow, steps: int) -> LossBundle:
    """A decoder after so many steps with uniform points."""
    bundle = bundle_of(setting, flow, setting.sampler("uniform", num_queries=256), 0)
    train(bundle, flow, 6 if setting.quick else steps, 3, 0)
    return bundle


def _goals(setting: Setting) -> tuple[tuple[int, float], ...]:
    return ((32, 1.0),) if setting.quick else ((256, 3.0), (1024, 5.0))


def _figure(flow: Flow, rows: list[dict[str, Any]], count: int, goal: float) -> Figure:
    found = {(row["decoder"], row["sampler"]): row["gain"] for row in rows if row["count"] == count}
    return Figure(
        f"importance_gradient_{count}",
        f"importance (error): variance of the mini-batch gradient, uniform over importance, trained decoder, "
        f"{flow.name}, Q = {count}",
        found["trained", "importance, error"],
        goal if flow.is_goal else None,
        "at least",
        "×",
        f"stratified {found['trained', 'stratified']:.2f}, target_gradient "
        f"{found['trained', 'importance, target_gradient']:.2f}; once converged, error "
        f"{found['converged', 'importance, error']:.2f}",
    )


def _samplers(setting: Setting) -> dict[str, Sampler]:
    apart = {"coupling": "independent"}
    return {
        "stratified": setting.sampler("stratified", **apart),
        "importance, error": setting.sampler("importance", **apart),
        "importance, error, block 32": setting.sampler("importance", block=32, **apart),
        "importance, error, dense": setting.sampler("importance", dense=True, **apart),
        "importance, error, floor 0.5": setting.sampler("importance", floor=0.5, **apart),
        "importance, target_gradient": setting.sampler("importance", metric="target_gradient", **apart),
    }


def gradient_gain(
    setting: Setting, sampler: Sampler, flow: Flow, bundle: LossBundle, gradient_NK: Tensor, count: int
) -> float:
    """Variance with uniform points (exact) over that of a sampler, for the first frame."""
    if sampler.adaptive:
        sampler.refresh(probe_of(bundle, flow), PROGRESS)
    points, rng = rows_of(flow.points, ROWS), setting.rng(count)
    draws: list[Tensor] = []
    for _ in range((DRAWS if not setting.quick else 128) // ROWS):
        queries = sampler.draw(points, count, rng, PROGRESS)
        assert queries.index_BQ is not None
        value_BQK = gradient_NK[queries.index_BQ]
        draws.append(
            value_BQK.mean(1)
            if queries.weight_BQ is None
            else torch.einsum("bqk,bq->bk", value_BQK, queries.weight_BQ) / count
        )
    return float(uniform_variance(gradient_NK, count) / torch.cat(draws).double().var(0).sum())


def _coupled(setting: Setting) -> dict[str, Sampler]:
    return {f"stratified, {how}": setting.sampler("stratified", coupling=how) for how in ("latin", "independent")}


def coordinated(setting: Setting, samplers: dict[str, Sampler], flow: Flow, bundle: LossBundle) -> list[dict[str, Any]]:
    """Variance of the gradient of a batch of all frames, over that with independent uniform points."""
    gradient_SNK = point_gradients(bundle.model, flow, 4 if setting.quick else DIRECTIONS // 3)
    count, frames = (32 if setting.quick else 256), torch.arange(flow.num_frames, device=flow.frame_SNC.device)
    independent = sum(uniform_variance(gradient_NK, count) for gradient_NK in gradient_SNK) / flow.num_frames**2
    points, rng = flow.batch(frames).points, setting.rng(7)
    rows: list[dict[str, Any]] = []
    for name, sampler in samplers.items():
        means = []
        for _ in range(COUPLED_DRAWS if not setting.quick else 60):
            queries = sampler.draw(points, count, rng, PROGRESS)
            assert queries.index_BQ is not None
            means.append(gradient_SNK[frames.unsqueeze(1), queries.index_BQ].mean((0, 1)))
        share = float(torch.stack(means).double().var(0).sum() / independent)
        rows.append({"sampler": name, "count": count, "share": share})
    return rows


def _coordinated_figure(flow: Flow, rows: list[dict[str, Any]]) -> Figure:
    found = {(row["decoder"], row["sampler"]): row["share"] for row in rows}
    return Figure(
        "coordinated",
        f"stratified with rows of the batch coordinated: gradient variance over that of independent uniform, "
        f"B = {flow.num_frames}, Q = {rows[0]['count']}, {flow.name}",
        found["trained", "stratified, latin"],
        0.7 if flow.is_goal else None,
        detail=f"stratified with independent rows {found['trained', 'stratified, independent']:.2f}; once converged, "
        f"coordinated {found['converged', 'stratified, latin']:.2f}",
    )
