"""Small real objects: a Burgers data set, a model of built-in parts that counts its calls, terms of built-in losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import Experiment
from upt_core.run.built import Built

TINY: dict[str, Any] = {
    "data": {"name": "burgers1d", "num_trajectories": 12, "points": 32, "num_times": 6},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 8, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1},
        "decoder": {"name": "perceiver", "depth": 1},
    },
    "sampler": {"name": "uniform", "num_queries": 8},
    "losses": {
        "forward": {"name": "forward"},
        "inv_enc": {"name": "inverse_encoding", "weight": 0.5},
        "inv_dec": {"name": "inverse_decoding", "weight": 0.1},
    },
    "trainer": {
        "epochs": 2,
        "batch_size": 4,
        "optimizer": {"name": "adamw", "lr": 0.001},
        "device": "cpu",
        "log_every": 2,
    },
    "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with nested changes; a value replaces, a mapping merges, `...` removes."""
    result = dict(base)
    for key, value in changes.items():
        if value is ...:
            del result[key]
        elif isinstance(value, dict) and isinstance(result.get(key), dict) and "name" not in value:
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


@pytest.fixture
def tiny() -> Callable[..., Experiment]:
    """Makes a tiny experiment with changes: ``tiny(trainer={"epochs": 1})``."""

    def make(**changes: Any) -> Experiment:
        return Experiment.from_dict(merged(TINY, changes))

    return make


class CallCounts(Counter[str]):
    """How often each part of a model was called."""

    def attach(self, built: Built) -> None:
        for name, part in built.bundle.model.named_children():
            part.register_forward_hook(lambda *_, name=name: self.update([name]))


@pytest.fixture
def calls() -> CallCounts:
    return CallCounts()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def global_random_state() -> None:
    torch.manual_seed(0)
