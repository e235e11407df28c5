"""What loss terms cost at fewer query points: memory kept for the backward pass, and time of a training step.

The model and the batch are those that the documents of the system before upt speak of: a grid of 64 × 64 points, 10
samples, 64 latent tokens of width 256, a decoder of 2 layers with 4 heads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from upt_bench.clock import Action, medians
from upt_bench.results import Figure, Results
from upt_bench.setting import Setting
from upt_bench.three_losses import kept_mib, three_losses, whole_step
from upt_core import Batch, Experiment, Progress
from upt_core.commands import Built, LossBundle, Precision, WeightedTerm

BUNDLES: Mapping[str, tuple[str, ...]] = {
    "forward": ("forward",),
    "inverse_encoding": ("inverse_encoding",),
    "inverse_decoding": ("inverse_decoding",),
    "forward and inverse_encoding": ("forward", "inverse_encoding"),
    "all three": ("forward", "inverse_encoding", "inverse_decoding"),
}
RATIOS = (1 / 16, 1 / 4, 1 / 2, 1.0)
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
ALL, HALF = 1.0, 1 / 2


def measure(setting: Setting, results: Results) -> None:
    """Memory and time of every bundle at every share of the points; what the documents claim, beside it."""
    experiment = Experiment.from_dict(three_losses(setting, tokens=64, depth=2))
    built = experiment.build()
    batch = built.train[0].to(built.device)
    setting.say("memory of the decoder")
    results.curves["decoder_memory"] = decoder = _decoder(setting, built, batch)
    results.curves["loss_costs"] = rows = []
    for name, terms in BUNDLES.items():
        setting.say(f"costs of losses: {name}")
        rows += _costs(setting, experiment, built, batch, name, terms)
    results.environment |= {"points": batch.points.num_points, "batch": batch.points.batch_size}
    results.figures += [*_of_decoder(decoder), *_of_bundles(rows)]


def _costs(
    setting: Setting, experiment: Experiment, built: Built, batch: Batch, name: str, terms: tuple[str, ...]
) -> list[dict[str, Any]]:
    bundles = {ratio: _with_terms(setting, built, terms, ratio) for ratio in RATIOS}
    with tempfile.TemporaryDirectory() as folder:
        actions = {
            f"{ratio}": whole_step(experiment, replace(built, bundle=bundle), batch, Path(folder))
            for ratio, bundle in bundles.items()
        }
        seconds = medians(actions, setting.device, 20, 0.5 if setting.quick else 12.0)
        peaks = {key: _peak(action, setting.device) for key, action in actions.items()}
    return [
        {
            "losses": name,
            "ratio": ratio,
            "count": round(ratio * batch.points.num_points),
            "seconds": seconds[f"{ratio}"],
            **peaks[f"{ratio}"],
            **{
                f"mib_{precision}": kept_mib(partial(bundle, batch, Progress()), built, batch, precision)
                for precision in PRECISIONS
            },
        }
        for ratio, bundle in bundles.items()
    ]


def _with_terms(setting: Setting, built: Built, terms: tuple[str, ...], ratio: float) -> LossBundle:
    """The same model under some of the terms, at a share of the points."""
    bundle = built.bundle
    points = built.train[0].points.num_points
    sampler = None if ratio == ALL else setting.sampler("stratified", num_queries=round(ratio * points))

    def sampled(term: WeightedTerm) -> WeightedTerm:
        takes = sampler is not None and term.name != "inverse_decoding"  # a grid encoder needs the whole grid
        return replace(term, sampler=sampler if takes else None, stream="sampler" if takes else "all")

    chosen = [sampled(term) for term in bundle.terms if term.name in terms]
    return LossBundle(bundle.model, chosen, bundle.data, 0, bundle.normalization).to(built.device)


def _peak(action: Action, device: torch.device) -> dict[str, float]:
    """The most memory that a step takes, in MiB, where the device counts it."""
    if device.type != "cuda":
        return {}
    torch.cuda.reset_peak_memory_stats(device)
    action()
    return {"peak_mib": torch.cuda.max_memory_allocated(device) / 2**20}


def _decoder(setting: Setting, built: Built, batch: Batch) -> list[dict[str, Any]]:
    """The decoder by itself."""
    model, points, rows = built.bundle.model, batch.points, []
    with torch.no_grad():
        latent_BLD = model.encoder(batch.input_BNC, points)
    for ratio in RATIOS:
        count = round(ratio * points.num_points)
        queries = setting.sampler("stratified", num_queries=count).sample(points, setting.rng(), Progress())
        coords_BQX = queries.take(points.coords_BNX)
        compute = partial(model.decoder, latent_BLD, coords_BQX)
        rows += [
            {"ratio": ratio, "count": count, "precision": precision, "mib": kept_mib(compute, built, batch, precision)}
            for precision in PRECISIONS
        ]
    return rows


def _of_decoder(rows: list[dict[str, Any]]) -> list[Figure]:
    mib = {(row["ratio"], row["precision"]): float(row["mib"]) for row in rows}
    every, half, half_bf16 = mib[ALL, "fp32"], mib[HALF, "fp32"], mib[HALF, "bf16"]
    return [
        Figure(
            "decoder_half",
            "memory that the decoder keeps for its backward pass, half the points over all",
            half / every,
            detail=f"the documents: 0.5; {half:.0f} MiB against {every:.0f} MiB",
        ),
        Figure(
            "decoder_half_bf16",
            "the same with half the points in bf16",
            half_bf16 / every,
            detail=f"the documents: 0.25; {half_bf16:.0f} MiB",
        ),
    ]


def _of_bundles(rows: list[dict[str, Any]]) -> list[Figure]:
    found = {(row["losses"], row["ratio"]): row for row in rows}

    def saved(losses: str, value: str) -> float:
        return 100 * (1 - float(found[losses, HALF][value]) / float(found[losses, ALL][value]))

    def more(ratio: float) -> float:
        forward, three = (float(found[losses, ratio]["seconds"]) for losses in ("forward", "all three"))
        return 100 * (three / forward - 1)

    return [
        Figure(
            "step_half",
            "a step with all three losses is faster at half the points by",
            saved("all three", "seconds"),
            better="at least",
            unit="%",
            detail="the documents: 20 to 30 %; forward alone "
            f"{saved('forward', 'seconds'):.0f} %, without inverse_decoding "
            f"{saved('forward and inverse_encoding', 'seconds'):.0f} %",
        ),
        Figure(
            "inverse_half",
            "a step with inverse_encoding alone is faster at half the points by",
            saved("inverse_encoding", "seconds"),
            better="at least",
            unit="%",
            detail="the documents: 25 to 30 %",
        ),
        Figure(
            "inverse_half_memory",
            "a step with inverse_encoding alone keeps less memory at half the points by",
            saved("inverse_encoding", "mib_fp32"),
            better="at least",
            unit="%",
            detail="the documents: 15 to 20 %",
        ),
        Figure(
            "inverse_cost",
            "both inverse losses make a step longer, all points, by",
            more(ALL),
            unit="%",
            detail="the documents: about 10 %",
        ),
        Figure(
            "inverse_cost_half",
            "the same at half the points",
            more(HALF),
            unit="%",
            detail="the documents: 5 %; inverse_decoding looks at all points, whatever the sampler",
        ),
    ]
