"""``--no-third-party``, and runs whose plugins are not installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from upt_core import CheckpointError, UserError
from upt_core.cli import main
from upt_core.cli.group import message
from upt_core.registry import Distribution, Entry, Registry
from upt_core.registry import discovery as plugins
from upt_core.run.experiment import load_run

CONFIG = """
data: {name: burgers1d, num_trajectories: 12, points: 32, num_times: 4}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
sampler: SAMPLER
losses: {forward: {name: forward}}
trainer: {epochs: 1, batch_size: 4, optimizer: adamw, device: cpu}
validation: {metrics: {relative_l2: {name: relative_l2}}}
"""


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that also has the sampler of another distribution."""
    own = plugins.installed()
    registry = Registry(dict(own.entries), list(own.broken))
    registry.register(Entry("sampler", "halton", "upt_samplers.uniform:Uniform", Distribution("upt-halton", "1.2")))
    monkeypatch.setattr(plugins, "installed", lambda: registry)


@pytest.mark.usefixtures("stranger")
def test_with_and_without_third_parties(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG.replace("SAMPLER", "{name: halton, num_queries: 8}"))
    runner = CliRunner()
    assert runner.invoke(main, ["check", str(path)]).exit_code == 0
    refused = runner.invoke(main, ["check", str(path), "--no-third-party"])
    assert refused.exit_code == 2
    assert "no sampler is called 'halton'" in refused.output
    refused = runner.invoke(main, ["train", str(path), "--no-third-party", "--run-dir", str(tmp_path / "run")])
    assert refused.exit_code == 2
    assert not (tmp_path / "run").exists()


def test_a_run_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.replace("SAMPLER", "{name: halton}"))
    recorded = {"sampler halton": {"distribution": "upt-halton", "version": "1.2"}}
    (tmp_path / "environment.json").write_text(json.dumps({"plugins": recorded}))
    with pytest.raises(CheckpointError, match="sampler 'halton' is not installed; it came with upt-halton==1.2: pip"):
        load_run(tmp_path)


def test_a_note_of_an_error_is_part_of_its_message() -> None:
    error = UserError("the disk is full")
    error.add_note("raised by the hook epoch_ended of some.Callback")
    assert message(error) == "the disk is full\nraised by the hook epoch_ended of some.Callback"
