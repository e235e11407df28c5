"""``upt evaluate``: one command from an operator and data to a verdict, tables and files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import Result

from upt_core import Experiment, load
from upt_core.cli.evaluate import metrics_of
from upt_core.cli.evaluation import shown
from upt_core.run.evaluate import Asked, evaluate_operator

from .test_predict import CONFIG, waves

Upt = Callable[..., Result]


@pytest.fixture
def run(own_folder: Path) -> Path:
    """A run on 32 points; new.npz has the same points, fine.npz twice as many."""
    waves("train.npz", 10, 32)
    waves("new.npz", 3, 32)
    waves("fine.npz", 2, 64)
    config = {**CONFIG, "callbacks": ["csv"], "sampler": {"name": "uniform", "num_queries": 16}}
    Path("waves.yaml").write_text(yaml.safe_dump(config))
    Experiment.from_yaml("waves.yaml").train(Path("waves"))
    return Path("waves")


def test_everything_is_shown(run: Path, upt: Upt) -> None:
    result = upt("evaluate", "waves", "new.npz", "--steps", "5", "--json", "a.json", "--csv", "a.csv")
    assert result.exit_code == 0, result.output
    for text in (
        "waves: best checkpoint, new.npz, 5 time steps",
        " persistence",
        "[ ]: 95% intervals over 3 trajectories (bootstrap, 2000 resamples, seed 0); they are too narrow for so few "
        "trajectories",
        "relative L2 of u over the horizon",
        "step    t  model  persistence",
        "worst of 3 trajectories (relative L2 of the model)",
        "new.npz, trajectory ",
    ):
        assert " ".join(text.split()) in " ".join(result.output.split())
    found = json.loads(Path("a.json").read_text())
    assert (found["input"], found["samples"], found["time_steps"]) == ("new.npz", 3, 5)
    low, high = found["intervals"]["model"]["relative_l2"]
    assert low <= found["predictors"]["model"]["relative_l2"] <= high
    assert len(found["fields"]["u"]["persistence"]["relative_l2_by_step"]) == 5
    assert found["verdicts"][0]["words"] in result.output
    assert found["worst"][0]["source"].startswith("new.npz, trajectory ")
    with Path("a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 5
    by_step = np.mean([float(row["relative_l2_model"]) for row in rows if row["step"] == "4"])
    assert by_step == pytest.approx(found["fields"]["u"]["model"]["relative_l2_by_step"][3], rel=1e-6)
    assert float(rows[0]["time"]) == pytest.approx(0.1)


def test_json_alone_and_metrics_by_name(run: Path, upt: Upt) -> None:
    late = "late={name: vrmse, steps: [3, 5]}"
    result = upt(
        "evaluate",
        "waves",
        "new.npz",
        "--steps",
        "5",
        "--metrics",
        "nrmse, max_error",
        "--metrics",
        late,
        "--json",
        "-",
    )
    found = json.loads(result.stdout)
    assert list(found["predictors"]["model"]) == ["nrmse", "max_error", "late"]
    assert found["intervals"]["model"]["max_error"] is None, "a largest value is no mean"
    assert found["intervals"]["model"]["late"] is not None


def test_a_resolution_is_one_option(run: Path, upt: Upt) -> None:
    result = upt("evaluate", "waves", "fine.npz", "--resolution", "32")
    assert "waves: best checkpoint, fine.npz, at 32 points" in result.output
    assert "remark: inputs and truths are 32 of the 64 points of the data" in result.stderr


def test_another_kind_of_data_set_is_named(trained: Path, upt: Upt, refused: Callable[..., str]) -> None:
    """An operator whose own data set reads no files."""
    x, t = np.arange(32) / 32, 0.05 * np.arange(4)
    np.savez("u.npz", u=0.1 * np.sin(2 * np.pi * (x - t[:, None]))[None], x=x, t=t)
    message = refused("evaluate", "run", "u.npz")
    assert "u.npz: burgers1d does not read files; name a data set that does, for example data.name=npz" in message
    result = upt("evaluate", "run", "u.npz", "data.name=npz", "data.periodic=true")
    assert result.exit_code == 0, result.output
    assert "run: best checkpoint, u.npz" in result.output


def test_an_operators_file_is_as_good_as_its_run(run: Path, upt: Upt) -> None:
    load("waves").save("waves.upt")
    of_run = json.loads(upt("evaluate", "waves", "new.npz", "--json", "-").stdout)
    of_file = json.loads(upt("evaluate", "waves.upt", "new.npz", "--json", "-").stdout)
    assert of_file["predictors"] == of_run["predictors"]
    assert of_file["checkpoint"] is None
    last = json.loads(upt("evaluate", "waves", "new.npz", "--checkpoint", "last", "--json", "-").stdout)
    assert last["checkpoint"] == "last"


WITHOUT = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("upt_losses", "upt_samplers", "upt_callbacks", "upt_optimizers", "upt_schedules"):
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
from upt_core.cli import main
main()
"""


def test_the_runs_losses_samplers_and_callbacks_need_not_be_there(run: Path, upt: Upt) -> None:
    arguments = ["evaluate", "waves", "--json", "-"]
    here = json.loads(upt(*arguments).stdout)
    done = subprocess.run([sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predictors"] == here["predictors"]


def test_metrics_that_are_not_installed_are_left_out_and_said(run: Path) -> None:
    operator = load("waves")
    operator.provenance["config"]["validation"]["metrics"]["mine"] = {"name": "somebodys_metric"}
    found = evaluate_operator(operator, Asked(path=Path("new.npz")))
    assert "metrics of the run that are not installed are left out: mine" in found.remarks
    assert list(found.model.figures) == ["relative_l2"]
    del operator.provenance["config"]["validation"]["metrics"]["relative_l2"]
    with pytest.raises(
        ValueError, match=r"no metric of the run is installed; give --metrics; there are: boundary_rmse"
    ):
        evaluate_operator(operator, Asked(path=Path("new.npz")))


@pytest.mark.parametrize("width", [30, 45, 100])
def test_no_line_is_wider_than_the_terminal(run: Path, width: int) -> None:
    import click

    found = evaluate_operator(
        load("waves"), Asked(path=Path("new.npz"), steps=5, metrics={"a_long_name": "rmse", "vrmse": "vrmse"})
    )
    lines = click.unstyle(shown(found, "waves: best checkpoint, new.npz, 5 time steps", width)).splitlines()
    assert max(map(len, lines)) <= max(width, 34), "a row of an interval is not cut"
    assert any("a_long_name" in line for line in lines)


TWO = {
    "line": {"data": {"name": "advection1d", "num_trajectories": 12, "points": 32}},
    "other": {"data": {"name": "advection1d", "num_trajectories": 12, "points": 32, "seed": 1}},
}


def test_several_tasks(upt: Upt, refused: Callable[..., str]) -> None:
    config = {key: value for key, value in CONFIG.items() if key != "data"}
    Path("two.yaml").write_text(yaml.safe_dump({**config, "tasks": TWO}))
    Experiment.from_yaml("two.yaml").train(Path("two"))
    result = upt("evaluate", "two")
    assert "two: best checkpoint, test split, task line" in result.output
    assert "two: best checkpoint, test split, task other" in result.output
    both = json.loads(upt("evaluate", "two", "--json", "-").stdout)
    assert [one["task"] for one in both] == ["line", "other"]
    assert upt("evaluate", "two", "--task", "line", "--csv", "line.csv").exit_code == 0
    assert "a run of several tasks has a CSV file for each; choose one with --task" in refused(
        "evaluate", "two", "--csv", "a"
    )
    assert "contains no task called 'none'; there are: line, other" in refused("evaluate", "two", "--task", "none")
    said = "contains the operators of several tasks; choose one with task (on the command line: --task): line, other"
    assert said in refused("predict", "two", "--split", "test", "-o", "a.npz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new.npz", "fine.npz"], "evaluate one INPUT at a time"),
        (
            ["new.npz", "--split", "test"],
            "all of an INPUT is evaluated; leave --split out, or leave INPUT out to evaluate a split of",
        ),
        (["none.npz"], "none.npz"),
        (["--resolution", "4y"], "expected points along each axis, for example 512 or 128x128"),
        (
            ["--steps", "50"],
            "the run needs 50 target time steps after an input, but the longest of 1 trajectories has 6",
        ),
        (["--metrics", "relative_l3"], "relative_l2"),
        (["--metrics", "{name: [}"], "expected NAME, or LABEL={name: NAME, KEY: VALUE} in quotes"),
        (["--metrics", "{low: 3}"], "expected NAME, or LABEL={name: NAME, KEY: VALUE} in quotes"),
        (["--metrics", ","], "--metrics names no metric"),
        (["--metrics", "{name: vrmse, steps: [2, 3]}"], "compares the time steps 2 to 3, but rollouts have 1"),
        (["--metrics", "{name: vrmse, field: w}"], "no field is called 'w'; the data set has: u"),
        (["trainer.epochs=3"], "only settings of the data set can be set here, as data.KEY=VALUE"),
        (["data.colour=3"], "colour"),
        (["--csv", "waves.yaml/a.csv"], "waves.yaml/a.csv: cannot be written"),
        (["--json", "waves.yaml/a.json"], "waves.yaml/a.json: cannot be written"),
        (["--device", "cuda:99"], "this machine has"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    run: Path, refused: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in refused("evaluate", "waves", *arguments)


def test_metrics_as_text() -> None:
    assert metrics_of(()) is None
    assert metrics_of(("a,b", "{name: c, low: 3}", "d={name: c}")) == {
        "a": "a", "b": "b", "c": {"name": "c", "low": 3}, "d": {"name": "c"},
    }  # fmt: skip
