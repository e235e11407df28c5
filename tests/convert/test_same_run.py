"""A run converted from the old form and its twin in the new form give the same losses, bit by bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from upt_convert.conversion import convert
from upt_core import Experiment
from upt_core.config.document import parse, read
from upt_core.config.yaml_text import dump_yaml

OLD = """\
seed: 5
data: {task: burgers1d, num_trajectories: 12, resolution: 64, num_times: 6, patch_size: 8}
latent: {tokens: 4, dim: 16}
operator: {pdet: {depth: 1, heads: 2}}
ttc: {decoder: {hidden_dim: 16, num_layers: 1, num_heads: 2, frequencies: [1, 2, 4]}}
training:
  batch_size: 10
  accum_steps: 2
  ema_decay: 0.9
  lambda_inv_enc: 0.04
  lambda_inv_dec: 0.02
  inverse_loss_warmup_epochs: 1
  inverse_loss_max_weight: 0.03
  inverse_loss_frequency: 2
  query_sampling_schedule: cosine
  query_sample_end_ratio: 0.3
  query_sample_start_epoch: 1
  query_sampling_mode: importance
  importance_metric: error
  importance_window: 1
  log_every: 1
  device: cpu
stages:
  operator:
    epochs: 4
    optimizer: {name: muon_hybrid, lr: 1e-3, weight_decay: 0.03}
"""

TWIN = """\
seed: 5
data: {name: burgers1d, num_trajectories: 12, points: 64, num_times: 6}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8}
  approximator: {name: transformer, depth: 1, heads: 2}
  decoder: {name: perceiver, width: 16, depth: 1, heads: 2, frequencies: [1, 2, 4]}
losses:
  forward: forward
  inverse_encoding:
    name: inverse_encoding
    weight: {name: curriculum, base: 0.04, warmup_epochs: 1, max_weight: 0.03}
    every: 2
    sampler:
      name: cosine
      start_ratio: 1.0
      end_ratio: 0.3
      start_epoch: 1
      levels: 1000
      multiple: 1
      base: {name: importance, metric: error, window: 1}
  inverse_decoding:
    name: inverse_decoding
    sampler: null
    weight: {name: curriculum, base: 0.02, warmup_epochs: 1, max_weight: 0.03}
    every: 2
trainer:
  epochs: 4
  batch_size: 10
  accumulate: 2
  optimizer: {name: muon, lr: 1e-3, weight_decay: 0.03}
  clip_norm: null
  ema: 0.9
  log_every: 1
  device: cpu
validation:
  metrics: {relative_l2: relative_l2, nrmse: nrmse}
"""


def logged(run: Path) -> list[dict[str, Any]]:
    """What a run has logged, without times."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if not any(word in key for word in ("time", "second"))} for row in rows]


def test_the_same_losses_bit_by_bit(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "twin.yaml").write_text(TWIN)
    found = convert(read(tmp_path / "old.yaml"))
    (tmp_path / "new.yaml").write_text(dump_yaml(found.document.data))
    assert parse(dump_yaml(found.document.data), "new").data == found.document.data
    results = {name: Experiment.from_yaml(tmp_path / f"{name}.yaml").train(tmp_path / name) for name in ("new", "twin")}
    new, twin = logged(tmp_path / "new"), logged(tmp_path / "twin")
    assert new == twin
    assert results["new"] == results["twin"]
    epochs = [row for row in new if row["kind"] == "epoch"]
    assert len(epochs) == 4
    assert "loss/inverse_encoding" in epochs[-1]


def test_python_reads_an_old_file_and_warns_of_what_became_of_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(OLD)
    with pytest.warns(UserWarning, match=r"old.yaml was converted[\s\S]*lambda_inv_enc"):
        experiment = Experiment.from_yaml(path, ["trainer.epochs=1"])
    assert experiment.settings.trainer.epochs == 1
