"""``upt init``: the path of a new user, from nothing to a trained run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from upt_core.config.document import read
from upt_core.config.starter import SCHEMA_FILE

from .conftest import Upt

QUICK = (
    *("data.num_trajectories=12", "data.num_times=3", "data.points=32"),
    *("model.latent.tokens=[8]", "trainer.epochs=1", "trainer.batch_size=20", "trainer.device=cpu"),
)


def test_from_init_through_check_to_train(upt: Upt) -> None:
    said = upt("init", "mine/first.yaml").stdout
    assert "mine/first.yaml: the experiment" in said
    assert "upt check mine/first.yaml" in said
    assert json.loads(Path("mine", SCHEMA_FILE).read_text())["title"] == "upt experiment"
    assert upt("check", "mine/first.yaml", *QUICK).exit_code == 0
    assert upt("train", "mine/first.yaml", *QUICK, "--run-dir", "run").exit_code == 0
    assert Path("run/results.json").exists()


def test_nothing_is_overwritten_but_the_schema(upt: Upt, refused: Callable[..., str]) -> None:
    Path(SCHEMA_FILE).write_text("{}")
    assert upt("init").exit_code == 0
    assert Path(SCHEMA_FILE).read_text() != "{}"
    before = Path("experiment.yaml").read_text()
    assert "experiment.yaml already exists and is not overwritten" in refused("init")
    assert Path("experiment.yaml").read_text() == before


def test_it_can_begin_with_a_configuration_that_upt_brings(upt: Upt, refused: Callable[..., str]) -> None:
    assert upt("init", "b.yaml", "--from", "burgers").exit_code == 0
    assert upt("init", "other/b.yaml", "--example", "burgers").exit_code == 0
    assert Path("other/b.yaml").read_text() == Path("b.yaml").read_text()
    assert Path("b.yaml").read_text().startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")
    assert read("b.yaml").data["data"]["name"] == "burgers1d"
    said = refused("init", "c.yaml", "--from", "burger")
    assert "upt has no configuration 'burger'; did you mean 'burgers'?; it has: " in said
    assert "darcy" in said


def test_a_file_that_cannot_be_written_is_said(refused: Callable[..., str]) -> None:
    Path("taken").write_text("")
    assert "taken/a.yaml cannot be written: " in refused("init", "taken/a.yaml")


def test_commands_to_type_are_quoted_for_the_shell(upt: Upt) -> None:
    said = upt("init", "my ü #1.yaml").stdout
    assert "upt check 'my ü #1.yaml'\n      upt train 'my ü #1.yaml'" in said
    assert upt("train", "my ü #1.yaml", *QUICK, "--run-dir", "a run").exit_code == 0
    again = upt("train", "my ü #1.yaml", *QUICK, "--run-dir", "a run")
    assert "a run already contains a run; continue it with --resume 'a run', or name another folder" in again.output


def test_a_budget_that_ends_within_an_epoch_says_so(upt: Upt) -> None:
    upt("init", "a.yaml")
    budget = ("trainer.epochs=10000", "trainer.budget={seconds: 1.0}", "trainer.batch_size=2", "callbacks=[]")
    said = upt("train", "a.yaml", *QUICK[:5], *budget, "trainer.device=cpu", "--run-dir", "run").stdout
    assert re.search(r"epochs +\d+(, and \d+ of \d+ steps of the next)?\n", said)


def test_a_single_trajectory_is_one(upt: Upt) -> None:
    upt("init", "a.yaml")
    assert "valid    1 trajectory, 2 samples" in upt("check", "a.yaml", *QUICK).stdout


def test_losses_of_tasks_alone_are_told_where_to_stand(upt: Upt) -> None:
    Path("t.yaml").write_text("tasks: {a: {losses: {forward: forward}}}\n", encoding="utf-8")
    said = upt("check", "t.yaml").output
    assert "losses: is missing" in said
    assert "tasks and stages merge their terms over these" in said
