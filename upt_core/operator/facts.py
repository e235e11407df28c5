"""What an operator is, as plain data: fields, box, parts and their sizes, training data, versions, origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from upt_core.data.normalize import Normalization
from upt_core.data.training_data import TrainingData

PARTS = ("encoder", "approximator", "decoder")


def facts_of(
    plain: Mapping[str, Any],
    normalization: Normalization,
    training: TrainingData,
    weights: Mapping[str, Tensor] | None = None,
) -> dict[str, Any]:
    """What an operator says of itself; figures of its test come from its run, too, and are not here.

    Args:
        plain: what ``Operator.plain`` gives.
        weights: names and values; counted where ``plain`` has no count of parameters.
    """
    provenance = dict(plain["provenance"])
    config = provenance.pop("config", None) or {}
    provenance.pop("test", None)
    parts = {part: plain["settings"].get(part) for part in PARTS}
    return {
        "data": plain["data"],
        "model": {"latent": plain["settings"].get("latent"), **parts},
        "parameters": plain.get("parameters") or _counted(weights or {}),
        "normalization": normalization.plain(),
        "training": {
            "data": config.get("data"),
            "fingerprint": training.content,
            "trajectories": {split: len(digests) for split, digests in training.digests.items()},
            "points": list(training.num_points),
            "time_step": None if training.time_step is None else list(training.time_step),
            "ranges": _ranges(training.low_C.tolist(), training.high_C.tolist(), plain["data"]),
            "conditions": {name: list(span) for name, span in training.condition.items()},
        },
        "plugins": plain["plugins"],
        "provenance": provenance,
    }


def _counted(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Numbers in each part; files before "parameters" was kept say no more."""
    return {
        part: sum(v.numel() for name, v in weights.items() if name.startswith(f"{part}.") and v.is_floating_point())
        for part in PARTS
    }


def _ranges(low: list[float], high: list[float], data: Mapping[str, Any]) -> dict[str, list[float]]:
    fields = {field["name"]: field["channels"] for field in (*data["inputs"], *data["targets"])}
    names = [name if channels == 1 else f"{name}[{k}]" for name, channels in fields.items() for k in range(channels)]
    return {name: [a, b] for name, a, b in zip(names, low, high, strict=True)}
