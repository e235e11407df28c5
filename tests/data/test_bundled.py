"""bundled: several time steps of a call are channels for the model, and time steps again for everybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import upt_core
from upt_core import Batch, DataError, Experiment
from upt_core.cli import main
from upt_core.data.prepared import PreparedData
from upt_core.operator.evaluate import baselines, evaluate
from upt_core.testing import check_dataset
from upt_data.bundled import Bundled
from upt_data.npz import Npz
from upt_metrics.rmse import Rmse

RNG = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    "u": RNG.standard_normal((8, 13, 16)).astype(np.float32),
    "v": RNG.standard_normal((8, 13, 16, 2)).astype(np.float32),
    "force": RNG.standard_normal((8, 13, 16)).astype(np.float32),
    "soil": RNG.standard_normal((8, 16)).astype(np.float32),
    "x": np.arange(16) / 16,
    "t": np.arange(13) * 0.1,
    "nu": np.arange(8.0),
}
FIELDS: dict[str, Any] = {"inputs": ["u", "v", "force", "soil"], "targets": ["u", "v"], "conditions": ["nu"]}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bundled") / "a.npz"
    np.savez(file, **ARRAYS)
    return file


def test_time_steps_of_a_call_are_channels(path: Path) -> None:
    data = Bundled(Npz(path=path, **FIELDS), steps=3)
    spec = data.spec()
    assert spec.bundle == 3
    assert [(field.name, field.channels) for field in spec.inputs] == [("u", 3), ("v", 6), ("force", 3), ("soil", 1)]
    whole = data.everything()
    assert (len(whole), whole.num_times(0)) == (8, 4)
    read = whole.read(2, 1, 3)  # the steps 3 to 8
    assert np.allclose(read.time_T.numpy(), [0.5, 0.8])
    assert np.array_equal(read.fields["u"][0].numpy(), ARRAYS["u"][2, 3:6].T)
    assert np.array_equal(read.fields["v"][1].numpy(), ARRAYS["v"][2, 6:9].transpose(1, 0, 2).reshape(16, 6))
    assert np.array_equal(read.fields["force"][1].numpy(), ARRAYS["force"][2, 6:9].T)
    assert np.array_equal(read.fields["soil"].numpy(), ARRAYS["soil"][2][None, :, None])
    assert read.condition["nu"] == 2.0
    train = data.trajectories("train")
    assert len(train) == 3 * 6
    assert np.array_equal(train.read(1, 0, 1).fields["u"].numpy()[0, :, 0], train.read(0, 0, 1).fields["u"][0, :, 1])
    assert "one call takes and predicts 3 time steps; rollouts count calls" in data.remarks()


def test_every_time_step_starts_a_call_of_training(path: Path) -> None:
    prepared = PreparedData(Bundled(Npz(path=path, **FIELDS), steps=3), normalize="none")
    batches = prepared.batches("train", 1, 1000)
    starts = batches[0].input_BNC[:, :, 0].numpy()
    chosen = [n for n in range(8) if any(np.array_equal(ARRAYS["u"][n, 0], row) for row in starts)]
    expected = {ARRAYS["u"][n, t].tobytes() for n in chosen for t in range(13 - 2 * 3 + 1)}
    assert len(chosen) == 6
    assert {row.tobytes() for row in starts} == expected


def test_unbundled_fields_are_those_of_the_file(path: Path) -> None:
    prepared = PreparedData(Bundled(Npz(path=path, **FIELDS), steps=3), normalize="none")
    batch = prepared.batches("test", 3, 8, first_only=True)[0]
    single_BTNC = prepared.data.unbundled(batch.target_BTNC)
    number = int(batch.condition_BTP[0, 0, 0]) if batch.condition_BTP is not None else 0
    assert np.array_equal(single_BTNC[0, ..., 0].numpy(), ARRAYS["u"][number, 3:12])
    assert np.array_equal(single_BTNC[0, ..., 1:].numpy(), ARRAYS["v"][number, 3:12])
    assert [(field.name, field.channels) for field in prepared.data.of_frames().targets] == [("u", 1), ("v", 2)]


def test_figures_are_those_of_single_time_steps(path: Path) -> None:
    """The error of persistence and of a known offset, beside what numpy finds in the arrays."""
    prepared = PreparedData(Bundled(Npz(path=path, **FIELDS), steps=4))
    batches = prepared.batches("test", 2, 8, first_only=True)
    condition_BTP = batches[0].condition_BTP
    assert condition_BTP is not None
    scale = prepared.normalization
    number = round(float(condition_BTP[0, 0, 0] * scale.condition_std_P + scale.condition_mean_P))
    both = np.concatenate([ARRAYS["u"][number, ..., None], ARRAYS["v"][number]], axis=-1)
    metrics = {"rmse": Rmse()}
    still = baselines(prepared, batches)["persistence"]

    def off(batch: Batch) -> torch.Tensor:
        return (batch.target_BTNC + 0.5).float()

    found = evaluate(still, batches, metrics, torch.device("cpu"))["rmse"]
    assert found == pytest.approx(np.sqrt(np.mean((both[4:12] - both[3]) ** 2, axis=1)).mean(), rel=1e-5)
    offset = 0.5 * prepared.data.targets_of(scale.std_C)
    assert evaluate(off, batches, metrics, torch.device("cpu"))["rmse"] == pytest.approx(float(offset.mean()), rel=1e-5)


SETTINGS: dict[str, Any] = {
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 4, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1},
        "decoder": {"name": "perceiver", "depth": 1},
    },
    "sampler": {"name": "uniform", "num_queries": 8},
    "losses": {
        "forward": {"name": "forward"},
        "inverse": {"name": "inverse_encoding", "weight": 0.1},
        "rollout": {"name": "rollout", "steps": 2, "weight": 0.1},
    },
    "trainer": {"epochs": 1, "batch_size": 8, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
    "validation": {"metrics": {"rmse": "rmse"}, "rollout": 2},
}


def test_a_run_evaluates_and_predicts_single_time_steps(path: Path, tmp_path: Path) -> None:
    base = {"name": "npz", "path": str(path), "inputs": ["u", "v"], "periodic": True, "conditions": ["nu"]}
    experiment = Experiment.from_dict({**SETTINGS, "data": {"name": "bundled", "steps": 4, "base": base}})
    experiment.train(tmp_path / "run")
    with np.load(next((tmp_path / "run").rglob("examples.npz"))) as examples:
        assert examples["prediction"].shape[1:] == (8, 16, 3)
        assert list(examples["target_names"]) == list(examples["input_names"]) == ["u", "v[0]", "v[1]"]
        assert examples["input"].shape[1:] == (16, 3)
        assert any(np.allclose(examples["target"][0, :, :, 0], ARRAYS["u"][n, 4:12], atol=1e-6) for n in range(8))
    for space in ("latent", "physical"):
        out = tmp_path / f"{space}.npz"
        call = ["predict", str(tmp_path / "run"), str(path), "-o", str(out), "--space", space]
        result = CliRunner().invoke(main, call)
        assert result.exit_code == 0, result.output
        with np.load(out) as found:  # 13 steps are an input of 4 and two calls
            assert (found["u"].shape, found["v"].shape) == ((8, 8, 16), (8, 8, 16, 2))
            assert np.allclose(found["t"], np.arange(4, 12) * 0.1)
    operator = upt_core.load(tmp_path / "run")
    frames = {"u": np.moveaxis(ARRAYS["u"][0, :4], 0, -1), "v": ARRAYS["v"][0, :4].transpose(1, 0, 2).reshape(16, 8)}
    prediction = operator.predict(frames, steps=2, conditions={"nu": 0.0})
    assert prediction["v"].shape == (8, 16, 2)
    with np.load(tmp_path / "latent.npz") as found:
        assert np.allclose(prediction["u"], found["u"][0], atol=1e-5)
        assert np.allclose(prediction.times, np.arange(1, 9) * 0.1)
    latent_BLD = operator.encode({name: value[None] for name, value in frames.items()})
    assert operator.decode(latent_BLD, at=5)["v"].shape == (1, 4, 5, 2)


def test_what_cannot_be_bundled(path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bundled: trajectory 0 has 13 time steps; 7 in and 7 out need 14"):
        Bundled(Npz(path=path, **FIELDS), steps=7).trajectories("train")
    with pytest.raises(DataError, match="the base is already bundled; multiply its steps"):
        Bundled(Bundled(Npz(path=path, **FIELDS))).spec()
    moving = tmp_path / "moving.npz"
    np.savez(moving, **{**ARRAYS, "nu": RNG.random((8, 13))})
    with pytest.raises(DataError, match="condition 'nu' changes in time, but a call of 2 steps takes one value"):
        PreparedData(Bundled(Npz(path=moving, **FIELDS)))
    steady = Npz(path=path, inputs=["soil"], targets=["soil"], steady=True)
    with pytest.raises(DataError, match="bundled: the base is a steady problem"):
        Bundled(steady).spec()


def test_it_keeps_the_contract_of_data_sets(path: Path) -> None:
    check_dataset(Bundled(Npz(path=path, **FIELDS), steps=3))
