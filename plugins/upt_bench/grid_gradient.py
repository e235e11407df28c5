"""Variance of the mini-batch gradient of a decoder on a plane: low-discrepancy points beside strata and the rest."""

from __future__ import annotations

from typing import Any

import torch

from upt_bench.designs import designs
from upt_bench.flow import Flow, squared_error
from upt_bench.gradient_variance import COUPLED, DIRECTIONS, STEPS, coordinated, gradient_gain, trained
from upt_bench.point_gradients import point_gradients
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core import Points, Sampler


def measure(setting: Setting, results: Results) -> None:
    """Trains decoders, then compares samplers on the gradient of the first frame and of a batch of all frames."""
    flow = load_plane(setting, 3 if setting.quick else COUPLED)
    together: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for state, steps in STEPS.items():
        setting.say(f"gradient variance: {flow.name}, {state}")
        bundle = trained(setting, flow, steps)
        error = float(squared_error(bundle.model, flow).mean())
        gradient_NK = point_gradients(bundle.model, flow, 4 if setting.quick else DIRECTIONS, frames=1)[0]
        rows += [
            {
                "data": flow.name,
                "decoder": state,
                "error": error,
                "num_points": flow.points.num_points,
                "count": count,
                "sampler": name,
            }
            | {"gain": gradient_gain(setting, sampler, flow, bundle, gradient_NK, count)}
            for count in ((64,) if setting.quick else (256, 1024))
            for name, sampler in (_samplers(setting) | designs(setting)).items()
        ]
        found = coordinated(setting, _coupled(setting), flow, bundle)
        together += [{"data": flow.name, "decoder": state} | row for row in found]
    results.curves["grid_gradient_variance"] = rows
    results.curves["grid_coordinated"] = together
    results.figures.append(_figure(flow, together))


def load_plane(setting: Setting, num_frames: int) -> Flow:
    """Frames of a turbulent plane of the real data; without it, of a two-dimensional Burgers flow."""
    file = None if setting.quick else setting.file("npz", "kolmogorov2d_64.npz")
    if file is not None:
        dataset, name = setting.dataset("npz", path=file), "Kolmogorov 64 × 64"
    else:
        edge = 16 if setting.quick else 64
        dataset, name = setting.dataset("burgers2d", num_trajectories=3, points=edge), f"Burgers {edge} × {edge}"
    trajectories = dataset.trajectories("train")
    case = trajectories.read(0, 0, min(num_frames, trajectories.num_times(0)))
    frame_SNC = torch.cat([case.fields[field.name].float() for field in dataset.spec().targets], dim=-1)
    frame_SNC = ((frame_SNC - frame_SNC.mean((0, 1))) / frame_SNC.std((0, 1))).to(setting.device)
    low, high = case.coords_NX.amin(0), case.coords_NX.amax(0)
    coords_BNX = ((case.coords_NX - low) / (high - low).max()).float().expand(len(frame_SNC), -1, -1)
    numbers = torch.arange(len(frame_SNC), device=setting.device)
    points = Points(coords_BNX.to(setting.device), dataset.spec().grid_shape, sample_id_B=numbers)
    return Flow(name, points, frame_SNC, file is not None)


def _samplers(setting: Setting) -> dict[str, Sampler]:
    apart = {"coupling": "independent"}
    return {
        "stratified": setting.sampler("stratified", **apart),
        "sobol": setting.sampler("sobol", **apart),
        "importance, error": setting.sampler("importance", **apart),
        "importance, target_gradient": setting.sampler("importance", metric="target_gradient", **apart),
    }


def _coupled(setting: Setting) -> dict[str, Sampler]:
    return {
        f"{name}, {coupling}": setting.sampler(name, coupling=coupling)
        for name in ("stratified", "sobol")
        for coupling in ("independent", "latin")
    }


def _figure(flow: Flow, rows: list[dict[str, Any]]) -> Figure:
    found = {(row["decoder"], row["sampler"]): row["share"] for row in rows}
    return Figure(
        "sobol_gradient",
        f"sobol: variance of the gradient of a batch over that with stratified, rows coordinated, B = "
        f"{flow.num_frames}, Q = {rows[0]['count']}, {flow.name}",
        found["trained", "sobol, latin"] / found["trained", "stratified, latin"],
        1.0 if flow.is_goal else None,
        detail=f"over that of independent uniform: sobol {found['trained', 'sobol, latin']:.2f} "
        f"(rows independent {found['trained', 'sobol, independent']:.2f}), stratified "
        f"{found['trained', 'stratified, latin']:.2f} ({found['trained', 'stratified, independent']:.2f}); once "
        f"converged, sobol {found['converged', 'sobol, latin']:.2f}, stratified "
        f"{found['converged', 'stratified, latin']:.2f}",
    )
