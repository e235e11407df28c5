"""Each key of the old form by itself: what it becomes, and what is said where it becomes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from upt_convert.conversion import convert
from upt_core import ConfigError
from upt_core.config.document import parse
from upt_core.config.settings import validate
from upt_core.registry.discovery import installed

from .conftest import MINIMAL, Convert


def at(data: Any, path: str) -> Any:
    for key in path.split("."):
        data = data[int(key) if isinstance(data, list) else key]
    return data


@pytest.mark.parametrize(
    ("key", "value", "new", "expected"),
    [
        ("batch_size", 10, "trainer.batch_size", 10),
        ("accum_steps", 4, "trainer.accumulate", 4),
        ("amp", "true", "trainer.precision", "bf16"),
        ("amp", "false", "trainer.precision", "fp32"),
        ("ema_decay", 0.999, "trainer.ema", 0.999),
        ("ema_decay", 0, "trainer.ema", None),
        ("grad_clip", 0.5, "trainer.clip_norm", 0.5),
        ("grad_clip", 0, "trainer.clip_norm", None),
        ("patience", 7, "validation.patience", 7),
        ("compile", "true", "trainer.compile", True),
        ("num_workers", 2, "trainer.workers", 2),
        ("lr", "1e-4", "trainer.optimizer.lr", 1e-4),
        ("optimizer", "{name: adam, lr: 1e-4, betas: [0.9, 0.99]}", "trainer.optimizer.beta2", 0.99),
        ("optimizer", "sgd", "trainer.optimizer.name", "sgd"),
        ("optimizer", "{name: muon_hybrid}", "trainer.optimizer.name", "muon"),
        ("seed", 5, "seed", 5),
    ],
)
def test_trainer(converted: Convert, key: str, value: object, new: str, expected: object) -> None:
    found = converted(**{key: value})
    assert at(found.document.data, new) == expected
    validate(found.document, installed())
    assert not found.report.lost


def test_what_is_left_out_means_what_the_old_form_means(converted: Convert) -> None:
    found = converted()
    data = found.document.data
    assert data["trainer"] == {"epochs": 20, "clip_norm": None, "optimizer": {"name": "adamw"}}
    assert data["losses"] == {"forward": {"name": "forward"}}
    assert "sampler" not in data
    assert "trainer.clip_norm: null; the old form clips only if clipping is set" in found.report.remarks


CURRICULUM = {"name": "curriculum", "warmup_epochs": 15, "max_weight": 0.05}


@pytest.mark.parametrize(
    ("training", "weights"),
    [
        ({"lambda_inv_enc": 0.02}, {"inverse_encoding": {**CURRICULUM, "base": 0.02}}),
        ({"lambda_inv_dec": 0.02, "lambda_inv_enc": 0.0}, {"inverse_decoding": {**CURRICULUM, "base": 0.02}}),
        (
            {"use_inverse_losses": "true"},
            {name: {**CURRICULUM, "base": 0.01} for name in ("inverse_encoding", "inverse_decoding")},
        ),
        ({"use_inverse_losses": "true", "lambda_inv_enc": 0, "lambda_inv_dec": 0}, {}),
        (
            {"use_inverse_losses": "false", "lambda_inv_enc": 0.02, "inverse_loss_warmup_epochs": 5},
            {"inverse_encoding": {**CURRICULUM, "warmup_epochs": 5, "base": 0.02}},
        ),
        (
            {"lambda_inv_enc": 0.2, "inverse_loss_max_weight": 0.1},
            {"inverse_encoding": {**CURRICULUM, "max_weight": 0.1, "base": 0.2}},
        ),
        ({"lambda_inv_enc": 0.02, "inverse_loss_warmup_epochs": 30}, {"inverse_encoding": 0}),
    ],
)
def test_inverse_terms(converted: Convert, training: dict[str, Any], weights: dict[str, Any]) -> None:
    found = converted(**training)
    losses = found.document.data["losses"]
    assert {name: losses[name]["weight"] for name in losses if name != "forward"} == weights
    validate(found.document, installed())
    assert not found.report.lost


def test_without_inverse_terms_their_keys_are_said_to_be_unused(converted: Convert) -> None:
    found = converted(inverse_loss_frequency=3, inverse_loss_warmup_epochs=4, lambda_inv_enc=0.0)
    assert {line.became for line in found.report.lines if "inverse_loss" in str(line)} == {
        "not used: no inverse term has a weight"
    }


QUERY_SAMPLING = "{enabled: true, num_queries: 512, strategy: stratified}"
EXACT = {"multiple": 1}


@pytest.mark.parametrize(
    ("training", "sampler"),
    [
        ({"query_sampling": QUERY_SAMPLING}, {"name": "stratified", "num_queries": 512}),
        ({"query_sampling": "{enabled: true}"}, {"name": "uniform", "num_queries": 2048}),
        ({"query_sampling": "{enabled: false, num_queries: 512}"}, None),
        ({"query_sample_ratio": 1.0}, None),
        ({"query_sample_ratio": 0.5}, {"name": "ratio", "ratio": 0.5, "base": {"name": "uniform"}, **EXACT}),
        (
            {"query_sample_ratio": 0.5, "query_sampling": QUERY_SAMPLING},
            {"name": "ratio", "ratio": 0.5, "base": {"name": "stratified"}, **EXACT},
        ),
        (
            {"query_sample_ratio": 1.0, "query_sampling": QUERY_SAMPLING, "query_sampling_schedule": "constant"},
            {"name": "stratified", "num_queries": 512},
        ),
        (
            {"query_sample_ratio": 0.3, "query_sampling_mode": "importance", "importance_metric": "error"},
            {"name": "ratio", "ratio": 0.3, "base": {"name": "importance", "metric": "error", "window": 5}, **EXACT},
        ),
        (
            {"query_sampling_mode": "importance", "importance_window": 2, "query_sampling": "{num_queries: 64}"},
            {"name": "importance", "metric": "gradient", "window": 2, "num_queries": 64},
        ),
        ({"query_sampling_mode": "importance", "importance_metric": "variance", "importance_window": 2}, None),
        ({"query_sampling_mode": "random", "importance_metric": "error", "query_sample_start_epoch": 3}, None),
        (
            {"query_sampling_schedule": "cosine", "query_sample_end_ratio": 0.4, "query_sample_start_epoch": 2},
            {
                "name": "cosine",
                "start_ratio": 1.0,
                "end_ratio": 0.4,
                "start_epoch": 2,
                "levels": 1000,
                "base": {"name": "uniform"},
                **EXACT,
            },
        ),
        (
            {"query_sampling_schedule": "cosine", "query_sample_start_epoch": 20, "query_sample_start_ratio": 0.9},
            {"name": "ratio", "ratio": 0.9, "base": {"name": "uniform"}, **EXACT},
        ),
    ],
)
def test_samplers(converted: Convert, training: dict[str, Any], sampler: dict[str, Any] | None) -> None:
    found = converted(**training, lambda_inv_enc=0.01)
    assert found.document.data["losses"]["inverse_encoding"].get("sampler") == sampler
    assert "sampler" not in found.document.data
    assert "sampler" not in found.document.data["losses"]["forward"]
    said = "only for inverse_encoding, as in the old form" in str(found.report)
    assert said == (sampler is not None)
    validate(found.document, installed())
    assert not found.report.lost


@pytest.mark.parametrize(
    ("data", "expected", "said"),
    [
        ("{task: burgers1d}", {"name": "burgers1d"}, "upt solves it"),
        ("{task: advection1d, nx: 64}", {"name": "advection1d", "points": 64}, "upt solves it"),
        ("{task: burgers2d}", {"name": "burgers2d"}, "upt solves it"),
        ("{task: darcy2d, path: a/b.h5}", {"name": "pdebench", "path": "a/b.h5"}, "a/b.h5"),
        ("{task: darcy2d, path: b.pt}", {"name": "neuraloperator", "path": "b.pt"}, "b.pt"),
        ("{task: x, path: b.npz, root: z}", {"name": "npz", "path": "b.npz"}, "b.npz"),
        ("{task: darcy2d}", {"name": "pdebench", "path": "darcy2d.hdf5"}, "set this to your file"),
        ("{task: burgers1d, root: d}", {"name": "pdebench", "path": "d/burgers1d.hdf5"}, "set this to your file"),
        ("{name: burgers1d, points: 64}", {"name": "burgers1d", "points": 64}, "the same"),
    ],
)
def test_data(converted: Convert, data: str, expected: dict[str, Any], said: str) -> None:
    found = converted(MINIMAL.replace("{task: burgers1d, patch_size: 8}", data))
    assert found.document.data["data"] == expected
    assert said in str(found.report)
    assert not found.report.lost
    validate(found.document, installed())


STAGES = """\
stages:
  reconstruct: {epochs: 3, optimizer: {name: adamw, lr: 1e-3}, freeze: [approximator]}
  operator: {epochs: 30, patience: 4, optimizer: {name: muon_hybrid, lr: 1e-4}}
  diff_residual: {epochs: 9, optimizer: {name: adamw}}
  steady: {epochs: 0, optimizer: {name: adamw}}
"""


def test_several_stages(converted: Convert) -> None:
    found = converted(MINIMAL + STAGES)
    assert found.document.data["stages"] == [
        {
            "name": "reconstruct",
            "trainer": {"epochs": 3, "optimizer": {"name": "adamw", "lr": 1e-3}},
            "freeze": ["approximator"],
        },
        {
            "name": "operator",
            "trainer": {"epochs": 30, "optimizer": {"name": "muon", "lr": 1e-4}},
            "validation": {"patience": 4},
        },
    ]
    assert found.document.origin(("stages", 1, "trainer", "optimizer", "lr")) == "old.yaml:7:70"
    assert [line.path[1] for line in found.report.lost] == ["diff_residual", "diff_residual"]
    assert "stages.steady.epochs: 0 → no stage: it has 0 epochs" in str(found.report)
    validate(found.document, installed())


def test_one_stage_goes_over_training(converted: Convert) -> None:
    found = converted(MINIMAL + "  lr: 1e-2\nstages: {operator: {epochs: 7, optimizer: {name: adamw, lr: 1e-4}}}\n")
    assert found.document.data["trainer"]["epochs"] == 7
    assert found.document.data["trainer"]["optimizer"] == {"name": "adamw", "lr": 1e-4}
    assert "training.epochs: 20 → not used: stages.operator.epochs sets it" in str(found.report)
    assert not found.report.lost


def test_cosine_schedule_of_the_learning_rate(converted: Convert) -> None:
    found = converted(lr=0.01, scheduler="{name: cosine, warmup_epochs: 2, eta_min: 0.001, t_mult: 2}")
    schedule = found.document.data["trainer"]["lr_schedule"]
    assert schedule == {"name": "warmup_cosine", "warmup_epochs": 2, "final": 0.1}
    assert [line.path[-1] for line in found.report.lost] == ["t_mult"]


def test_sizes_that_follow_and_sizes_that_differ(converted: Convert) -> None:
    found = converted(MINIMAL + "operator: {pdet: {input_dim: 16}}\nttc: {decoder: {latent_dim: 17, query_dim: 2}}\n")
    assert "operator.pdet.input_dim: 16 → not needed: it follows from latent.dim" in str(found.report)
    assert "ttc.decoder.query_dim: 2 → not needed: it follows from the data" in str(found.report)
    assert [line.path for line in found.report.lost] == [("ttc", "decoder", "latent_dim")]


def test_keys_without_a_counterpart_are_listed_by_line_with_what_to_use(converted: Convert) -> None:
    found = converted(lambda_spectral=0.1, checkpointing="{a: 1, b: []}", amp="true")
    assert [str(line) for line in found.report.lost] == [
        "old.yaml:5:3: training.lambda_spectral: 0.1 "
        "(see the loss term spectral: it compares spectra in space, the old term spectra of latent channels)",
        "old.yaml:6:19: training.checkpointing.a: 1",
        "old.yaml:6:25: training.checkpointing.b: []",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "  lambda_inv_enc: big\n", "old.yaml:5:3: training.lambda_inv_enc: expected a number; got 'big'"),
        (MINIMAL + "  use_inverse_losses: 1\n", "training.use_inverse_losses: expected true or false; got 1"),
        (MINIMAL + "  amp: maybe\n", "training.amp: expected true or false; got 'maybe'"),
        (MINIMAL + "  query_sampling_schedule: step\n", "expected cosine or constant; got 'step'"),
        (MINIMAL + "  query_sampling_mode: grid\n", "expected random or importance; got 'grid'"),
        (MINIMAL + "  query_sampling: 3\n", "training.query_sampling: expected a mapping of keys; got 3"),
        (MINIMAL + "  query_sampling: {strategy: 3}\n", "expected uniform or stratified; got 3"),
        (MINIMAL + "  optimizer: [adamw]\n", "training.optimizer: expected an optimizer's name"),
        (MINIMAL + "  optimizer: {betas: 0.9}\n", "training.optimizer.betas: expected a list of two numbers; got 0.9"),
        (MINIMAL + "stages: [operator]\n", "stages: expected a mapping of stages by name"),
        (MINIMAL + "stages: {operator: 3}\n", "stages.operator: expected a mapping of keys; got 3"),
        (MINIMAL.replace("burgers1d", "3"), "old.yaml:1:8: data.task: expected the name of a task, or a list of names"),
        (
            "training: {epochs: 3}\n",
            "data.task: is missing: the name of a task\n    the sections training belong",
        ),
        ("training: {epochs: 3}\ndata: {task: []}\n", "data.task: expected the name of a task, or a list of names"),
        ("training: 3\n", "old.yaml:1:1: training: expected a mapping of keys; got 3"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(parse(text, "old.yaml"))
    assert message in str(caught.value)
