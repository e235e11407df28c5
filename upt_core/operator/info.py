"""What a file of an operator says of it, without any plugin: fields, box, model, tests, training data, origin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from upt_core.operator import file
from upt_core.operator.facts import facts_of
from upt_core.operator.load import figures_of_run, operators_of, place, weights_of
from upt_core.operator.rebuilt import known_of


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
            **facts_of(plain, *known_of(plain), _weights(content, task)),
            "test": figures_of_run(path, task) or plain["provenance"].get("test"),
        }
        for task, plain in operators_of(content, path).items()
    ]


def _weights(content: Mapping[str, Any], task: str) -> dict[str, Tensor]:
    prefix = f"models.{task}." if task else ""
    return {name.removeprefix(prefix): v for name, v in weights_of(content).items() if name.startswith(prefix)}
