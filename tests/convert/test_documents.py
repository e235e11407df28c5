"""The documents' example experiments become valid ones in the new form, with a line for every key."""

from __future__ import annotations

from typing import Any

from upt_convert.form import is_old
from upt_core.config.document import parse
from upt_core.config.settings import validate
from upt_core.registry.discovery import installed

from .conftest import Convert

BURGERS_NEW = """\
seed: 3
data: {name: burgers1d, points: 512, num_trajectories: 1024}
model:
  latent: {tokens: 128, dim: 128}
  encoder: {name: grid, patch: 4, depth: 2}
  approximator: {name: transformer, width: 256, depth: 8, heads: 8}
  decoder: {name: perceiver, width: 256, depth: 4, heads: 8, frequencies: [1, 2, 4]}
losses:
  forward: {name: forward}
  inverse_encoding:
    name: inverse_encoding
    weight: {name: curriculum, base: 0.01, warmup_epochs: 15, max_weight: 0.05}
    every: 1
    sampler:
      name: cosine
      start_ratio: 1.0
      end_ratio: 0.2
      start_epoch: 10
      levels: 1000
      base: {name: importance, metric: gradient, window: 5}
      multiple: 1
  inverse_decoding:
    name: inverse_decoding
    weight: {name: curriculum, base: 0.005, warmup_epochs: 15, max_weight: 0.05}
    sampler: null
    every: 1
trainer:
  batch_size: 10
  accumulate: 4
  precision: bf16
  ema: 0.999
  clip_norm: 1.0
  compile: false
  epochs: 100
  optimizer: {name: muon, lr: 1e-3, weight_decay: 0.03, beta1: 0.9, beta2: 0.95, momentum: 0.95}
validation:
  patience: 10
  metrics:
    relative_l2: {name: relative_l2}
    nrmse: {name: nrmse}
"""


def leaves(data: Any) -> int:
    return sum(map(leaves, data.values())) if isinstance(data, dict) and data else 1


def test_burgers(burgers: str, converted: Convert) -> None:
    found = converted(burgers)
    assert found.document.data == parse(BURGERS_NEW, "new.yaml").data
    validate(found.document, installed())
    assert found.report.lost == ()
    assert len(found.report.lines) == leaves(parse(burgers, "old.yaml").data)


def test_every_value_has_its_place_in_the_old_file(burgers: str, converted: Convert) -> None:
    document = converted(burgers).document
    for path, old in {
        ("trainer", "accumulate"): "  accum_steps",
        ("trainer", "precision"): "  amp",
        ("trainer", "optimizer", "momentum"): "muon_momentum",
        ("losses", "inverse_encoding", "sampler", "end_ratio"): "  query_sample_end_ratio",
        ("losses", "inverse_encoding", "sampler", "base", "window"): "  importance_window",
        ("losses", "inverse_decoding", "weight", "base"): "  lambda_inv_dec",
        ("losses", "inverse_encoding", "weight", "warmup_epochs"): "  inverse_loss_warmup_epochs",
        ("losses", "inverse_encoding", "every"): "  inverse_loss_frequency",
        ("model", "decoder", "width"): "hidden_dim",
        ("model", "encoder", "patch"): "  patch_size",
        ("data", "points"): "  resolution",
        ("validation", "patience"): "    patience",
    }.items():
        before = burgers[: burgers.index(old) + len(old) - len(old.lstrip())]
        place = f"old.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        assert document.origin(path) == place, path


def test_two_tasks(two_tasks: str, converted: Convert) -> None:
    found = converted(two_tasks)
    validate(found.document, installed())
    data = found.document.data
    assert data["tasks"] == {
        "advection1d": {"data": {"name": "pdebench", "path": "pdebench/advection1d.hdf5"}},
        "darcy2d": {"data": {"name": "pdebench", "path": "pdebench/darcy2d.hdf5"}, "weight": 2.0},
    }
    assert data["model"]["latent"] == {"tokens": 192, "dim": 192}
    assert data["losses"]["inverse_encoding"]["sampler"] == {"name": "stratified", "num_queries": 1024}
    assert [data["losses"][name].get("every") for name in data["losses"]] == [None, 3, 3]
    assert found.report.lost == ()
    assert "set this to your file" in str(found.report)


def test_the_old_form_is_recognised_and_a_mistake_in_the_new_one_is_not(burgers: str) -> None:
    assert is_old(parse(burgers, "old.yaml"))
    assert is_old(parse("training: {epochs: 3}", "old.yaml"))
    assert not is_old(parse(BURGERS_NEW, "new.yaml"))
    assert not is_old(parse(BURGERS_NEW.replace("trainer:", "training:"), "new.yaml"))
    assert not is_old(parse("extends: base.yaml\ntraining: {epochs: 3}", "new.yaml"))
    assert not is_old(parse("a: 3", "new.yaml"))
