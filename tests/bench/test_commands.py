"""``upt bench``: one command for each suite, several in one call, and a run beside an earlier one."""

from __future__ import annotations

import math
import re
import statistics
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from upt_bench.clock import Ratio, Times
from upt_bench.comparison import Change, changes
from upt_bench.results import Figure, Results
from upt_bench.suites import SUITES
from upt_core.cli import main

FIGURE = Figure("time", "time of a step", 0.5, 1.0, unit="×", noise=0.01)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments])


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_is_a_command_and_its_parts_measure(name: str) -> None:
    suite = SUITES[name]
    done = invoke(name, "--help")
    assert done.exit_code == 0
    assert suite.summary[:40] in done.output
    assert ("--data" in done.output) is suite.real_data
    assert all(callable(import_module(f"upt_bench.{part}").measure) for part in suite.parts)
    assert bool(suite.pictures) is any(file.endswith(".png") for file in suite.files)


def test_without_a_suite_there_is_help() -> None:
    done = invoke()
    assert done.exit_code == 0
    assert all(name in done.output for name in (*SUITES, "quality"))


def test_suites_of_one_call_each_have_their_folder(tmp_path: Path) -> None:
    done = invoke("--suite", "step,loop", "--quick", "--out", str(tmp_path), "--device", "cpu")
    assert done.exit_code == 0, done.output
    for name in ("step", "loop"):
        assert f"upt bench {name}" in done.output
        assert (tmp_path / name / "results.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suite", "step,stepp"), "--suite stepp: no such suite; there are .*loop, losses"),
        (("--suite", "step", "loop"), r"options stand behind the suite's name \(upt bench loop …\)"),
        (("--quick", "loop"), "or beside --suite loop"),
        (("--suite", "step", "--compare", "absent.json"), "absent.json: no such file; name the results.json"),
        (("step", "--quick", "--compare", "old.json"), "figures of small sizes mean nothing; leave one of them out"),
    ],
)
def test_wrong_calls_say_what_is_wrong(arguments: tuple[str, ...], message: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert re.search(message, " ".join(done.output.split())), done.output


def saved(path: Path, *figures: Figure, quick: bool = False) -> str:
    Results({"quick": quick}, list(figures)).save(path)
    return str(path)


@pytest.mark.parametrize(("measured", "verdict", "code"), [(0.51, "within", 0), (0.6, "worse", 1), (0.4, "better", 0)])
def test_a_comparison_ends_with_1_where_a_figure_is_worse(
    tmp_path: Path, measured: float, verdict: str, code: int
) -> None:
    old, new = saved(tmp_path / "old", FIGURE), saved(tmp_path / "new", replace(FIGURE, measured=measured))
    done = invoke("compare", old, new)
    assert done.exit_code == code, done.output
    assert verdict in done.output


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    full, quick = saved(tmp_path / "full", FIGURE), saved(tmp_path / "quick", FIGURE, quick=True)
    other = saved(tmp_path / "other", replace(FIGURE, key="memory"))
    (tmp_path / "text").write_text("[]")
    for file, message in (
        (quick, "made with --quick, so its figures mean nothing"),
        (other, "no figure is in both; compare two runs of the same suite"),
        (str(tmp_path / "text"), "not a results.json of `upt bench`"),
    ):
        done = invoke("compare", full, file)
        assert done.exit_code == 2
        assert message in " ".join(done.output.split())


def test_figures_get_worse_in_the_direction_of_their_goal_only() -> None:
    def change(old: float, new: float, **other: Any) -> Change:
        before = replace(FIGURE, measured=old, **other)
        return Change(before, replace(before, measured=new))

    for old, new, worse, other in (
        (0.5, 0.53, True, {}),  # 2 √2 standard errors of 1 %: 0.014
        (0.5, 0.51, False, {}),
        (0.5, 0.7, True, {"noise": None}),  # not known: 10 % each
        (0.5, 0.57, False, {"noise": None}),
        (50.0, 40.0, True, {"better": "at least"}),
        (40.0, 50.0, False, {"better": "at least"}),
        (0.5, 5.0, False, {"goal": None}),
        (0.0, 1.0, True, {}),
        (0.0, 0.0, False, {}),
    ):
        assert change(old, new, **other).worse is worse, (old, new, other)
    assert change(0.5, 5.0, goal=None).verdict == "–"
    assert math.isinf(change(0.0, 1.0).ratio)
    assert change(0.0, 0.0).ratio == 1.0


def test_only_figures_of_both_runs_are_compared() -> None:
    found = changes(Results(figures=[FIGURE]), Results(figures=[FIGURE, replace(FIGURE, key="memory")]))
    assert [change.new.key for change in found] == ["time"]


def test_a_ratio_is_of_times_of_the_same_round() -> None:
    found = Times({"a": [1.0, 20.0, 3.0], "b": [2.0, 40.0, 6.0]})
    assert found.ratio("a", "b") == Ratio(0.5, 0.0)
    assert found.median("a") == 3.0


def test_one_round_tells_no_noise() -> None:
    assert Ratio.of([0.5]) == Ratio(0.5, None)


def test_the_noise_of_a_median_is_its_standard_error() -> None:
    rng = torch.Generator().manual_seed(0)
    samples = 1 + 0.1 * torch.randn(2000, 25, generator=rng)
    spread = samples.median(1).values.std().item()
    noise = statistics.mean(Ratio.of(row.tolist()).noise or math.nan for row in samples)
    assert noise == pytest.approx(spread, rel=0.12)  # 25 values: the estimate of σ is a few percent low
