"""What a file of an operator says of it, without any plugin: fields, box, model, tests, training data, origin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from upt_core.operator import file
from upt_core.operator.load import figures_of_run, operators_of, place, weights_of
from upt_core.operator.operator import PARTS, known_of


def info(source: Path) -> list[dict[str, Any]]:
    """One plain mapping for each operator of a run folder, a checkpoint or an operator's file.

    Raises:
        CheckpointError: it is none, or damaged.
    """
    path = place(source)
    content = file.read(path)
    common = {"file": str(path), "digest": file.digest(path), "format": content["format"]}
    return [
        {
            **common,
            "task": task or None,
            **said_of(plain, _weights(content, task)),
            "test": figures_of_run(path, task) or plain["provenance"].get("test"),
        }
        for task, plain in operators_of(content, path).items()
    ]


def _weights(content: Mapping[str, Any], task: str) -> dict[str, Tensor]:
    prefix = f"models.{task}." if task else ""
    return {name.removeprefix(prefix): v for name, v in weights_of(content).items() if name.startswith(prefix)}


def said_of(plain: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """What an operator, as plain data, says of itself; its test comes from its run, too.

    Args:
        plain: what ``Operator.plain`` gives.
        weights: names and values; counted where ``plain`` has no count of parameters.
    """
    normalization, training = known_of(plain)
    provenance = dict(plain["provenance"])
    config = provenance.pop("config", None) or {}
    provenance.pop("test", None)
    parts = {part: plain["settings"].get(part) for part in PARTS}
    return {
        "data": plain["data"],
        "model": {"latent": plain["settings"].get("latent"), **parts},
        "parameters": plain.get("parameters") or _counted(weights),
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
