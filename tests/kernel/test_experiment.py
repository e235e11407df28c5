"""An experiment from configuration to results, and what it refuses before training."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from upt_core import CheckpointError, ConfigError, DataError, Experiment, UserError
from upt_core.config.sections import as_plain
from upt_core.operator.evaluate import baselines, evaluate, predictor_of
from upt_core.operator.mean_field import mean_field
from upt_core.operator.rollout import rollout
from upt_core.run.evaluate import evaluate_run
from upt_core.run.experiment import load_run
from upt_core.run.folder import create
from upt_core.run.metrics_log import MetricsLog, read_metrics

Tiny = Callable[..., Experiment]
NO_INVERSE_TERMS: dict[str, Any] = {"inv_enc": ..., "inv_dec": ...}


@pytest.fixture
def finished(tiny: Tiny, run_dir: Path) -> tuple[Path, dict[str, dict[str, float]]]:
    return run_dir, tiny().train(run_dir)


class TestRunFolder:
    def test_holds_everything(self, finished: tuple[Path, Any]) -> None:
        run_dir, results = finished
        names = {path.name for path in run_dir.iterdir()}
        assert {"config.yaml", "environment.json", "normalization.json", "metrics.jsonl"} <= names
        assert {"results.json", "examples.npz"} <= names
        assert {p.name for p in (run_dir / "checkpoints").iterdir()} == {"best.pt", "last.pt"}
        written = json.loads((run_dir / "results.json").read_text())
        assert written["predictors"] == results
        assert written["best"]["metric"] == "relative_l2"
        assert written["best"]["epoch"] in (1, 2)
        environment = json.loads((run_dir / "environment.json").read_text())
        assert environment["torch"] == torch.__version__
        assert environment["plugins"]["sampler uniform"]["distribution"] == "upt-core"

    def test_metrics_have_steps_validations_and_epochs(self, finished: tuple[Path, Any]) -> None:
        lines = read_metrics(finished[0])
        assert {line["kind"] for line in lines} == {"step", "validation", "epoch"}
        assert all("loss/forward" in line for line in lines if line["kind"] == "epoch")

    def test_torn_lines_are_left_out_wherever_they_stand(self, tmp_path: Path) -> None:
        path = tmp_path / "metrics.jsonl"
        whole = '{"kind": "step", "epoch": 0, "step": 1, "time": 0.1}\n'
        path.write_bytes(b'{"ki\n' + whole.encode() + b'\xff\x00{"kind"\n[1]\n' + whole.encode() + b'{"ki')
        assert read_metrics(tmp_path) == [json.loads(whole)] * 2
        MetricsLog(path)
        assert path.read_text() == whole * 2, "the next run of the folder takes them away"

    def test_a_log_makes_its_folder(self, tmp_path: Path) -> None:
        MetricsLog(tmp_path / "new" / "metrics.jsonl")
        assert (tmp_path / "new").is_dir()

    def test_runs_of_one_second_have_folders_of_their_own(self, tmp_path: Path) -> None:
        assert len({create(tmp_path, "a") for _ in range(3)}) == 3

    def test_an_output_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="the run folder cannot be made: .*set output to a writable folder"):
            create(tmp_path / "file", "a")

    def test_the_written_configuration_is_the_experiment(self, finished: tuple[Path, Any], tiny: Tiny) -> None:
        assert as_plain(load_run(finished[0]).settings) == as_plain(tiny().settings)

    def test_examples_are_in_physical_units(self, finished: tuple[Path, Any]) -> None:
        with np.load(finished[0] / "examples.npz") as examples:
            assert examples["target"].shape == examples["prediction"].shape
            assert examples["input"].shape[2] == 1
            assert list(examples["target_names"]) == ["u"]
            assert examples["grid_shape"].tolist() == [32]
            assert np.abs(examples["input"]).max() < 1.5


def test_relative_paths_of_data_are_written_as_absolute(tiny: Tiny, run_dir: Path, tmp_path: Path) -> None:
    u = np.sin(np.linspace(0, 6, 8 * 4 * 32)).reshape(8, 4, 32, 1).astype(np.float32)
    np.savez(tmp_path / "waves.npz", u=u, x=np.linspace(0, 1, 32), t=np.arange(4.0))
    with contextlib.chdir(tmp_path):
        tiny(data={"name": "npz", "path": "waves.npz"}).train(run_dir)
    assert load_run(run_dir).settings.data.path == tmp_path / "waves.npz"
    assert "model" in evaluate_run(run_dir)


class TestEvaluate:
    def test_gives_what_training_gave(self, finished: tuple[Path, Any]) -> None:
        run_dir, results = finished
        assert evaluate_run(run_dir, "test") == results

    def test_rolls_out_over_more_steps(self, finished: tuple[Path, Any]) -> None:
        results = evaluate_run(finished[0], "valid", "last", steps=4)
        assert set(results) == {"model", "persistence"}
        one_step = evaluate_run(finished[0], "valid", "last")
        assert results["persistence"]["relative_l2"] > one_step["persistence"]["relative_l2"]

    def test_rollouts_in_physical_space_encode_each_prediction(self, tiny: Tiny, calls: Any) -> None:
        experiment = tiny()
        built = experiment.build()
        calls.attach(built)
        batch = built.prepared.batches("valid", 4, 4, first_only=True)[0]
        latent = rollout(built.bundle.model, built.prepared.data, batch, 4)
        assert calls == {"encoder": 1, "approximator": 4, "decoder": 4}
        physical = rollout(built.bundle.model, built.prepared.data, batch, 4, "physical")
        assert calls == {"encoder": 5, "approximator": 8, "decoder": 8}
        assert torch.equal(latent[:, 0], physical[:, 0])
        assert not torch.equal(latent[:, 3], physical[:, 3])

    def test_the_space_of_rollouts_is_a_setting_and_an_option(self, tiny: Tiny, run_dir: Path) -> None:
        results = tiny(validation={"rollout": 4, "space": "physical"}).train(run_dir)
        assert evaluate_run(run_dir) == evaluate_run(run_dir, space="physical") == results
        assert evaluate_run(run_dir, space="latent") != results

    def test_another_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="this is not the folder of a run; it has no config.yaml"):
            evaluate_run(tmp_path)

    def test_a_perfect_prediction_has_no_error(self, tiny: Tiny) -> None:
        experiment = tiny()
        built = experiment.build()
        metrics = experiment.metrics()
        assert evaluate(lambda batch: batch.target_BTNC, built.valid, metrics, built.device) == {"relative_l2": 0.0}

    def test_moving_averages_are_what_is_evaluated(self, tiny: Tiny, run_dir: Path) -> None:
        experiment = tiny(trainer={"ema": 0.99})
        results = experiment.train(run_dir)
        built = experiment.build()
        experiment.load_weights(built, run_dir / "checkpoints" / "best.pt")
        built.bundle.eval()
        batches = experiment.validation_batches(built.prepared, "test")
        predict = predictor_of(experiment.operators(built)[""])
        again = evaluate(predict, batches, experiment.metrics(), built.device)
        assert again == results["model"]
        state = torch.load(run_dir / "checkpoints" / "best.pt", weights_only=True)
        name = next(iter(state["ema"]["average"]))
        assert not torch.equal(state["ema"]["average"][name], state["model"][name])

    def test_the_mean_field_is_that_of_the_training_split(self, tiny: Tiny) -> None:
        prepared = tiny().prepare()
        train = prepared.batches("train", 1, 1000)[0]
        assert torch.allclose(mean_field(prepared), train.target_BTNC.mean(0), atol=1e-5)

    @pytest.mark.parametrize("shared", [True, False])
    def test_the_mean_of_unscaled_data_is_no_zero(self, tiny: Tiny, shared: bool, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        sizes = [6, 6, 6, 6, 6] if shared else [4, 5, 6, 7, 8]
        ptr = np.concatenate([[0], np.cumsum(sizes)])
        pos = np.tile(rng.random((6, 2)), (5, 1)) if shared else rng.random((ptr[-1], 2))
        u = 5 + np.arange(ptr[-1], dtype=float)
        np.savez(tmp_path / "steady.npz", pos=pos, ptr=ptr, a=rng.random(ptr[-1]), u=u)
        data = {
            "name": "points",
            "path": str(tmp_path / "steady.npz"),
            "inputs": ["a"],
            "targets": ["u"],
            "steady": True,
        }
        prepared = tiny(data=data, normalize="none").prepare()
        train = prepared.trajectories("train")
        values = torch.cat([train.read(i, 0, 1).fields["u"][0] for i in range(len(train))])
        assert mean_field(prepared).mean().item() == pytest.approx(values.mean().item())

    def test_persistence_repeats_the_input(self, tiny: Tiny) -> None:
        prepared = tiny().prepare()
        batches = prepared.batches("valid", 3, 4)
        prediction = baselines(prepared, batches)["persistence"](batches[0])
        assert prediction.shape == batches[0].target_BTNC.shape
        assert torch.equal(prediction[:, 2], batches[0].input_BNC)


class TestBuild:
    def test_weights_depend_on_the_seed_only(self, tiny: Tiny) -> None:
        states = []
        for seed in (0, 0, 1):
            torch.manual_seed(len(states))
            states.append(tiny(seed=seed).build().bundle.model.state_dict())
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])

    def test_leaves_the_global_random_state_alone(self, tiny: Tiny) -> None:
        before = torch.get_rng_state()
        tiny().build()
        assert torch.equal(before, torch.get_rng_state())

    def test_terms_without_a_sampler_use_the_experiments(self, tiny: Tiny) -> None:
        terms = {term.name: term for term in tiny().build().bundle.terms}
        assert terms["forward"].sampler is terms["inv_enc"].sampler is not None
        assert terms["inv_dec"].sampler is None, "a grid encoder reads whole grids"

    def test_null_means_all_points(self, tiny: Tiny) -> None:
        bundle = tiny(losses={"forward": {"name": "forward", "sampler": None}}).build().bundle
        assert bundle.terms[0].sampler is None

    def test_the_horizon_is_the_longest_that_a_term_needs(self, tiny: Tiny) -> None:
        built = tiny(losses={"long": {"name": "rollout", "steps": 4}}).build()
        assert built.train[0].target_BTNC.shape[1] == 4


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"trainer": {"batch_size": 100}}, ConfigError, "trainer.batch_size: is 100, but the training split has only"),
        ({"model": {"encoder": {"name": "grid", "patch": 7}}}, ConfigError, r"model.encoder: .*32.*7"),
        ({"trainer": {"device": "cuda:99"}}, UserError, "trainer.device is 'cuda:99', but this machine has"),
        ({"trainer": {"precision": "fp16", "device": "auto"}}, UserError, "fp16 needs CUDA"),
        ({"losses": {"forward": {"name": "forward", "weight": 0.0}} | NO_INVERSE_TERMS}, ConfigError, "weight 0"),
        ({"losses": {"div": {"name": "divergence", "field": "u"}}}, ConfigError, r"losses.div: .*needs a vector field"),
        ({"losses": {"long": {"name": "rollout", "steps": 9}}}, DataError, "use a shorter rollout"),
        ({"data": {"name": "npz", "path": "nowhere.npz"}}, DataError, "nowhere.npz"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(
    tiny: Tiny, run_dir: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    if "fp16" in message and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(error, match=message):
        tiny(**changes).train(run_dir)
    assert list(run_dir.iterdir()) == [], "nothing is written"


def test_a_file_and_overrides(tmp_path: Path, tiny: Tiny) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(as_plain(tiny().settings)))
    experiment = Experiment.from_yaml(path, ["trainer.epochs=1", f"output={tmp_path}"])
    experiment.train()
    [run] = [folder for folder in tmp_path.iterdir() if folder.is_dir()]
    assert run.name.startswith("small-")
    assert (run / "results.json").is_file()
