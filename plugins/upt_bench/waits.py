"""How often the host waits for values on the device in a draw: it should never."""

from __future__ import annotations

import warnings

import torch

from upt_bench.results import Figure, Results
from upt_bench.setting import PROGRESS, Setting, grid_without_memory
from upt_bench.speed import refreshed
from upt_core.commands import watch

SAMPLERS = ("uniform", "stratified", "sobol", "importance")


def measure(setting: Setting, results: Results) -> None:
    """Counts operations that read a value; on CUDA, torch itself also refuses any wait."""
    setting.say("waiting of the host in a draw")
    points, rng = grid_without_memory((256, 256), 4, setting.device), setting.rng()
    found: dict[str, int] = {}
    for name in SAMPLERS:
        sampler = refreshed(setting.sampler(name), points)
        sampler.draw(points, 1024, rng, PROGRESS)  # tables are made at the first draw
        found[name] = len(watch(lambda: sampler.draw(points, 1024, rng, PROGRESS)).waits)  # noqa: B023 (called at once)
        if setting.device.type == "cuda":
            found[name] += _refused(lambda: sampler.draw(points, 1024, rng, PROGRESS))  # noqa: B023
    how = "counted by operation" + (
        "; torch.cuda.set_sync_debug_mode('error')" if setting.device.type == "cuda" else ""
    )
    results.figures.append(
        Figure(
            "waits",
            "host synchronisations in a draw",
            sum(found.values()),
            0,
            detail=", ".join(f"{name} {number}" for name, number in found.items()) + f"; {how}",
        )
    )


def _refused(draw: object) -> int:
    """1 if torch stops a draw because it waits for the device."""
    assert callable(draw)
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("error")
    try:
        draw()
    except RuntimeError:
        return 1
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return 0
