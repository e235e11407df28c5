"""``upt config show``, ``schema`` and ``convert``: what they print, write and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from jsonschema import Draft202012Validator

from upt_core.config.document import parse, read
from upt_core.config.sections import as_plain
from upt_core.config.settings import validate
from upt_core.registry.discovery import installed

from .conftest import Upt

OLD = """\
data: {task: burgers1d, num_trajectories: 12, resolution: 32, patch_size: 8}
latent: {tokens: 4, dim: 16}
operator: {pdet: {depth: 1, heads: 2}}
ttc: {decoder: {num_layers: 1, num_heads: 2}, steps: 3}
training: {epochs: 2, batch_size: 64, lambda_inv_enc: 0.1, inverse_loss_warmup_epochs: 0, dt: 0.1}
"""


def test_show_prints_the_whole_experiment(upt: Upt) -> None:
    Path("top.yaml").write_text("extends: tiny.yaml\ntrainer: {epochs: 5}\n")
    shown = upt("config", "show", "top.yaml", "trainer.batch_size=3").stdout
    plain = as_plain(validate(read("top.yaml", ["trainer.batch_size=3"]), installed()))
    assert parse(shown, "shown").data == plain
    assert json.loads(upt("config", "show", "top.yaml", "trainer.batch_size=3", "--json").stdout) == plain


def test_show_origin_names_file_override_and_default(upt: Upt) -> None:
    Path("top.yaml").write_text("extends: tiny.yaml\ntrainer: {epochs: 5}\n")
    lines = upt("config", "show", "top.yaml", "seed=7", "--origin").stdout.splitlines()
    rows = dict(line.rsplit("  ", 1) for line in lines)
    found = {key.strip(): place for key, place in rows.items()}
    assert found["trainer.epochs: 5"] == "top.yaml:2:11"
    assert found["trainer.batch_size: 64"] == "tiny.yaml:17:3"
    assert found["seed: 7"] == "command line (seed=7)"
    assert found["trainer.accumulate: 1"] == "default"
    values = json.loads(upt("config", "show", "top.yaml", "--origin", "--json").stdout)["values"]
    assert {
        "path": ["trainer", "epochs"],
        "value": 5,
        "origin": {"file": "top.yaml", "line": 2, "column": 11},
    } in values
    assert {"path": ["seed"], "value": 0, "origin": None} in values


def test_show_refuses_what_is_wrong(upt: Upt, refused: Callable[..., str]) -> None:
    said = refused("config", "show", "tiny.yaml", "trainer.epoch=3")
    assert "command line (trainer.epoch=3): trainer.epoch: unknown key" in said
    result = upt("config", "show", "tiny.yaml", "trainer.epoch=3", "--json")
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem["origin"] == {"file": "command line (trainer.epoch=3)", "line": None, "column": None}


def test_schema_to_stdout_and_to_a_file(upt: Upt, refused: Callable[..., str]) -> None:
    schema = json.loads(upt("config", "schema").stdout)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(read("tiny.yaml").data)
    said = upt("config", "schema", "-o", "s.json").stdout
    assert json.loads(Path("s.json").read_text()) == schema
    assert "# yaml-language-server: $schema=s.json" in said
    assert "tiny.yaml/s.json cannot be written: " in refused("config", "schema", "-o", "tiny.yaml/s.json")


def test_convert_writes_the_new_file_and_says_what_became_of_each_key(upt: Upt, refused: Callable[..., str]) -> None:
    Path("old.yaml").write_text(OLD)
    result = upt("config", "convert", "old.yaml", "-o", "new.yaml")
    assert result.exit_code == 0
    assert "old.yaml:5:23: training.batch_size: 64 → trainer.batch_size: 64\n" in result.stderr
    lost = result.stderr.partition("WITHOUT A COUNTERPART")[2]
    assert "ttc: 1 key (steps)" in lost
    assert "old.yaml:5:91: training.dt: 0.1 (the time step is that of the data)\n" in lost
    text = Path("new.yaml").read_text()
    assert text.startswith("# Converted from old.yaml by upt config convert.\n")
    assert "#   training.dt: 0.1\n" in text
    assert upt("config", "convert", "old.yaml").stdout == text
    assert "new.yaml already exists and is not overwritten" in refused(
        "config", "convert", "old.yaml", "-o", "new.yaml"
    )
    assert upt("check", "new.yaml").exit_code == 0


def test_convert_refuses_a_file_in_the_new_form(upt: Upt) -> None:
    result = upt("config", "convert", "tiny.yaml")
    assert result.exit_code == 2
    assert "tiny.yaml is already a configuration of upt" in result.stderr


def test_check_takes_a_file_in_the_old_form(upt: Upt, refused: Callable[..., str]) -> None:
    Path("old.yaml").write_text(OLD)
    result = upt("check", "old.yaml", "training.batch_size=32", "data.num_trajectories=10", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["stages"][0]["training"]["batch_size"] == 32
    assert found["data"]["splits"]["train"]["trajectories"] == 8
    assert "training.batch_size: 32 → trainer.batch_size: 32" in result.stderr


def test_what_is_wrong_in_the_old_form_has_its_place_there(upt: Upt) -> None:
    Path("old.yaml").write_text(OLD.replace("batch_size: 64", "batch_size: many"))
    result = upt("check", "old.yaml")
    assert result.exit_code == 2
    assert "error: old.yaml:5:23: trainer.batch_size: expected a whole number; got 'many'" in result.stderr
    Path("old.yaml").write_text(OLD.replace("lambda_inv_enc: 0.1", "lambda_inv_enc: much"))
    result = upt("check", "old.yaml", "trainer.epochs=")
    assert "error: old.yaml:5:39: training.lambda_inv_enc: expected a number; got 'much'" in result.stderr
    Path("old.yaml").write_text(OLD)
    assert "'=3' is not an override" in upt("check", "old.yaml", "=3").stderr
