"""A mistake in a configuration's form is told before torch is imported, at any depth, by every command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
PROBE = """
import json, sys
from upt_core.cli import main
codes = []
for arguments in json.load(sys.stdin):
    try:
        main(arguments)
    except SystemExit as end:
        codes.append(end.code)
print(json.dumps({"codes": codes, "torch": "torch" in sys.modules}))
"""

STAGES = """\
extends: {base}
stages:
  - name: first
    losses: {{forward: {{horizonn: 2}}}}
  - name: second
    trainer: {{epochs: none}}
"""
MISTAKES = {
    "root": ("trainer:", "trainerr:"),
    "section": ("batch_size:", "batchsize:"),
    "plugin": ("num_queries:", "num_query:"),
    "name": ("name: soap", "name: soup"),
    "type": ("epochs:", "epochs: many #"),
    "bound": ("epochs:", "epochs: 0 #"),
}


def run(commands: list[list[str]]) -> tuple[list[int], bool, str]:
    """Exit codes of commands in one process of their own, whether torch was imported, and what they said."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], input=json.dumps(commands), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["codes"], found["torch"], done.stderr


@pytest.fixture
def spoilt(tmp_path: Path) -> list[Path]:
    """Files with one mistake each."""
    text = (CONFIGS / "burgers.yaml").read_text()
    paths = []
    for name, (right, wrong) in MISTAKES.items():
        assert right in text
        paths.append(tmp_path / f"{name}.yaml")
        paths[-1].write_text(text.replace(right, wrong, 1))
    paths.append(tmp_path / "stages.yaml")
    paths[-1].write_text(STAGES.format(base=CONFIGS / "burgers.yaml"))
    return paths


def test_mistakes_of_form_are_told_without_torch(spoilt: list[Path]) -> None:
    codes, torch, said = run([["check", str(path)] for path in spoilt])
    assert codes == [2] * len(spoilt)
    assert not torch
    for path in spoilt:
        assert f"{path}:" in said
    assert "stages.0.losses.forward.horizonn: unknown key" in said
    assert "stages.1.trainer.epochs: expected a whole number; got 'none'" in said
    assert "Traceback" not in said


def test_every_command_that_reads_a_configuration_tells_them_so(spoilt: list[Path]) -> None:
    path = str(spoilt[0])
    commands = [["train", path], ["check", path, "--json"], ["config", "show", path]]
    codes, torch, _ = run([*commands, ["check", path, "--no-third-party"]])
    assert codes == [2, 2, 2, 2]
    assert not torch


def test_what_only_a_plugin_can_say_is_told_as_well(tmp_path: Path) -> None:
    path = tmp_path / "late.yaml"
    text = (CONFIGS / "burgers.yaml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("sampler:"))
    path.write_text(text.replace(line, "sampler: {name: cosine, start_epoch: 9, end_epoch: 3}"))
    codes, torch, said = run([["check", str(path)]])
    assert codes == [2]
    assert torch
    number = text.splitlines().index(line) + 1
    assert f"{path}:{number}:1: sampler: end_epoch (3) is before start_epoch (9)" in said
