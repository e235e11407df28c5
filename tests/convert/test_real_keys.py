"""Spellings and sections of real files of the old system: each keeps its meaning, and what is written is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from upt_convert.conversion import convert
from upt_core import ConfigError, Experiment
from upt_core.cli import main
from upt_core.config.document import parse, read
from upt_core.config.settings import validate
from upt_core.config.yaml_text import dump_yaml
from upt_core.registry.discovery import installed

from .conftest import MINIMAL, Convert

ALL_KEYS = """\
seed: 5.0
num_gpus: 2
optimizer: {name: adamw, lr: 1.0e-3}
data: {task: burgers2d, num_trajectories: 8, resolution: 16, num_times: 4, patch_size: 4.0}
latent: {tokens: 16.0, dim: 16}
operator: {pdet: {depth: 1.0, heads: 2, input_dim: 16}}
ttc:
  steps: 3
  candidates: 8
  decoder: {hidden_dim: 16, mlp_hidden_dim: 48, num_layers: 1, num_heads: 2, frequencies: [1.0, 2.0, 4.0]}
training:
  batch_size: 2
  time_stride: 1
  lambda_inv_enc: 0.02
  lambda_inv_dec: 0.01
  inverse_loss_warmup_epochs: 0
  query_sampling: {enabled: true, num_queries: 64, strategy: stratified}
  physics_priors:
    lambda_boundary: 0.0
    lambda_conservation: 0.01
    lambda_positivity: 0.001
    lambda_divergence: 0.001
    lambda_latent_norm: 0.001
    lambda_latent_diversity: 0.001
  device: cpu
  log_every: 1
stages:
  operator:
    epochs: 1
    warmup_epochs: 1
    optimizer: {name: muon_hybrid, lr: 1e-3, eps: 1e-9, betas: [0.9, 0.95]}
  diff_residual: {epochs: 9, patience: 3}
logging: {wandb: {enabled: false, project: upt}, level: info}
"""

TWIN = """\
seed: 5
data: {name: burgers2d, num_trajectories: 8, points: 16, num_times: 4}
model:
  latent: {tokens: 16, dim: 16}
  encoder: {name: grid, patch: 4}
  approximator: {name: transformer, depth: 1, heads: 2}
  decoder: {name: perceiver, width: 16, depth: 1, heads: 2, mlp_ratio: 3.0, frequencies: [1, 2, 4]}
losses:
  forward: forward
  inverse_encoding:
    name: inverse_encoding
    weight: {name: curriculum, base: 0.02, warmup_epochs: 0}
    sampler: {name: stratified, num_queries: 64}
  inverse_decoding:
    name: inverse_decoding
    weight: {name: curriculum, base: 0.01, warmup_epochs: 0}
  conservation: {name: conservation, weight: 0.01}
  positivity: {name: positivity, weight: 0.001}
  divergence: {name: divergence, weight: 0.001}
  latent_norm: {name: latent_norm, weight: 0.001}
  latent_diversity: {name: latent_diversity, weight: 0.001}
trainer:
  epochs: 1
  batch_size: 4
  optimizer: {name: muon, lr: 1e-3, eps: 1e-9, beta1: 0.9, beta2: 0.95}
  lr_schedule: {name: warmup_cosine, warmup_epochs: 1, final: 1.0}
  clip_norm: null
  log_every: 1
  device: cpu
validation:
  metrics: {relative_l2: relative_l2, nrmse: nrmse}
"""


def test_all_keys_of_real_files_train_as_their_twin(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(ALL_KEYS)
    (tmp_path / "twin.yaml").write_text(TWIN)
    found = convert(read(tmp_path / "old.yaml"))
    (tmp_path / "new.yaml").write_text(dump_yaml(found.document.data))
    results = {name: Experiment.from_yaml(tmp_path / f"{name}.yaml").train(tmp_path / name) for name in ("new", "twin")}
    assert results["new"] == results["twin"]
    assert [".".join(map(str, line.path)) for line in found.report.lost] == [
        "ttc.steps",
        "ttc.candidates",
        "training.time_stride",
        "stages.diff_residual.epochs",
        "stages.diff_residual.patience",
        "logging.level",
    ]


def test_what_is_lost_stands_by_section_and_what_changes_results_comes_first() -> None:
    said = str(convert(parse(ALL_KEYS, "old.yaml")).report)
    first, rest = said.split("WITHOUT A COUNTERPART, so results may differ:\n")[1].split(
        "Without a counterpart, but without effect on training:\n"
    )
    assert first.strip() == ("old.yaml:13:3: training.time_stride: 1 (a parameter of the data sets that read files)")
    assert [line.strip() for line in rest.splitlines()] == [
        "ttc: 2 keys (steps, candidates)",
        "stages.diff_residual: 2 keys (epochs, patience)",
        "logging: 1 key (level)",
    ]


@pytest.mark.parametrize(
    ("lines", "new", "expected"),
    [
        ("optimizer: adam\n", ("trainer", "optimizer"), {"name": "adamw"}),
        ("optimizer: {type: sgd, lr: 0.1}\n", ("trainer", "optimizer"), {"name": "sgd", "lr": 0.1}),
        ("num_gpus: 4\n", ("trainer", "batch_size"), 40),
        ("distributed: {world_size: 2}\n", ("trainer", "batch_size"), 20),
        ("logging: {wandb: {project: p, name: n, tags: [a]}}\n", ("callbacks",), [
            {"name": "wandb", "project": "p", "run_name": "n", "tags": ["a"]}
        ]),
        ("wandb: true\n", ("callbacks",), [{"name": "wandb"}]),
        ("wandb: false\n", ("callbacks",), None),
        ("operator: {pdet: {width: 32, ff_dim: 64}}\n", ("model", "approximator"), {
            "name": "transformer", "width": 32, "depth": 4, "mlp_ratio": 2
        }),
    ],
)  # fmt: skip
def test_sections(converted: Convert, lines: str, new: tuple[str, ...], expected: Any) -> None:
    found = converted(MINIMAL + "  batch_size: 10\n" + lines)
    value: Any = found.document.data
    for key in new:
        value = value.get(key) if value is not None else None
    assert value == expected
    assert not found.report.lost
    validate(found.document, installed())


def test_a_missing_depth_is_said(converted: Convert) -> None:
    assert {
        "model.encoder.depth: 2; the old file sets no depth",
        "model.approximator.depth: 4; the old file sets no depth",
        "model.decoder.depth: 2; the old file sets no depth",
    } <= set(converted().report.remarks)


def test_priors_switched_off(converted: Convert) -> None:
    found = converted(physics_priors="{enabled: false, lambda_positivity: 0.1}")
    assert list(found.document.data["losses"]) == ["forward"]
    assert "no term positivity" in str(found.report)


def test_time_stride_of_training_reaches_a_file(converted: Convert) -> None:
    found = converted(MINIMAL.replace("task: burgers1d", "task: x, path: a.h5") + "  time_stride: 5\n")
    assert found.document.data["data"] == {"name": "pdebench", "path": "a.h5", "time_stride": 5}


class TestInclude:
    def test_files_stand_below(self, tmp_path: Path) -> None:
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts" / "latent.yaml").write_text("latent: {tokens: 4, dim: 16}\n")
        (tmp_path / "base.yaml").write_text(f"include: [parts/latent.yaml]\n{MINIMAL}  batch_size: 4\n")
        (tmp_path / "old.yaml").write_text("include: base.yaml\ntraining: {batch_size: 8}\nlatent: {dim: 32}\n")
        data = convert(read(tmp_path / "old.yaml")).document.data
        assert data["trainer"]["batch_size"] == 8
        assert data["trainer"]["epochs"] == 20
        assert data["model"]["latent"] == {"tokens": 4, "dim": 32}
        with pytest.warns(UserWarning, match="was converted"):
            assert Experiment.from_yaml(tmp_path / "old.yaml").settings.trainer.batch_size == 8

    def test_what_is_wrong_is_said_with_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "circle.yaml").write_text("include: circle.yaml\ntraining: {epochs: 3}\n")
        with pytest.raises(ConfigError, match="more than 20 files include each other in a row"):
            convert(read(tmp_path / "circle.yaml"))
        (tmp_path / "old.yaml").write_text("include: {a: 3}\ntraining: {epochs: 3}\n")
        with pytest.raises(ConfigError, match=r"old.yaml:1:1: include: expected the path of a file; got"):
            convert(read(tmp_path / "old.yaml"))
        (tmp_path / "old.yaml").write_text("include: nowhere.yaml\ntraining: {epochs: 3}\n")
        with pytest.raises(ConfigError, match=r"nowhere.yaml.*does not exist"):
            convert(read(tmp_path / "old.yaml"))


def test_convert_checks_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text(MINIMAL + "  batch_size: -3\n")
    with pytest.raises(SystemExit) as ended:
        main(["config", "convert", str(tmp_path / "old.yaml"), "-o", str(tmp_path / "new.yaml")])
    assert ended.value.code == 2
    assert (tmp_path / "new.yaml").is_file()
    assert "old.yaml:5:3: trainer.batch_size: must be greater than 0; got -3" in capsys.readouterr().err
