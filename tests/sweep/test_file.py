"""A sweep's file: every problem has its place in it, also those that only the experiment can find."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from upt_core.errors import ConfigError
from upt_sweep.point import MAX_POINTS_TRIED, corners, grid_points
from upt_sweep.space import Dimension, short_names

from .conftest import GRID, RANDOM, Read

ROOT = Path(__file__).parents[2]

WRONG = {
    "search: tabu": "s.yaml:5:1: search: expected 'grid', 'random' or 'tpe'; got 'tabu'",
    "searching: grid": "s.yaml:5:1: searching: unknown key\n    did you mean 'search'? known keys: experiment, overr",
    "search: grid\ntrials: 3": "s.yaml:6:1: trials: a grid has as many trials as it has points\n    remove trials",
    "search: random": "trials: is missing; search: random needs the number of runs\n    for example trials",
    "search: random\ntrials: 0": "s.yaml:6:1: trials: must be greater than 0; got 0\n    number of runs",
    "search: random\ntrials: 1000000": "s.yaml:6:1: trials: must be at most 10000",
    "seed: -1": "s.yaml:5:1: seed: must be at least 0; got -1\n    seed of the search",
}

SPACES = {
    "{}": "s.yaml:3:1: space: needs at least 1 items; it has 0",
    "{trainer.epochs: {}}": "trainer.epochs: expected exactly one of choice, uniform, log_uniform, int; got none",
    "{a: {choice: [1], int: [1, 2]}}": "expected exactly one of choice, uniform, log_uniform, int; got choice and int",
    "{a: {choose: [1]}}": "s.yaml:3:13: space.a.choose: unknown key\n    did you mean 'choice'?",
    "{a: {choice: []}}": "space.a.choice: needs at least 1 items",
    "{a: {choice: [1, 2, 1]}}": "space.a: the choice 1 occurs twice",
    "{a: {uniform: [1]}}": "space.a.uniform: needs at least 2 items; it has 1",
    "{a: {uniform: [1, 2, 3]}}": "space.a.uniform: may have at most 2 items; it has 3",
    "{a: {uniform: [1, x]}}": "s.yaml:3:26: space.a.uniform.1: expected a number; got 'x'",
    "{a: {uniform: [1, .inf]}}": "space.a.uniform.1: expected a finite number",
    "{a: {int: [1, 2.5]}}": "space.a.int.1: expected a whole number; got 2.5",
    "{a: {int: [3, 3]}}": r"space.a: expected [low, high] with low < high; got [3, 3]",
    "{a: {log_uniform: [0, 1]}}": r"space.a: a logarithmic range needs low > 0; got [0",
    "{a: {uniform: [0, 1]}}": "space.a: a grid needs a list of values; got uniform\n    use choice, or search",
    "{a: {int: [1, 1000]}, b: {int: [1, 1000]}}": "space: the grid has 1,000,000 points, more than 10,000",
    "{trainer.epochs: {choice: [1, 2]}}": "s.yaml:2:13: overrides.trainer.epochs: is in overrides and in space",
    "{trainer.batch_size: {int: [-1, 1]}}": "s.yaml:3:36: trainer.batch_size: must be greater than 0; got -1",
    "{trainer.optimizer.lrr: {choice: [1]}}": "s.yaml:3:42: trainer.optimizer.lrr: unknown key",
    "{sampler: {choice: [uniform, halton9]}}": "s.yaml:3:37: sampler: no sampler is called 'halton9'",
    "{stages.x: {choice: [1]}}": "s.yaml:3:29: stages: 'x' is not an item of this list of 0",
    "{validation.metrics.rmse: {choice: [rmse]}, validation.monitor: {choice: [rmse, relative_l2]}}": (
        "s.yaml:3:1: space: the points are judged by different metrics: rmse (lower is better) and relative_l2 (lower"
    ),
}


@pytest.mark.parametrize(("line", "message"), WRONG.items())
def test_a_wrong_line_is_named_with_its_place(line: str, message: str, read: Read) -> None:
    text = "experiment: ../tiny.yaml\noverrides: {trainer.epochs: 1}\nspace:\n  trainer.batch_size: {int: [8, 9]}\n"
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(text + line + "\n")


@pytest.mark.parametrize(("space", "message"), SPACES.items())
def test_a_wrong_space_is_named_with_its_place(space: str, message: str, read: Read) -> None:
    if "stages" in space:
        Path("tiny.yaml").write_text(Path("tiny.yaml").read_text() + "stages: []\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(f"experiment: ../tiny.yaml\noverrides: {{trainer.epochs: 1}}\nspace: {space}\nsearch: grid\n")


def test_every_wrong_corner_is_told_once(read: Read) -> None:
    text = GRID.replace("  trainer.optimizer", "  trainer.batch_size: {choice: [0, 8]}\n  trainer.optimizer")
    with pytest.raises(ConfigError) as caught:
        read(text.replace("1e-2]", "-1.0]"))
    assert [problem.path for problem in caught.value.problems] == [
        ("trainer", "batch_size"),
        ("trainer", "optimizer", "lr"),
    ]


def test_the_experiment_is_looked_for_beside_the_sweep(read: Read) -> None:
    with pytest.raises(
        ConfigError,
        match=r"s.yaml:1:1: experiment: sweeps/tiny.yaml is not a file\n    the path is "
        r"rel",
    ):
        read(GRID.replace("../tiny", "tiny"))


def test_an_error_of_the_experiment_itself_has_its_place_there(read: Read) -> None:
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text().replace("latent:", "latnt:"))
    with pytest.raises(ConfigError, match=r"tiny.yaml:3:3: model.latnt: unknown key"):
        read(GRID)


def test_a_point_is_the_experiment_with_its_values_and_their_places(read: Read) -> None:
    sweep = read(RANDOM)
    point = {"trainer.optimizer.lr": 0.005, "sampler": {"name": "stratified", "num_queries": 4}}
    experiment = sweep.experiment(point)
    assert experiment.settings.trainer.optimizer.lr == 0.005
    assert experiment.settings.trainer.epochs == 1
    assert experiment.settings.sampler.name == "stratified"
    assert experiment.document.origin(("sampler", "name")).endswith("s.yaml:5:28")
    assert sweep.experiment({"sampler": None}).settings.sampler is None
    assert (sweep.metric, sweep.lower_is_better, sweep.trials, sweep.output) == ("relative_l2", True, 3, Path("runs"))


def test_corners_hold_every_end_and_every_choice() -> None:
    small = [Dimension("a", "uniform", (0.0, 1.0)), Dimension("b", "choice", (1, 2, 3))]
    assert len(list(corners(small))) == 6
    large = [Dimension(f"k{i}", "choice", tuple(range(5))) for i in range(6)]
    found = list(corners(large))
    assert len(found) == 5 + MAX_POINTS_TRIED
    assert all({point[f"k{i}"] for point in found} == set(range(5)) for i in range(6))


def test_a_grid_is_every_combination() -> None:
    points = grid_points([Dimension("a", "int", (1, 3)), Dimension("b", "choice", ("x", None))])
    assert len(points) == 6
    assert points[:2] == [{"a": 1, "b": "x"}, {"a": 1, "b": None}]


def test_names_are_as_short_as_they_can_be() -> None:
    assert short_names(["a.b.lr", "a.w", "c.w", "w"]) == {"a.b.lr": "lr", "a.w": "a.w", "c.w": "c.w", "w": "w"}


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_sweep_is_valid(path: Path) -> None:
    from upt_sweep.file import read_sweep

    assert read_sweep(path).trials > 0


def test_the_sweep_of_the_documentation_is_valid_and_its_error_is_the_one_shown(read: Read) -> None:
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    block = re.search(r'^```yaml title="sweep.yaml"[^\n]*\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    assert block is not None
    text = block[1].replace("first.yaml ", "../tiny.yaml ")
    assert read(text).trials == 20
    shown = re.search(r"^error: sweep.yaml:(.*)$", page, re.MULTILINE)
    assert shown is not None
    with pytest.raises(ConfigError, match=re.escape(shown[1])):
        read(text.replace("{int: [1, 4]}", "{int: [0, 4]}"))


def test_without_optuna_the_message_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['optuna'] = None; sys.modules['optuna.trial'] = None\n"
        "from upt_core.cli import main; main(['sweep', 'sweeps/s.yaml'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: upt sweep needs Optuna, which is not installed: pip install 'upt-core[sweep]'\n"
