"""The step of the three losses in every precision that the device has, beside fp32: time and memory."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from upt_bench.clock import Action, times
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_bench.step_costs import TOKENS
from upt_bench.three_losses import edge, kept_mib, three_losses, whole_step
from upt_core import Experiment, Progress
from upt_core.commands import Precision

LOW: dict[str, tuple[Precision, ...]] = {"cuda": ("bf16", "fp16"), "cpu": ("bf16",)}
"""Precisions beside fp32 by kind of device; fp16 is for CUDA alone."""


def measure(setting: Setting, results: Results) -> None:
    """Whole steps with bf16, fp16 and fp32 in turn."""
    setting.say("precisions: a step of the three losses")
    low = LOW[setting.device.type]
    actions: dict[str, Action] = {}
    mib: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", *low):
            actions[precision], mib[precision] = _step(setting, precision, Path(folder))
        found = times(actions, setting.device, 9, 0.5 if setting.quick else 60.0)
    results.curves["precisions"] = [
        {"precision": name, "ms": 1e3 * found.median(name), "mib": mib[name]} for name in actions
    ]
    for name in low:
        ratio = found.ratio(name, "fp32")
        seconds = f"{1e3 * found.median(name):.3g} ms and {1e3 * found.median('fp32'):.3g} ms"
        results.figures += [
            Figure(f"time_{name}", f"a step in {name}: time over fp32", ratio.value, detail=seconds, noise=ratio.noise),
            Figure(
                f"memory_{name}",
                f"a step in {name}: memory kept for backward, over fp32",
                mib[name] / mib["fp32"],
                detail=f"{mib[name]:.3g} MiB and {mib['fp32']:.3g} MiB",
                noise=0.0,
            ),
        ]


def _step(setting: Setting, precision: Precision, folder: Path) -> tuple[Action, float]:
    config = three_losses(setting, TOKENS, 1 if setting.quick else 3)
    config["sampler"] = {"name": "stratified", "num_queries": edge(setting) ** 2 // 2}
    config["trainer"]["precision"] = precision
    experiment = Experiment.from_dict(config)
    built = experiment.build()
    batch = built.train[0].to(built.device)
    mib = kept_mib(partial(built.bundle, batch, Progress()), built, batch, precision)
    return whole_step(experiment, built, batch, folder), mib
