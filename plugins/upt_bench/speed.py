"""What a draw costs: against the number of points, beside its rivals, and what the gather after it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from upt_bench.clock import Action, medians
from upt_bench.probe import GivenValues
from upt_bench.results import Figure, Results
from upt_bench.rivals import block_loop, numpy_choice, permutation
from upt_bench.setting import PROGRESS, Setting, grid_without_memory
from upt_core import Points, Queries, Sampler

COUNT = 2048
EXPONENTS = (12, 15, 18, 20, 22, 24, 27)
MULTINOMIAL_MAX = 2**24
"""Above, torch.multinomial refuses."""


def measure(setting: Setting, results: Results) -> None:
    """Everything about the speed of draws."""
    _against_points(setting, results)
    _importance_against_multinomial(setting, results)
    _stratified_against_blocks(setting, results)
    _gather(setting, results)


def refreshed(sampler: Sampler, points: Points) -> Sampler:
    """The sampler with made-up scores that differ by four orders of magnitude."""
    if sampler.adaptive:
        rng = torch.Generator(points.device).manual_seed(1)
        error_BN = torch.rand(points.batch_size, points.num_points, generator=rng, device=points.device) ** 4
        sampler.refresh(GivenValues(points, lambda: error_BN), PROGRESS)
    return sampler


def drawing(sampler: Sampler, points: Points, count: int, rng: torch.Generator) -> Callable[[], Queries]:
    """A draw as an action."""
    return lambda: sampler.draw(points, count, rng, PROGRESS)


def _against_points(setting: Setting, results: Results) -> None:
    rows: list[dict[str, Any]] = []
    for exponent in EXPONENTS if not setting.quick else (12, 15, 18):
        setting.say(f"speed: draws from 2^{exponent} points")
        found = medians(_at(setting, 2**exponent), setting.device, 100 if exponent < 20 else 15, _budget(setting))
        rows += [{"method": name, "num_points": 2**exponent, "seconds": value} for name, value in found.items()]
    results.curves["speed"] = rows
    time = {(row["method"], row["num_points"]): row["seconds"] for row in rows}
    large = 2**24 if not setting.quick else 2**18
    results.figures += [
        _growth(setting),
        Figure(
            "uniform_speedup",
            "uniform against torch.randperm(N)[:Q] at N = 2^24: times faster",
            time["torch.randperm", large] / time["uniform", large],
            1000,
            "at least",
            "×",
            f"numpy's choice at N = 2^24: {1e6 * time['numpy choice', large]:.0f} µs, one row, on the host",
        ),
        Figure(
            "uniform_small",
            "uniform against torch.randperm(N)[:Q] at N = 4096: time over its time",
            time["uniform", 4096] / time["torch.randperm", 4096],
            1.3,
        ),
    ]


def _growth(setting: Setting) -> Figure:
    """The two sizes in turn, without rivals between that fill the processor's caches."""
    sampler, rng = setting.sampler("uniform"), setting.rng()
    found = medians(
        {
            str(exponent): drawing(sampler, grid_without_memory((2**exponent,), 1, setting.device), COUNT, rng)
            for exponent in (15, 24)
        },
        setting.device,
        300,
        _budget(setting),
    )
    return Figure(
        "uniform_growth",
        "uniform, Q = 2048: time at N = 2^24 over time at N = 2^15",
        found["24"] / found["15"],
        1.5,
        detail=f"{1e6 * found['15']:.0f} µs at 2^15, {1e6 * found['24']:.0f} µs at 2^24",
    )


def _at(setting: Setting, num_points: int) -> dict[str, Action]:
    """The draws that are compared at N points, one row each."""
    points, rng = grid_without_memory((num_points,), 1, setting.device), setting.rng()
    plane = grid_without_memory(
        (2 ** (num_points.bit_length() // 2), num_points >> num_points.bit_length() // 2), 1, setting.device
    )
    actions: dict[str, Action] = {
        "uniform": drawing(setting.sampler("uniform"), points, COUNT, rng),
        "stratified": drawing(setting.sampler("stratified"), plane, COUNT, rng),
        "sobol": drawing(setting.sampler("sobol"), plane, COUNT, rng),
        "numpy choice": numpy_choice(num_points, COUNT),
        "torch.randperm": lambda: permutation(num_points, COUNT, rng),
    }
    if num_points <= MULTINOMIAL_MAX:
        actions["importance"] = drawing(refreshed(setting.sampler("importance"), plane), plane, COUNT, rng)
        share_N = torch.rand(num_points, generator=rng, device=setting.device) ** 2
        actions["torch.multinomial"] = _multinomial(share_N, rng)
    return actions


def _importance_against_multinomial(setting: Setting, results: Results) -> None:
    """A batch with scores of its own for each row, whose plans are made anew in each draw, as in training."""
    setting.say("speed: importance against torch.multinomial")
    edge, rng = 64 if setting.quick else 1024, setting.rng()
    actions: dict[str, Action] = {}
    for batch in (1, 8):
        plane = grid_without_memory((edge, edge), batch, setting.device)
        actions[f"importance {batch}"] = drawing(refreshed(setting.sampler("importance"), plane), plane, COUNT, rng)
        share_BN = torch.rand(batch, edge * edge, generator=rng, device=setting.device) ** 2
        actions[f"multinomial {batch}"] = _multinomial(share_BN, rng)
    found = medians(actions, setting.device, 30, 2 * _budget(setting))
    results.figures.append(
        Figure(
            "importance_draw",
            "importance, N = 2^20, B = 8: time of a draw over that of torch.multinomial without replacement, which is "
            "biased",
            found["importance 8"] / found["multinomial 8"],
            0.05,
            detail=f"plans from the samples' scores included: {1e3 * found['importance 8']:.1f} ms against "
            f"{1e3 * found['multinomial 8']:.0f} ms; one row: {found['importance 1'] / found['multinomial 1']:.3f}, "
            f"{1e3 * found['importance 1']:.1f} ms against {1e3 * found['multinomial 1']:.0f} ms",
        )
    )


def _multinomial(share_BN: Tensor, rng: torch.Generator) -> Action:
    return lambda: torch.multinomial(share_BN, COUNT, generator=rng)


def _stratified_against_blocks(setting: Setting, results: Results) -> None:
    setting.say("speed: stratified against the block loop")
    sampler, rng = setting.sampler("stratified", coupling="independent"), setting.rng()
    host = torch.Generator().manual_seed(0)
    one, sixteen = (grid_without_memory((64, 64), batch, setting.device) for batch in (1, 16))
    found = medians(
        {
            "one": drawing(sampler, one, COUNT, rng),
            "sixteen": drawing(sampler, sixteen, COUNT, rng),
            "blocks": lambda: block_loop(64, 64, COUNT, host),
        },
        setting.device,
        100,
        3 * _budget(setting),
    )
    text = "; ".join(f"{name} {1e6 * value:.0f} µs" for name, value in found.items())
    results.figures += [
        Figure(
            "stratified_speedup",
            "stratified, 64 × 64, Q = 2048, against the Python block loop: times faster",
            found["blocks"] / found["one"],
            200,
            "at least",
            "×",
            text,
        ),
        Figure(
            "stratified_rows",
            "stratified, 16 independent rows in one call against one call of the block loop: times faster",
            found["blocks"] / found["sixteen"],
            30,
            "at least",
            "×",
        ),
    ]


def _gather(setting: Setting, results: Results) -> None:
    """Fields and coordinates of a batch at query points that differ by row, against indexing with one shared set."""
    setting.say("speed: gather")
    small, large = (medians(_gathering(setting, n), setting.device, 200, _budget(setting)) for n in (4096, 32392))
    results.figures.append(
        Figure(
            "gather",
            "gather of fields and coordinates at N = 32,392: time over that of x[:, idx, :]",
            large["take"] / large["index"],
            0.4 if setting.device.type == "cpu" else None,
            detail=f"B = 16, Q = 2048, 3 + 2 channels, shared coordinates: {1e6 * large['take']:.0f} µs, other points "
            f"for each row, {1e6 * large['index']:.0f} µs with one set for all; at N = 4096 "
            f"{small['take'] / small['index']:.2f}",
        )
    )


def _gathering(setting: Setting, num_points: int) -> dict[str, Action]:
    batch, rng = 16, setting.rng()
    field_BNC = torch.randn(batch, num_points, 3, generator=rng, device=setting.device)
    coords_BNX = torch.rand(1, num_points, 2, generator=rng, device=setting.device).expand(batch, -1, -1)
    points = grid_without_memory((num_points,), batch, setting.device)
    index_BQ = setting.sampler("uniform").draw(points, COUNT, rng, PROGRESS).index_BQ
    assert index_BQ is not None
    index_Q = index_BQ[0]

    def take() -> tuple[Tensor, Tensor]:
        fresh = Queries(index_BQ)
        return fresh.take(field_BNC), fresh.take(coords_BNX)

    return {"take": take, "index": lambda: (field_BNC[:, index_Q, :], coords_BNX[:, index_Q, :])}


def _budget(setting: Setting) -> float:
    return 0.2 if setting.quick else 3.0
