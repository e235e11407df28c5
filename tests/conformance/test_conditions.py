"""Every registered data set that offers conditions: a step of training is told them, in float32."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conformance.test_every_plugin import CASES
from upt_core import Dataset, Experiment, Progress
from upt_core.config.schema import plugin_model
from upt_core.registry import discovery as plugins

RANGES: dict[str, dict[str, Any]] = {
    "advection1d": {"velocity": [0.5, 1.0]},
    "burgers1d": {"viscosity": [0.01, 0.05]},
    "burgers2d": {"viscosity": [0.01, 0.05]},
    "burgers3d": {"viscosity": [0.02, 0.05]},
}
"""Data sets that are generated over a range of parameters."""

MODEL = {
    "latent": {"tokens": 4, "dim": 16},
    "encoder": {"name": "supernode", "supernodes": 4, "depth": 0, "heads": 2},
    "approximator": {"name": "transformer", "depth": 1, "heads": 2},
    "decoder": {"name": "perceiver", "depth": 1, "heads": 2},
}


def names() -> list[str]:
    """Those that have parameters, by what they take: a range, ``conditions``, or a table of them."""
    installed = plugins.installed()
    return [name for name in installed.names("dataset") if name in RANGES or _takes(name, "conditions")]


def _takes(name: str, parameter: str) -> bool:
    target: type[Dataset] = plugins.installed().find("dataset", name).load()
    return parameter in inspect.signature(target).parameters


def settings_of(name: str, folder: Path) -> dict[str, Any]:
    """A small data set of this name with a condition."""
    given = CASES["dataset", name].arguments
    found: dict[str, Any] = {"name": name, **(given(folder) if callable(given) else given)}
    if name in RANGES:
        return found | RANGES[name]
    if not _takes(name, "table"):
        cases = torch.load(found["path"], weights_only=True)
        torch.save([{**case, "nu": 0.1 * number} for number, case in enumerate(cases)], found["path"])
        return found | {"conditions": ["nu"]}
    return found | {"table": str(table_for(built(found), folder)), "conditions": ["nu"]}


def built(settings: dict[str, Any]) -> Any:
    return plugin_model(plugins.installed().find("dataset", settings["name"])).model_validate(settings).build()


def table_for(dataset: Any, folder: Path) -> Path:
    """A row for every trajectory of every split."""
    rows = set()
    for split in ("train", "valid", "test"):
        trajectories = dataset.trajectories(split)
        for index in range(len(trajectories)):
            match = re.fullmatch(r"(.*?)(, group .*)?, trajectory (\d+)", trajectories.place(index))
            assert match is not None
            rows.add((Path(match[1]).name, int(match[3])))
    lines = [f"{file},{number},{0.1 * place}" for place, (file, number) in enumerate(sorted(rows))]
    path = folder / "table.csv"
    path.write_text("\n".join(["file,trajectory,nu", *lines]) + "\n")
    return path


@pytest.mark.parametrize("name", names())
def test_a_step_is_told_them(name: str, tmp_path: Path) -> None:
    data = settings_of(name, tmp_path)
    experiment = Experiment.from_dict(
        {
            "data": data,
            "model": MODEL,
            "losses": {"forward": {"name": "forward"}},
            "trainer": {"epochs": 1, "batch_size": 2, "device": "cpu", "optimizer": {"name": "adamw"}},
            "validation": {"metrics": {"rmse": {"name": "rmse"}}},
        }
    )
    made = experiment.build()
    batch = made.train[0]
    assert batch.condition_BTP is not None
    assert batch.condition_BTP.dtype == torch.float32
    assert len(made.prepared.data.condition) >= 1
    total = made.bundle(batch, Progress()).total
    assert total is not None
    total.backward()
    weights = [weight.grad for weight in made.bundle.model.approximator.parameters() if weight.grad is not None]
    assert weights
    assert all(bool(gradient.isfinite().all()) for gradient in weights)


def test_data_sets_without_conditions_are_known() -> None:
    around_others = {"bundled", "symmetric", "paired"}  # they have those of their bases
    one_equation = {"apebench"}  # with the same numbers in every trajectory
    assert set(plugins.installed().names("dataset")) - set(names()) == around_others | one_equation
