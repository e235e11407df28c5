"""What a step with the three losses costs, by what inverse_decoding reads, beside the plain way of writing it.

On a grid of 64 × 64 points: 10 samples, 128 tokens of width 256, a decoder of 3 blocks, 2,048 query points. On CUDA in
bf16, else in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_bench.clock import Action, times
from upt_bench.plain_bundle import PlainBundle
from upt_bench.results import Figure, Results
from upt_bench.saved import saved_bytes
from upt_bench.setting import Setting
from upt_bench.three_losses import HEADS, edge, kept_mib, three_losses, whole_step, width
from upt_core import Experiment, Progress
from upt_core.commands import Built, Precision, autocast

PLAIN = "plain"
WAYS: Mapping[str, dict[str, Any]] = {
    "decoded": {},
    "mixed": {"reads": "mixed"},
    "coarse": {"reads": "coarse"},
    "decoded, chunks": {"chunk": 4},
    "mixed, chunks": {"reads": "mixed", "chunk": 4},
}
"""What inverse_decoding reads, and in how many chunks all points are decoded, each computed again."""

GOAL, TOKENS = 0.35, 128
STEP = "a step of the three losses"


def measure(setting: Setting, results: Results) -> None:
    """Seconds of a step, and MiB kept for its backward pass, of each way in turn."""
    actions: dict[str, Action] = {}
    mib: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for way, options in WAYS.items():
            setting.say(f"a step of three losses: memory of {way}")
            experiment = Experiment.from_dict(config(setting, **options))
            built = experiment.build()
            batch = built.train[0].to(built.device)
            mib[way] = kept_mib(partial(built.bundle, batch, Progress()), built, batch, _precision(setting))
            actions[way] = whole_step(experiment, built, batch, Path(folder))
        actions[PLAIN], mib[PLAIN] = _plain(setting, built)
        setting.say("a step of three losses: time")
        found = times(actions, setting.device, 7, 0.5 if setting.quick else 120.0)
    results.environment["precision"] = _precision(setting)
    results.curves["step_costs"] = [
        {"way": way, "seconds": found.median(way), "mib": mib[way]}
        | {"time": found.ratio(way, PLAIN).value, "memory": mib[way] / mib[PLAIN]}
        for way in (PLAIN, *WAYS)
    ]
    for way in WAYS:
        time = found.ratio(way, PLAIN)
        results.figures += [
            Figure(
                _key("time", way),
                f"{STEP}: time over that of the plain bundle, inverse_decoding reads: {way}",
                time.value,
                GOAL,
                detail=f"{found.median(way):.3g} s against {found.median(PLAIN):.3g} s",
                noise=time.noise,
            ),
            Figure(
                _key("memory", way),
                f"{STEP}: memory kept for backward over that of the plain bundle, inverse_decoding reads: {way}",
                mib[way] / mib[PLAIN],
                GOAL,
                detail=f"{mib[way]:.3g} MiB against {mib[PLAIN]:.3g} MiB",
                noise=0.0,
            ),
        ]


def _key(what: str, way: str) -> str:
    return f"{what}_{way.replace(', ', '_')}"


def _precision(setting: Setting) -> Precision:
    return "bf16" if setting.device.type == "cuda" else "fp32"


def config(setting: Setting, reads: str = "decoded", chunk: int | None = None) -> dict[str, Any]:
    """The experiment."""
    points = edge(setting) ** 2
    experiment = three_losses(setting, TOKENS, _depth(setting))
    experiment["sampler"] = {"name": "stratified", "num_queries": points // 2}
    experiment["losses"]["inverse_decoding"]["reads"] = reads
    experiment["trainer"]["precision"] = _precision(setting)
    experiment["trainer"]["decode_chunk"] = None if chunk is None else points // chunk
    return experiment


def _depth(setting: Setting) -> int:
    return 1 if setting.quick else 3


def _plain(setting: Setting, built: Built) -> tuple[Action, float]:
    """A step of the plain bundle, and what it keeps."""
    batch, data = built.train[0].to(built.device), built.bundle.data
    sizes = {"width": width(setting), "depth": _depth(setting), "heads": HEADS, "count": batch.points.num_points // 2}
    bundle = PlainBundle(built.bundle.model, data, **sizes).to(setting.device)
    optimizer, rng = torch.optim.AdamW(bundle.parameters()), torch.Generator().manual_seed(0)

    def loss() -> Tensor:
        with autocast(built.device, _precision(setting)):
            total: Tensor = bundle(batch, rng)
        return total

    def step() -> None:
        torch.autograd.backward(loss())
        torch.nn.utils.clip_grad_norm_(bundle.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    there = [*bundle.parameters(), batch.input_BNC, batch.target_BTNC, batch.points.coords_BNX]
    return step, saved_bytes(loss, there) / 2**20
