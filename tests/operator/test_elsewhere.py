"""An operator away from its run: without the data, without most plugins, in other precisions, alone and in a batch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upt_core import DataError, Experiment, __version__, load
from upt_core.cli import main

from .conftest import CONFIG, waves

WITHOUT = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
import numpy as np
from upt_core import load

np.save("answer.npy", load("moved").predict(np.load("asked.npy"), steps=2)["u"])
"""
MISSING = ("upt_losses", "upt_samplers", "upt_callbacks", "upt_data", "upt_metrics", "upt_optimizers", "upt_schedules")


def test_a_moved_run_answers_without_its_data_and_its_other_plugins(run: Path) -> None:
    u = waves(3, trajectories=2)[:, 0]
    expected = load(run).predict(u, steps=2)["u"]
    shutil.move(run, "moved")
    Path("train.npz").unlink()
    np.save("asked.npy", u)
    script = WITHOUT.replace("{missing!r}", repr(MISSING))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load("answer.npy"), expected)


def test_a_run_is_evaluated_where_its_losses_and_callbacks_are_missing(run: Path) -> None:
    script = WITHOUT.replace("{missing!r}", repr(("upt_losses", "upt_callbacks"))).partition("import numpy")[0]
    script += "from upt_core.cli import main; main(['evaluate', 'run', '--json', 'found.json'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    main(["evaluate", "run", "--json", "whole.json"], standalone_mode=False)
    found, whole = (json.loads(Path(f"{name}.json").read_text()) for name in ("found", "whole"))
    (remark,) = [text for text in found["remarks"] if text not in whole["remarks"]]
    assert found | {"remarks": whole["remarks"]} == whole
    assert remark.startswith("the metrics do not need plugins that were used only in training; to continue the run: ")
    assert (
        f"loss 'forward' came with upt-core=={__version__}; upt-core {__version__} is installed, but it does" in remark
    )
    assert f"remark: {remark}" in done.stderr


def test_a_saved_operator_answers_as_the_run(run: Path) -> None:
    u = waves(3, trajectories=2)[:, 0]
    operator = load(run)
    found = load(operator.save("waves.upt")).predict(u, steps=3)
    np.testing.assert_array_equal(found["u"], operator.predict(u, steps=3)["u"])


def test_alone_in_a_batch_in_chunks_and_in_either_precision(run: Path) -> None:
    operator, u = load(run), waves(3, trajectories=5)[:, 0]
    together = operator.predict(u, steps=2)["u"]
    for number in range(5):
        np.testing.assert_allclose(operator.predict(u[number], steps=2)["u"], together[number], atol=2e-6)
    np.testing.assert_allclose(operator.predict(u, steps=2, batch_size=2, chunk=7)["u"], together, atol=2e-6)
    single = operator.predict(u.astype(np.float32), steps=2)["u"]
    assert (single.dtype, together.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, together, atol=2e-6)


@pytest.mark.parametrize("size", [2, 16])
def test_predictions_in_batches_are_those_of_all(run: Path, size: int) -> None:
    operator, u = load(run), waves(3, trajectories=5)[:, 0]
    whole = operator.predict(u, steps=2, at=20)
    samples, batches = operator.predict_in_batches(u, steps=2, at=20, batch_size=size)
    found = list(batches)
    assert (samples, [len(batch["u"]) for batch in found]) == (5, [2, 2, 1] if size == 2 else [5])
    np.testing.assert_allclose(np.concatenate([batch["u"] for batch in found]), whole["u"], atol=2e-6)
    for batch in found:
        np.testing.assert_array_equal(batch.coords, whole.coords)
        np.testing.assert_array_equal(batch.times, whole.times)
        assert (batch.grid_shape, batch.remarks) == (whole.grid_shape, whole.remarks)
    at = np.random.default_rng(0).random((5, 7, 1))
    own = np.concatenate([batch.coords for batch in operator.predict_in_batches(u, at=at, batch_size=2)[1]])
    np.testing.assert_allclose(own, at)
    samples, one = operator.predict_in_batches(u[0], steps=2)
    assert (samples, next(one)["u"].shape) == (1, (2, 32))
    with pytest.raises(DataError, match="steps is 0"):  # before the first is asked for
        operator.predict_in_batches(u, steps=0)


def test_tensors_carry_gradients_to_the_input(run: Path) -> None:
    operator, u = load(run), torch.from_numpy(waves(3, trajectories=1)[:, 0]).requires_grad_()
    operator.predict({"u": u}, steps=2)["u"].square().sum().backward()
    assert u.grad is not None
    small = 1e-3
    bumped = u.detach().clone()
    bumped[0, 5] += small
    lower = u.detach().clone()
    lower[0, 5] -= small
    up, down = (operator.predict({"u": v}, steps=2)["u"].square().sum() for v in (bumped, lower))
    assert float(u.grad[0, 5]) == pytest.approx(float(up - down) / (2 * small), rel=0.05, abs=0.02)


def conditioned() -> Path:
    """A run that is told a number for each trajectory."""
    u = waves(1, trajectories=12)
    nu = np.linspace(0.1, 1.0, 12)
    np.savez("told.npz", u=u * nu[:, None, None], t=0.1 * np.arange(u.shape[1]), x=np.arange(32) / 32, nu=nu)
    data: dict[str, Any] = {**CONFIG["data"], "path": "told.npz", "conditions": ["nu"]}
    Experiment.from_dict({**CONFIG, "data": data}, "told").train(Path("told"))
    return Path("told")


def test_conditions_are_told_alike_by_the_run_the_call_and_the_program() -> None:
    operator = load(conditioned())
    u = waves(2, trajectories=3)[:, 0]
    told = np.array([[0.2], [0.5], [0.9]])
    together = operator.predict({"u": u}, steps=2, conditions={"nu": told})["u"]
    for number in range(3):
        alone = operator.predict({"u": u[number]}, steps=2, conditions={"nu": float(told[number, 0])})["u"]
        np.testing.assert_allclose(alone, together[number], atol=2e-6)
    operator.export("told.pt2", steps=2)
    program = torch.export.load("told.pt2").module()
    x = torch.arange(32, dtype=torch.float64)[:, None] / 32
    answer = program(torch.from_numpy(u[..., None]), x, torch.from_numpy(np.repeat(told[:, None], 2, axis=1)))
    np.testing.assert_allclose(answer[..., 0].numpy(), together, rtol=1e-5, atol=2e-6)


def test_a_steady_problem_in_two_dimensions() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(24, 8, 8))
    np.savez("steady.npz", a=a, s=a.cumsum(-1) + 100.0, x=np.arange(8) / 8, y=np.arange(8) / 8)
    config: dict[str, Any] = {
        **CONFIG,
        "data": {"name": "npz", "path": "steady.npz", "inputs": ["a"], "targets": ["s"], "steady": True},
    }
    Experiment.from_dict(config, "steady").train(Path("steady"))
    operator = load("steady")
    found = operator.predict({"a": a[:2]})["s"]
    assert found.shape == (2, 8, 8)
    assert abs(found.mean() - 100) < 10  # physical units
    np.testing.assert_allclose(operator.predict({"a": a[0]})["s"], found[0], atol=2e-5)
    operator.export("steady.pt2")
    axis = torch.linspace(0, 7, 8, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    physical = torch.tensor(operator.data.origin) + grid / 7 * torch.tensor(operator.data.extent)
    answer = torch.export.load("steady.pt2").module()(torch.from_numpy(a[:2].reshape(2, 64, 1)), physical)
    asked = operator.predict({"a": a[:2]}, at=physical.numpy())["s"]
    np.testing.assert_allclose(answer[:, 0, :, 0].numpy(), asked, rtol=1e-5, atol=1e-5)
