"""What a step with the three losses costs, by what inverse_decoding reads, beside the plain way of writing it.

On a grid of 64 × 64 points: 10 samples, 128 tokens of width 256, a decoder of 3 blocks, 2,048 query points.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_bench.clock import Action, medians
from upt_bench.plain_bundle import PlainBundle
from upt_bench.results import Figure, Results
from upt_bench.saved import saved_bytes
from upt_bench.setting import Setting
from upt_core import Experiment, Progress
from upt_core.commands import Built, Means

PLAIN = "plain"
WAYS: Mapping[str, dict[str, Any]] = {
    "decoded": {},
    "mixed": {"reads": "mixed"},
    "coarse": {"reads": "coarse"},
    "decoded, chunks": {"chunk": 4},
    "mixed, chunks": {"reads": "mixed", "chunk": 4},
}
"""What inverse_decoding reads, and in how many chunks all points are decoded, each computed again."""

GOAL = 0.35


def measure(setting: Setting, results: Results) -> None:
    """Seconds of a step, and MiB kept for its backward pass, of each way in turn."""
    actions: dict[str, Action] = {}
    mib: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for way, options in WAYS.items():
            setting.say(f"inverse_decoding: memory of {way}")
            experiment = Experiment.from_dict(config(setting, **options))
            built = experiment.build()
            batch = built.train[0].to(built.device)
            mib[way] = _mib(partial(built.bundle, batch, Progress()), built)
            trainer = experiment.trainer(built, Path(folder))
            built.bundle.train()
            actions[way] = lambda trainer=trainer, batch=batch: trainer.update([batch], Means())  # type: ignore[misc]
        actions[PLAIN], mib[PLAIN] = _plain(setting, built)
        setting.say("inverse_decoding: time of steps")
        seconds = medians(actions, setting.device, 3, 60.0)
    results.curves["inverse_costs"] = [
        {"way": way, "seconds": seconds[way], "mib": mib[way]}
        | {"time": seconds[way] / seconds[PLAIN], "memory": mib[way] / mib[PLAIN]}
        for way in (PLAIN, *WAYS)
    ]
    for way in WAYS:
        for what, found, unit in (("time", seconds, "s"), ("memory", mib, "MiB")):
            key = f"{what}_{way.replace(', ', '_')}"
            text = f"{what} of a step over that of the plain bundle, inverse_decoding reads: {way}"
            detail = f"{found[way]:.3g} {unit} against {found[PLAIN]:.3g} {unit}"
            results.figures.append(Figure(key, text, found[way] / found[PLAIN], GOAL, detail=detail))


def config(setting: Setting, reads: str = "decoded", chunk: int | None = None) -> dict[str, Any]:
    """The experiment."""
    points, dim, depth = (16, 32, 1) if setting.quick else (64, 256, 3)
    return {
        "data": {"name": "burgers2d", "points": points, "num_trajectories": 8, "num_times": 6},
        "model": {
            "latent": {"tokens": 128, "dim": dim},
            "encoder": {"name": "grid", "patch": points // 8},
            "approximator": {"name": "transformer", "depth": 1 if setting.quick else 4},
            "decoder": {"name": "perceiver", "depth": depth, "heads": 4},
        },
        "sampler": {"name": "stratified", "num_queries": points**2 // 2},
        "losses": {
            "forward": "forward",
            "inverse_encoding": "inverse_encoding",
            "inverse_decoding": {"name": "inverse_decoding", "reads": reads},
        },
        "trainer": {
            "epochs": 1,
            "batch_size": 10,
            "optimizer": "adamw",
            "device": str(setting.device),
            "log_every": 1_000_000,
            "decode_chunk": None if chunk is None else points**2 // chunk,
        },
        "validation": {"metrics": {"rmse": "rmse"}},
    }


def _mib(compute: Callable[[], object], built: Built) -> float:
    batch = built.train[0].to(built.device)
    there: list[Tensor] = [*built.bundle.parameters(), batch.input_BNC, batch.target_BTNC, batch.points.coords_BNX]
    return saved_bytes(compute, there) / 2**20


def _plain(setting: Setting, built: Built) -> tuple[Action, float]:
    """A step of the plain bundle, and what it keeps."""
    batch, data = built.train[0].to(built.device), built.bundle.data
    width, depth = (32, 1) if setting.quick else (256, 3)
    bundle = PlainBundle(built.bundle.model, data, width, depth, 4, batch.points.num_points // 2).to(setting.device)
    optimizer, rng = torch.optim.AdamW(bundle.parameters()), torch.Generator().manual_seed(0)

    def step() -> None:
        bundle(batch, rng).backward()
        torch.nn.utils.clip_grad_norm_(bundle.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    there = [*bundle.parameters(), batch.input_BNC, batch.target_BTNC, batch.points.coords_BNX]
    return step, saved_bytes(partial(bundle, batch, rng), there) / 2**20
