"""The optimizers' part of a training step, where it weighs most: many weights, few samples."""

from __future__ import annotations

from upt_bench.clock import Action, times
from upt_bench.made_up import ROWS, batch_of, bundle_of, gradient_of, grid
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_core.commands import LossBundle

OPTIMIZERS = ("adamw", "muon", "soap")
BOTH = "forward and backward"
GOAL = {"muon": 0.1}


def measure(setting: Setting, results: Results) -> None:
    """Forward and backward, then the step of each optimizer on the same gradient, all in turn."""
    setting.say("optimizers")
    edge, count = (16, 64) if setting.quick else (64, 2048)
    points = grid(edge, setting.device)
    bundle = bundle_of(setting, points, "grid", count, patch=edge // 8)
    actions: dict[str, Action] = {BOTH: gradient_of(bundle, batch_of(setting, bundle, points))}
    actions[BOTH]()  # the optimizers need a gradient
    for name in OPTIMIZERS:
        actions[name] = _move(setting, bundle, name)
    found = times(actions, setting.device, 60, 0.5 if setting.quick else 120.0)
    weights = sum(parameter.numel() for parameter in bundle.parameters())
    results.curves["optimizers"] = [{"what": name, "seconds": found.median(name)} for name in actions]
    for name in OPTIMIZERS:
        ratio = found.ratio(name, BOTH)
        part = ratio.value / (1 + ratio.value)
        results.figures.append(
            Figure(
                f"part_of_{name}",
                f"{name}: the optimizer's part of a step",
                part,
                GOAL.get(name),
                detail=f"{1e3 * found.median(name):.3g} ms beside {1e3 * found.median(BOTH):.3g} ms of "
                f"forward and backward; {ROWS} samples of {edge} × {edge} points, Q = {count}, {weights:,} weights",
                noise=None if ratio.noise is None else ratio.noise / (1 + ratio.value),  # of r / (1 + r)
            )
        )


def _move(setting: Setting, bundle: LossBundle, name: str) -> Action:
    optimizers = setting.registry.load("optimizer", name)(lr=1e-6).build(bundle.model)

    def move() -> None:
        for optimizer in optimizers:
            optimizer.step()

    return move
