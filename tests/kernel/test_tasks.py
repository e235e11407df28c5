"""Several tasks in one experiment: own encoder and decoder each, one approximator, figures that are per task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import ConfigError, Experiment, Progress, UserError
from upt_core.config.sections import as_plain
from upt_core.data.task_batches import apportion
from upt_core.run.built import BuiltTasks
from upt_core.run.evaluate import evaluate_run
from upt_core.run.experiment import load_run
from upt_core.training import checkpoint

Tiny = Callable[..., Experiment]

PLANE = {"name": "burgers2d", "num_trajectories": 6, "points": 8, "num_times": 4}
LINE = {"name": "burgers1d", "num_trajectories": 12, "points": 32, "num_times": 6}
TASKS: dict[str, Any] = {
    "line": {"data": LINE},
    "plane": {"data": PLANE, "model": {"encoder": {"patch": 4}}, "losses": {"inv_dec": None}},
}


@pytest.fixture
def two(tiny: Tiny) -> Callable[..., Experiment]:
    return lambda **changes: tiny(**{"data": ..., "tasks": TASKS, **changes})


def built_of(experiment: Experiment) -> BuiltTasks:
    built = experiment.build_all()
    assert isinstance(built, BuiltTasks)
    return built


def test_models_share_the_approximator_and_nothing_else(two: Tiny) -> None:
    parts = built_of(two()).parts
    line, plane = (parts[name].bundle.model for name in ("line", "plane"))
    assert line.approximator is plane.approximator
    assert line.encoder is not plane.encoder
    assert line.decoder is not plane.decoder


def test_terms_and_values_are_named_by_task(two: Tiny) -> None:
    built = built_of(two())
    assert [term.name for term in built.bundle.terms] == [
        *["line/forward", "line/inv_enc", "line/inv_dec"],
        *["plane/forward", "plane/inv_enc"],
    ]
    batch = next(b for b in built.train.iterate(0, built.train.per_epoch) if b.task == "plane")
    losses = built.bundle(batch, Progress())
    assert set(losses.values) == {"plane/forward", "plane/inv_enc"}
    alone = built.parts["plane"].bundle(batch, Progress())
    assert losses.total.item() == alone.total.item()


def test_the_order_of_tasks_is_a_pure_function_of_seed_and_number(two: Tiny) -> None:
    first, second = built_of(two()).train, built_of(two()).train
    order = [first[number].task for number in range(2 * first.per_epoch)]
    assert order == [second[number].task for number in range(2 * first.per_epoch)]
    assert order[: first.per_epoch] != order[first.per_epoch :]
    assert Counter(order[: first.per_epoch]) == first.counts
    assert torch.equal(first[5].input_BNC, second[5].input_BNC)


def test_each_task_sees_its_batches_in_their_order(two: Tiny) -> None:
    built = built_of(two())
    own = built.parts["line"].train
    seen = [batch.input_BNC for batch in built.train.iterate(0, 2 * built.train.per_epoch) if batch.task == "line"]
    assert all(torch.equal(batch, own[number].input_BNC) for number, batch in enumerate(seen))


def test_weights_set_the_shares(two: Tiny) -> None:
    tasks = {"line": {**TASKS["line"], "weight": 3.0}, "plane": TASKS["plane"]}
    counts = built_of(two(tasks=tasks)).train.counts
    assert counts["line"] / counts["plane"] == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [(10, {"a": 1, "b": 1}, {"a": 5, "b": 5}), (10, {"a": 2, "b": 1}, {"a": 7, "b": 3}), (3, {"a": 99, "b": 1}, None)],
)
def test_apportionment(total: int, weights: dict[str, float], expected: dict[str, int] | None) -> None:
    counts = apportion(total, weights)
    assert min(counts.values()) >= 1
    if expected is not None:
        assert counts == expected


def test_trains_evaluates_and_keeps_figures_per_task(two: Tiny, run_dir: Path) -> None:
    results = two(trainer={"epochs": 2, "ema": 0.9}).train(run_dir)
    assert set(results) == {"model", "baseline"}
    assert set(results["model"]) == {"line/relative_l2", "plane/relative_l2", "relative_l2"}
    assert results["model"]["line/relative_l2"] != results["model"]["plane/relative_l2"]
    assert evaluate_run(run_dir) == results
    written = json.loads((run_dir / "results.json").read_text())
    state = checkpoint.load(run_dir / "checkpoints" / "best.pt")["state"]["metrics"]
    mean = (state["line/relative_l2"] + state["plane/relative_l2"]) / 2
    assert written["best"]["value"] == pytest.approx(mean)
    assert set(json.loads((run_dir / "normalization.json").read_text())) == {"line", "plane"}
    for name, shape in (("line", [32]), ("plane", [8, 8])):
        with np.load(run_dir / f"examples-{name}.npz") as examples:
            assert examples["grid_shape"].tolist() == shape
    assert as_plain(load_run(run_dir).settings) == as_plain(two(trainer={"epochs": 2, "ema": 0.9}).settings)


def test_figures_are_those_of_the_task_alone(two: Tiny) -> None:
    experiment = two()
    built = built_of(experiment)
    together = experiment.compare(built, "valid")
    for name, part in experiment.parts.items():
        alone = Experiment(part.settings, part.document, name)
        own = alone.compare(built.parts[name], "valid")
        assert together["model"][f"{name}/relative_l2"] == own["model"]["relative_l2"]
        assert together["baseline"][f"{name}/relative_l2"] == own["persistence"]["relative_l2"]


def test_stages_and_cached_latents_work_with_tasks(two: Tiny, run_dir: Path) -> None:
    latent = {"forward": {"name": "forward", "space": "latent"}, "inv_enc": None, "inv_dec": None}
    stages = [
        {"name": "pretrain", "freeze": ["approximator"], "losses": {"forward": None}},
        {"name": "operator", "freeze": ["encoder", "decoder"], "cache_latents": True, "losses": latent},
    ]
    results = two(stages=stages, trainer={"epochs": 1}).train(run_dir)
    assert set(results["model"]) == {"line/relative_l2", "plane/relative_l2", "relative_l2"}


def test_an_adaptive_sampler_of_a_task_learns_from_its_own_data(two: Tiny, run_dir: Path) -> None:
    sampler = {"name": "importance", "num_queries": 8, "window": 1, "start_epoch": 0}
    assert "model" in two(sampler=sampler, trainer={"epochs": 2}).train(run_dir)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": LINE}, "data: is given together with tasks, and each task has its own data set"),
        ({"tasks": {}}, "data: is missing"),
        ({"tasks": {"a": {"data": {"name": "burgers4d"}}}}, r"tasks.a.data: no dataset is called 'burgers4d'"),
        ({"tasks": {"a": {"data": LINE, "losess": {}}}}, r"tasks.a.losess: unknown key"),
        ({"tasks": {"a": {"data": LINE, "weight": 0}}}, r"tasks.a.weight: must be greater than 0"),
        (
            {"tasks": {"a": {"data": LINE, "model": {"approximator": {"depth": 2}}}}},
            r"tasks.a.model.approximator: all tasks share it; set it in the experiment's model",
        ),
    ],
)
def test_mistakes_are_located(two: Tiny, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        two(**changes)


def test_conditions_must_be_the_same(two: Tiny) -> None:
    tasks = {"line": {"data": {**LINE, "viscosity": [0.005, 0.02]}}, "plane": TASKS["plane"]}
    with pytest.raises(UserError, match="must have the same conditions; they have line: viscosity; plane: none"):
        two(tasks=tasks).build_all()
