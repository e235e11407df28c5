"""Problems as JSON for tools: every problem with its place, exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from upt_core.cli.problems import origin

from .conftest import Upt


def test_every_problem_with_its_place(upt: Upt) -> None:
    text = Path("tiny.yaml").read_text()
    Path("wrong.yaml").write_text(text.replace("depth: 1, heads: 2}", "dept: 1}", 1).replace("epochs: 2", "epochs: 0"))
    result = upt("check", "wrong.yaml", "--json")
    assert result.exit_code == 2
    assert result.stderr == ""
    first, second = json.loads(result.stdout)["problems"]
    assert first["path"] == ["model", "approximator", "dept"]
    assert first["message"] == "unknown key"
    assert first["origin"] == {"file": "wrong.yaml", "line": 8, "column": 37}
    assert first["hint"].startswith("did you mean 'depth'?")
    assert first["owner"].startswith("approximator 'transformer' of upt-core")
    assert second["path"] == ["trainer", "epochs"]
    assert second["origin"] == {"file": "wrong.yaml", "line": 16, "column": 3}
    assert second["owner"] == ""


SCATTERED = "data={name: burgers2d, layout: scattered, num_trajectories: 3, num_times: 2, points_min: 9}"


@pytest.mark.parametrize(
    ("override", "path", "said"),
    [
        ("trainer.batch_size=2000", ["trainer", "batch_size"], "only 200 samples"),
        ("model.encoder.patch=7", ["model", "encoder"], "cannot be cut into patches"),
        (
            SCATTERED,
            ["model", "encoder"],
            "use the encoder 'supernode'",
        ),
        ("data={name: npz, path: absent.npz}", [], "absent.npz"),
    ],
)
def test_what_only_the_data_can_tell(upt: Upt, override: str, path: list[str], said: str) -> None:
    result = upt("check", "tiny.yaml", override, "--json")
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem["path"] == path
    assert said in problem["message"]


def test_a_syntax_error_is_said_before_anything_heavy_is_imported() -> None:
    Path("bad.yaml").write_text('a: "b\n')
    code = (
        "import sys\nfrom upt_core.cli import main\n"
        "try:\n    main(['check', 'bad.yaml', '--json'])\nexcept SystemExit as end:\n    assert end.code == 2\n"
        "assert not {'torch', 'pydantic', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["origin"] == {"file": "bad.yaml", "line": 1, "column": 4}


def test_origin_in_its_parts() -> None:
    assert origin("a b.yaml:3:14") == {"file": "a b.yaml", "line": 3, "column": 14}
    assert origin("c:/x.yaml") == {"file": "c:/x.yaml", "line": None, "column": None}
    assert origin("") is None


BOMB = "a: &a [1, 1]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x00\xff\xfe\x80binary", "is not text in UTF-8"),
        (b"data: {name: burgers1d\n", "not valid YAML"),
        (b"data:\n\tname: burgers1d\n", "not valid YAML"),
        (b"data: 'burgers1d\n", "not valid YAML"),
        (b"seed: 1\nseed: 2\n", "the key 'seed' occurs twice"),
        (BOMB.encode(), "aliases expand without end"),
        (b"[" * 10_000, "nested too deeply"),
        (b"- 1\n", "expected a mapping of keys; got a list"),
        (b"training: {epochs: 3}\n", "is missing: the name of a task"),
    ],
)
def test_files_that_are_no_configuration(upt: Upt, content: bytes, said: str) -> None:
    Path("bad.yaml").write_bytes(content)
    for command in (["check", "--json"], ["config", "show", "--json"]):
        result = upt(*command, "bad.yaml")
        assert result.exit_code == 2
        (problem,) = json.loads(result.stdout)["problems"]
        assert said in problem["message"]
        assert problem["origin"]["file"] == "bad.yaml"
    assert upt("train", "bad.yaml").exit_code == 2
