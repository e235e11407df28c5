"""``upt info``: what an operator is, from its file alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import torch
from click.testing import Result

from upt_core import load
from upt_core.cli.info import shown
from upt_core.operator.info import info

from .test_evaluate import run

Upt = Callable[..., Result]
__all__ = ["run"]

WITHOUT = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("upt_") and name.partition(".")[0] != "upt_core":
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
from upt_core.cli import main
main()
"""


def test_what_a_run_says_of_its_operator(run: Path, upt: Upt) -> None:
    output = " ".join(upt("info", "waves").output.split())
    for text in (
        "waves/checkpoints/best.pt inputs u targets u, at later time steps units those of the training data",
        "periodic points a grid of 32 in training conditions none latent 4 tokens of width 16",
        "encoder grid, ",
        "trained on npz ",
        "train.npz: 8 train, 1 valid trajectories",
        "saw 32 points, time steps of 0.1",
        "run waves 20",
        "versions upt-core ",
        "u[0]: mean ",
        "test relative_l2 model ",
    ):
        assert text in output, text
    operator = load("waves")
    found = info(Path("waves"))[0]
    assert sum(found["parameters"].values()) == sum(p.numel() for p in operator.model.parameters())
    assert found["training"]["fingerprint"] == operator.training.content
    assert found["test"] == json.loads(Path("waves/results.json").read_text())["predictors"]


def test_a_saved_operator_keeps_its_test_and_a_last_checkpoint_has_none(run: Path, upt: Upt) -> None:
    load("waves").save("waves.upt")
    found = json.loads(upt("info", "waves.upt", "--json").output)[0]
    assert found["test"] == info(Path("waves"))[0]["test"]
    assert info(Path("waves/checkpoints/last.pt"))[0]["test"] is None


def test_it_needs_no_plugin(run: Path, upt: Upt) -> None:
    here = upt("info", "waves").output
    done = subprocess.run([sys.executable, "-c", WITHOUT, "info", "waves"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, here), done.stderr


@pytest.mark.parametrize("width", [40, 80])
def test_long_lines_fold(run: Path, width: int) -> None:
    text = click.unstyle(shown(info(Path("waves"))[0], width))
    assert max(map(len, text.splitlines())) <= width


def test_the_chain_of_parents_is_told(run: Path) -> None:
    operator = load("waves")
    operator.provenance["parents"] = [{"run": "first", "digest": "abc"}]
    operator.save("child.upt")
    assert "parent 1" in shown(info(Path("child.upt"))[0])
    assert "run: first, digest: abc" in shown(info(Path("child.upt"))[0])


def test_files_that_hold_no_operator(run: Path, refused: Callable[..., str]) -> None:
    whole = Path("waves/checkpoints/best.pt").read_bytes()
    Path("damaged.pt").write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    Path("cut.pt").write_bytes(whole[:2000])
    torch.save({"weights": torch.zeros(3)}, "foreign.pt")
    Path("text.pt").write_text("nothing")
    for name, message in (
        ("damaged.pt", "damaged.pt: the file is damaged: its content does not match its digest; use another copy"),
        ("cut.pt", "cut.pt: cannot be read as a checkpoint (is it truncated, or another kind of file?)"),
        ("foreign.pt", "foreign.pt: this is not a checkpoint written by upt"),
        ("text.pt", "text.pt: cannot be read as a checkpoint"),
        ("none.pt", "none.pt: there is no such run folder or file"),
        (".", "this is not the folder of a run; it has no config.yaml"),
    ):
        assert message in refused("info", name)
