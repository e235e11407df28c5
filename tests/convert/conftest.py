"""Configurations in the old form, written for the tests: every key that the source documents name stands in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from upt_convert.conversion import Conversion, convert
from upt_core.config.document import parse

BURGERS = """\
seed: 3
data:
  task: burgers1d
  resolution: 512
  num_trajectories: 1024
  patch_size: 4
latent: {tokens: 128, dim: 128}
operator:
  pdet: {input_dim: 128, width: 256, depth: 8, heads: 8}
ttc:
  decoder: {latent_dim: 128, hidden_dim: 256, num_layers: 4, num_heads: 8, frequencies: [1, 2, 4]}
training:
  batch_size: 10
  accum_steps: 4
  amp: true
  ema_decay: 0.999
  grad_clip: 1.0
  compile: false
  lambda_inv_enc: 0.01
  lambda_inv_dec: 0.005
  use_inverse_losses: true
  inverse_loss_warmup_epochs: 15
  inverse_loss_max_weight: 0.05
  inverse_loss_frequency: 1
  query_sample_ratio: 1.0
  query_sampling_schedule: cosine
  query_sample_start_ratio: 1.0
  query_sample_end_ratio: 0.2
  query_sample_start_epoch: 10
  query_sampling_mode: importance
  importance_metric: gradient
  importance_window: 5
stages:
  operator:
    epochs: 100
    patience: 10
    optimizer: {name: muon_hybrid, lr: 1e-3, weight_decay: 0.03, betas: [0.9, 0.95], muon_momentum: 0.95}
"""

TWO_TASKS = """\
data: {task: [advection1d, darcy2d], root: pdebench, patch_size: 8, task_weights: {darcy2d: 2}}
latent: {tokens: 192, dim: 192}
operator: {pdet: {depth: 6, heads: 6}}
ttc: {decoder: {num_layers: 3, num_heads: 6}}
training:
  epochs: 40
  lambda_inv_enc: 0.01
  lambda_inv_dec: 0.01
  inverse_loss_warmup_epochs: 5
  inverse_loss_frequency: 3
  query_sampling: {enabled: true, num_queries: 1024, strategy: stratified}
"""

MINIMAL = """\
data: {task: burgers1d, patch_size: 8}
latent: {tokens: 4, dim: 16}
training:
  epochs: 20
"""


@pytest.fixture
def burgers() -> str:
    return BURGERS


@pytest.fixture
def two_tasks() -> str:
    return TWO_TASKS


Convert = Callable[..., Conversion]


@pytest.fixture
def converted() -> Convert:
    """Converts a text, or the minimal one with more lines in ``training``."""

    def run(text: str = "", **training: Any) -> Conversion:
        lines = "".join(f"  {key}: {value}\n" for key, value in training.items())
        return convert(parse(text or MINIMAL + lines, "old.yaml"))

    return run
