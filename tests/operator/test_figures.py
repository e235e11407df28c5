"""One way to every figure: the test at the end of training, ``evaluate``, and the operator applied by hand agree."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import Batch, Experiment, Metric, Operator, Points, Trajectory, load
from upt_core.run.evaluate import evaluate_run
from upt_core.run.inputs import dataset_of
from upt_metrics.relative_l2 import RelativeL2
from upt_metrics.rmse import Rmse

from .conftest import CONFIG, waves

STEPS = 2
SUPERNODE = {"name": "supernode", "supernodes": 4, "depth": 0, "heads": 2}


def fields_file() -> dict[str, Any]:
    """A scalar, a vector and a given field, far from 0 and of unlike sizes."""
    u, rng = waves(1), np.random.default_rng(0)
    v = 1e5 + 1e-2 * np.stack([u, -u.cumsum(-1)], axis=-1)
    np.savez("fields.npz", u=u, v=v, a=rng.normal(size=(10, 32)), t=0.1 * np.arange(6), x=np.arange(32) / 32)
    return {"name": "npz", "path": "fields.npz", "inputs": ["u", "a", "v"], "targets": ["v", "u"]}


def points_file() -> dict[str, Any]:
    """Clouds of different sizes at uneven times, with a condition."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(9, 17, 10)
    rows = int(sizes.sum())
    nu = np.linspace(0.1, 1, 10)
    u = rng.normal(size=(rows, 6)).cumsum(1) * np.repeat(nu, sizes)[:, None]
    ptr = np.concatenate([[0], sizes.cumsum()])
    t = np.array([0, 0.1, 0.3, 0.35, 0.6, 0.7])
    np.savez("points.npz", u=u, pos=rng.random((rows, 2)), ptr=ptr, t=t, nu=nu)
    return {"name": "points", "path": "points.npz", "inputs": ["u"], "conditions": ["nu"]}


def stages() -> list[dict[str, Any]]:
    latent = {"forward": {"name": "forward", "space": "latent"}}
    return [
        {
            "name": "pretrain",
            "freeze": ["approximator"],
            "losses": {"forward": None, "again": {"weight": 1.0}},
        },
        {"name": "operator", "freeze": ["encoder", "decoder"], "cache_latents": True, "losses": latent},
    ]


def config(case: str) -> dict[str, Any]:
    found = deepcopy(CONFIG)
    found["validation"] |= {"batch_size": 1, "rollout": STEPS}
    found["trainer"]["batch_size"] = 8
    if case == "fields":
        found["data"] = fields_file()
    elif case == "points":
        found["data"], found["model"]["encoder"] = points_file(), SUPERNODE
    elif case == "moving average":
        found["trainer"]["ema"] = 0.7
    elif case == "not normalised":
        found["normalize"] = "none"
    elif case == "physical":
        found["data"] = fields_file()
        found["validation"]["space"] = "physical"
    elif case == "history":
        found["data"]["history"] = 2
    elif case == "stages":
        found["trainer"]["ema"] = 0.7
        found["losses"]["again"] = {"name": "inverse_decoding", "weight": 0.0}
        found["stages"] = stages()
    return found


CASES = ("grid", "fields", "points", "moving average", "not normalised", "physical", "history", "stages")


@pytest.mark.parametrize("case", CASES)
def test_all_ways_to_a_figure_agree_to_the_last_digit(case: str) -> None:
    settings = config(case)
    trained = Experiment.from_dict(settings, "figures").train(Path("run"))
    stored = json.loads(Path("run/results.json").read_text())["predictors"]
    assert evaluate_run(Path("run")) == trained == stored
    metrics: dict[str, Metric] = {"relative_l2": RelativeL2(), "rmse": Rmse()}
    by_hand(load("run"), metrics, settings["validation"].get("space", "latent"))
    assert {name: metric.compute() for name, metric in metrics.items()} == trained["model"]


def by_hand(operator: Operator, metrics: dict[str, Metric], space: Any) -> None:
    """Asks for the rollouts of the test split from their first states on, a sample at a time."""
    data = operator.data
    trajectories = dataset_of(operator, None, []).trajectories("test")
    for number in range(len(trajectories)):
        whole = trajectories.read(number, 0, data.history + STEPS)
        prediction = operator.predict(
            {field.name: values(whole, field.name, operator) for field in data.inputs},
            whole.coords_NX.double(),
            space=space,
            conditions={name: float(whole.condition[name]) for name in data.condition if name != "time_step"},
            steps=STEPS,
            times=whole.time_T[data.history - 1 :] if "time_step" in data.condition else None,
        )
        predicted_BTNC = torch.cat(
            [torch.from_numpy(prediction[f.name]).reshape(1, STEPS, -1, f.channels) for f in data.targets], dim=-1
        )
        target_BTNC = torch.cat([whole.fields[f.name][data.history :] for f in data.targets], dim=-1)[None]
        scale = operator.normalization
        target_BTNC = scale.to_physical(scale.targets(target_BTNC))  # batches hold it in float32, scaled
        points = Points(whole.coords_NX[None].float(), measure_BN=None, extent=data.extent, periodic=data.periodic)
        batch = Batch(torch.zeros(1, 0, 0), target_BTNC, points)
        for metric in metrics.values():
            metric.update(predicted_BTNC, target_BTNC, batch)


def values(whole: Trajectory, name: str, operator: Operator) -> np.ndarray[Any, Any]:
    """A field of the input as ``predict`` takes it, in float64."""
    value_TNC = whole.fields[name].double().numpy()
    frames = value_TNC[: operator.data.history] if len(value_TNC) > 1 else value_TNC
    frames = frames if operator.data.history > 1 else frames[0]
    return frames[..., 0] if frames.shape[-1] == 1 else frames
