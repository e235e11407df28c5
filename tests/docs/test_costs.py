"""The table of costs in docs/losses.md: calls of encoder, approximator and decoder are counted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from upt_core import Experiment, Progress

PAGE = Path(__file__).parents[2] / "docs" / "losses.md"
DATA: dict[str, Any] = {"name": "burgers2d", "num_trajectories": 4, "points": 8, "num_times": 6}
PARAMETERS: dict[str, dict[str, Any]] = {
    "forward with `space: latent`": {"space": "latent"},
    "inverse_decoding with `of: predicted`": {"of": "predicted"},
    "rollout with `steps: 4`": {"steps": 4},
    "divergence": {"field": "velocity"},
    "divergence with `method: grid`": {"field": "velocity", "method": "grid"},
    "positivity": {"fields": ["velocity"]},
}


def rows() -> dict[str, list[str]]:
    """Term → calls, as the page says."""
    table = PAGE.read_text(encoding="utf-8").partition("| term | E | A | D |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {re.sub(r"^`(\w+)`", r"\1", cell[0]): cell[1:4] for cell in cells}


def experiment(term: str, folder: Path) -> Experiment:
    name = re.split(r"[ ,]", term)[0]
    data = DATA
    if name == "boundary":  # it needs an axis that does not wrap around
        np.savez(folder / "box.npz", u=np.zeros((4, 6, 8, 8)), x=np.arange(8), y=np.arange(8), t=np.arange(6))
        data = {"name": "npz", "path": str(folder / "box.npz")}
    encoder: dict[str, Any] = {"name": "grid", "patch": 4, "depth": 1}
    if "supernode" in term:
        encoder = {"name": "supernode", "supernodes": 8, "depth": 1}
    return Experiment.from_dict(
        {
            "data": data,
            "model": {
                "latent": {"tokens": 4, "dim": 16},
                "encoder": encoder,
                "approximator": {"name": "transformer", "depth": 1},
                "decoder": {"name": "perceiver", "depth": 1},
            },
            "sampler": {"name": "uniform", "num_queries": 16},
            "losses": {"term": {"name": name, **PARAMETERS.get(term, {})}},
            "trainer": {"epochs": 1, "batch_size": 2, "optimizer": "adamw", "device": "cpu"},
            "validation": {"metrics": {"rmse": "rmse"}},
        }
    )


@pytest.mark.parametrize(("term", "calls"), rows().items())
def test_calls_are_those_of_the_page(term: str, calls: list[str], tmp_path: Path) -> None:
    built = experiment(term, tmp_path).build()
    model = built.bundle.model
    counts = dict.fromkeys(("encoder", "approximator", "decoder"), 0)

    def count(part: str) -> None:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            counts[part] += 1

        getattr(model, part).register_forward_hook(hook)

    for part in counts:
        count(part)
    weighted = built.bundle.terms[0]
    built.bundle.evaluate(weighted, built.bundle.step(built.train[0], Progress()))
    assert [str(number) for number in counts.values()] == calls


def test_every_term_has_a_row() -> None:
    named = {re.split(r"[ ,]", term)[0] for term in rows()}
    assert len(named) == 12
