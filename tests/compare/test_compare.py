"""``upt compare``: only what differs, metrics side by side, runs of any length, curves over each other."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from upt_core.cli import main
from upt_core.config.yaml_text import dump_yaml
from upt_core.errors import UserError
from upt_core.report.compare import MISSING, compare
from upt_core.report.compare.curves import draw
from upt_core.report.compare.page import verdict, write_page
from upt_core.report.compare.runs import short_names
from upt_core.report.style import ALL_THEMES, LIGHT

CONFIG: dict[str, Any] = {
    "data": {"name": "burgers1d", "fields": ["no", "u"]},
    "sampler": {"name": "uniform", "num_queries": 8},
    "trainer": {"epochs": 3, "optimizer": {"name": "adamw", "lr": 0.001}},
    "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}}, "monitor": "relative_l2"},
}
PLUGINS = {"loss forward": {"distribution": "upt-core", "version": "0.1.0"}}
ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.9",
    "torch": "2.13.0",
    "device": "cpu (2 cores)",
    "plugins": PLUGINS,
    "git": {"commit": "0123456789abcdef", "branch": "main", "changed": False},
}
Upt = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def upt() -> Upt:
    return lambda *arguments: CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def write_run(
    name: str,
    values: list[float],
    config: dict[str, Any] = CONFIG,
    environment: dict[str, Any] = ENVIRONMENT,
    finished: bool = True,
) -> Path:
    """A run folder whose validations gave these values."""
    folder = Path(name)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(dump_yaml(config))
    (folder / "environment.json").write_text(json.dumps(environment))
    lines = []
    for epoch, value in enumerate(values, start=1):
        place = {"epoch": epoch, "step": 8 * epoch, "time": float(epoch)}
        lines += [{"kind": "validation", **place, "relative_l2": value}, {"kind": "epoch", **place, "loss/total": 1.0}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if finished:
        best = {"metric": "relative_l2", "value": min(values), "epoch": values.index(min(values)) + 1}
        predictors = {"model": {"relative_l2": min(values) / 2}, "persistence": {"relative_l2": 9.0}}
        content = {"split": "test", "best": best, "predictors": predictors}
        (folder / "results.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def three() -> list[Path]:
    """A finished run, one that is not finished and has another sampler, one that has not even validated."""
    other = {**CONFIG, "sampler": None, "seed": True}
    newer = {**ENVIRONMENT, "torch": "2.14.0", "git": None}
    return [
        write_run("a", [0.5, 0.25, 0.375]),
        write_run("b", [0.5, 0.4], other, newer, finished=False),
        write_run("c", [], {**CONFIG, "seed": 1}, finished=False),
    ]


def test_only_differences_are_kept(three: list[Path]) -> None:
    found = compare(three)
    assert found.config == {
        "sampler": [MISSING, None, MISSING],
        "sampler.name": ["uniform", MISSING, "uniform"],
        "sampler.num_queries": [8, MISSING, 8],
        "seed": [MISSING, True, 1],
    }
    assert found.versions == {
        "git commit": ["0123456789ab", MISSING, "0123456789ab"],
        "torch": ["2.13.0", "2.14.0", "2.13.0"],
    }


def test_metrics_of_partial_runs(three: list[Path]) -> None:
    found = compare(three)
    assert found.states == [
        "finished after 3 of 3 epochs",
        "not finished, 2 of 3 epochs",
        "not finished, 0 of 3 epochs",
    ]
    assert found.metrics == {"relative_l2": [0.125, None, None]}
    assert found.last == {"relative_l2": [0.375, 0.4, None]}
    assert found.best == [{"metric": "relative_l2", "value": 0.25, "epoch": 2}, None, None]


def test_what_is_printed(three: list[Path], upt: Upt) -> None:
    result = upt("compare", "a", "b", "c")
    assert result.exit_code == 0
    assert result.output == (
        """\
Runs
a   finished after 3 of 3 epochs
b   not finished, 2 of 3 epochs
c   not finished, 0 of 3 epochs

Configuration, where it differs
                      a          b          c
sampler               (absent)   null       (absent)
sampler.name          uniform    (absent)   uniform
sampler.num_queries   8          (absent)   8
seed                  (absent)   true       1

Versions and machines, where they differ
             a              b          c
git commit   0123456789ab   (absent)   0123456789ab
torch        2.13.0         2.14.0     2.13.0

Test split, best checkpoint
              a       b   c
relative_l2   0.125   –   –

Validation split, best
a   relative_l2   0.25   epoch 2
b   –
c   –

Validation split, last validation
              a       b     c
relative_l2   0.375   0.4   –

picture   compare.png
"""
        f"page      {Path('compare.html').resolve().as_uri()}\n"
    )
    assert Path("compare.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_everything_and_draws_only_when_asked(three: list[Path], upt: Upt) -> None:
    found = json.loads(upt("compare", "a", "b", "--json").output)
    assert list(found) == ["runs", "states", "config", "versions", "test", "best", "last_validation", "plot", "page"]
    assert found["runs"] == ["a", "b"]
    assert found["plot"] is None
    assert found["page"] is None
    assert not [*Path().glob("compare.*")]
    assert json.loads(upt("compare", "a", "b", "--json", "--plot", "x.png").output)["plot"] == "x.png"
    assert Path("x.png").is_file()


def test_runs_that_are_the_same_say_so(upt: Upt) -> None:
    write_run("a", [], finished=False)
    write_run("b", [], finished=False)
    output = upt("compare", "a", "b").output
    for text in (
        "the configurations are the same",
        "the versions are the same",
        "no run is finished",
        "no validation has taken place",
    ):
        assert f"\n{text}\n" in output
    assert "picture" not in output
    assert not Path("compare.png").exists()


def test_runs_of_the_same_name_get_the_folder_above() -> None:
    write_run("x/run", [1.0])
    write_run("y/run", [1.0])
    write_run("z", [1.0])
    found = compare([Path("x/run"), Path("y/run"), Path("z")])
    assert found.names == found.titles == ["x/run", "y/run", "z"]


def test_every_run_has_its_curve_over_its_own_epochs(three: list[Path]) -> None:
    found = compare(three)
    with LIGHT.applied():
        figure = draw(found.runs, found.names)
    assert figure is not None
    (ax,) = figure.axes
    curves = {str(line.get_label()): line.get_xydata() for line in ax.get_lines()}
    assert {name: curve.tolist() for name, curve in curves.items()} == {  # type: ignore[union-attr]
        "a": [[1.0, 0.5], [2.0, 0.25], [3.0, 0.375]],
        "b": [[1.0, 0.5], [2.0, 0.4]],
    }
    assert ax.get_xlim() == (0.0, 3.0)


def test_many_runs_have_lines_that_differ() -> None:
    folders = [write_run(f"run{i}", [1.0, 0.01 / (i + 1)]) for i in range(8)]
    found = compare(folders)
    with LIGHT.applied():
        figure = draw(found.runs, found.names)
    assert figure is not None
    lines = figure.axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 8
    assert figure.axes[0].get_yscale() == "log"


def finished(name: str, score: float, config: dict[str, Any] = CONFIG, **description: Any) -> Path:
    """A finished run with this test metric."""
    folder = write_run(name, [2 * score, 4 * score] if score > 0 else [2 * score], config)
    (folder / "description.json").write_text(json.dumps(description))
    return folder


@pytest.mark.parametrize(
    ("scores", "lower", "sense", "words"),
    [
        ((0.1, 0.125), True, "better", "a has the lowest relative_l2 on the test split, 0.1: 20 % below b (0.125)."),
        ((0.5, 0.125), True, "better", "b has the lowest relative_l2 on the test split, 0.125: by a factor of 4 below"),
        ((1e-4, 0.25), True, "better", "a has the lowest relative_l2 on the test split, 0.0001: by a factor of 2,500 "),
        ((0.5, 0.4), False, "better", "a has the highest relative_l2 on the test split, 0.5: 25 % above b (0.4)."),
        ((0.5, -0.5), False, "better", "a has the highest relative_l2 on the test split, 0.5: above b (-0.5)."),
        ((0.5, 0.5), True, "even", "a and b have the same relative_l2 on the test split, 0.5."),
    ],
)
def test_the_verdict_of_a_page(scores: tuple[float, float], lower: bool, sense: str, words: str) -> None:
    folders = [finished(name, score, lower_is_better=lower) for name, score in zip("ab", scores, strict=True)]
    found = verdict(compare(folders))
    assert found[0] == sense
    assert found[1].startswith(words)


def test_a_page_has_everything_in_itself(upt: Upt) -> None:
    other = {**CONFIG, "data": {**CONFIG["data"], "seed": 7}}
    folders = [finished("a", 0.125), finished("b<i>", 0.25, other)]
    (folders[0] / "index.html").write_text("its own report")
    (folders[0] / "plots").mkdir()
    for theme in ALL_THEMES:
        (folders[0] / "plots" / f"predictions{theme.suffix}.png").write_bytes(b"PNG of the example")
    assert upt("compare", "a", "b<i>", "--page", "both.html").exit_code == 0
    text = Path("both.html").read_text()
    assert "a has the lowest relative_l2 on the test split, 0.125: by a factor of 2 below b&lt;i&gt; (0.25)." in text
    assert "The runs have different data (data.seed differs): their errors may not compare." in text
    assert '<a href="a/index.html">a</a>' in text
    assert "b<i>" not in text
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "Test split, best checkpoint",
        "Validation",
        "Configuration, where it differs",
        "Example predictions",
    ]
    assert text.count(base64.b64encode(b"PNG of the example").decode()) == len(ALL_THEMES)
    assert not re.findall(r'(?:src|srcset|href)="(?!data:|a/index.html)', text)


def test_a_page_before_any_run_is_finished(upt: Upt) -> None:
    for name in "ab":
        write_run(name, [], finished=False)
    assert upt("compare", "a", "b").exit_code == 0
    text = Path("compare.html").read_text()
    assert "Fewer than two runs have measured relative_l2 on the test split." in text
    assert "No run is finished. The test split is evaluated at the end of a run." in text
    result = upt("compare", "a", "b", "--page", "no/such/folder/x.html")
    assert result.exit_code == 2
    assert "no/such/folder/x.html: the page cannot be written: No such file or directory; name another" in result.stderr


def test_what_is_refused(three: list[Path], upt: Upt) -> None:
    with pytest.raises(UserError, match="a comparison needs at least two run folders"):
        compare(three[:1])
    with pytest.raises(UserError, match="a: this run is named twice"):
        compare([Path("a"), Path("b"), Path("b/../a")])
    with pytest.raises(UserError, match=r"nowhere: this is not the folder of a run; it has no config.yaml"):
        compare([Path("a"), Path("nowhere")])
    result = upt("compare", "a", "b", "--plot", "no/such/folder/x.png")
    assert result.exit_code == 2
    assert "no/such/folder/x.png: the plot cannot be written: No such file or directory; name ano" in result.stderr
    Path("b/results.json").write_text("{")
    with pytest.raises(UserError, match=r"b/results.json: not valid JSON"):
        compare(three)


def test_torch_is_not_needed() -> None:
    code = "import sys, upt_core.report.compare.runs, upt_core.cli.compare; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def seeded(name: str, seed: int, value: float, sampler: str = "uniform", finished: bool = True) -> Path:
    """A run with a seed; its error on the test split is half of the value."""
    config = {**CONFIG, "sampler": {"name": sampler, "num_queries": 8}, "seed": seed}
    return write_run(name, [value], config, finished=finished)


def test_seeds_of_one_configuration_are_put_together(upt: Upt) -> None:
    """As for a sampler of one's own against uniform: a single lucky run does not win."""
    runs = [seeded("a1", 1, 0.2, "mine"), seeded("a2", 2, 0.8, "mine"), seeded("a3", 3, 0.6, "mine")]
    runs += [seeded("b1", 1, 0.4), seeded("b2", 2, 0.6), seeded("b3", 3, 0.5), seeded("b4", 4, 0.5, finished=False)]
    words = (
        "sampler.name=uniform has the lowest mean relative_l2 on the test split: 0.25 [0.2, 0.3] over 3 seeds. "
        "sampler.name=mine has 0.2667 [0.1, 0.4] over 3 seeds. "
        "The ranges overlap, so these seeds do not show which is better."
    )
    assert verdict(compare(runs)) == ("even", words)
    result = upt("compare", *map(str, runs))
    assert result.exit_code == 0, result.output
    table = [line.split() for line in result.output.splitlines()]
    assert ["configuration", "seeds", "relative_l2"] in table
    assert ["sampler.name=mine", "1,", "2,", "3", "0.2667", "[0.1,", "0.4]"] in table
    assert ["sampler.name=uniform", "1,", "2,", "3,", "4", "0.25", "[0.2,", "0.3]"] in table
    assert words in result.output
    page = re.sub("<[^>]*>", "", Path("compare.html").read_text())
    assert "Over seeds: mean [lowest, highest]" in page
    assert "0.2667 [0.1, 0.4]" in page


def test_seeds_can_decide() -> None:
    runs = [seeded("a1", 1, 0.2, "mine"), seeded("a2", 2, 0.3, "mine"), seeded("b1", 1, 0.4), seeded("b2", 2, 0.6)]
    sense, words = verdict(compare(runs))
    assert sense == "better"
    assert words.endswith("Each of these runs is better than each run of sampler.name=uniform.")


@pytest.mark.parametrize(
    ("alone", "sense", "words"),
    [
        (0.7, "better", "over 1 seed. Each of these runs is better than each run of sampler.name=uniform."),
        (0.1, "better", "over 2 seeds. This run is better than each run of sampler.name=mine."),
        (0.35, "even", "over 1 seed. The ranges overlap, so these seeds do not show which is better."),
    ],
)
def test_a_single_run_stands_beside_the_mean_of_several(alone: float, sense: str, words: str) -> None:
    runs = [seeded("a1", 1, 0.2, "mine"), seeded("a2", 2, 0.4, "mine"), seeded("b1", 1, alone)]
    assert verdict(compare(runs))[0] == sense
    assert verdict(compare(runs))[1].endswith(f"{words} A single seed is weak evidence.")


def test_one_configuration_with_several_seeds(upt: Upt) -> None:
    """There is a table, and no verdict over configurations."""
    runs = [seeded("a1", 1, 0.25), seeded("a2", 2, 0.5)]
    output = upt("compare", *map(str, runs)).output
    assert ["all", "runs", "1,", "2", "0.1875", "[0.125,", "0.25]"] in [line.split() for line in output.splitlines()]
    assert verdict(compare(runs))[1].startswith("a1 has the lowest relative_l2")


def test_runs_that_share_a_seed_are_not_put_together(upt: Upt) -> None:
    runs = [seeded("a1", 1, 0.2), seeded("a2", 1, 0.3), seeded("a3", 2, 0.4)]
    assert "over seeds" not in upt("compare", *map(str, runs)).output


LONG = "a-long-name-of-a-study-with-everything"


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["burgers-20261127-0102", "burgers-20261127-0304"], ["burgers-20261127-0102", "burgers-20261127-0304"]),
        ([f"{LONG}-seed-1-2026", f"{LONG}-seed-2-2026", f"{LONG}-sobol-2026"], ["…seed-1…", "…seed-2…", "…sobol…"]),
        ([f"{LONG}-1", f"{LONG}-2"], ["…everything-1", "…everything-2"]),
        ([f"one-of-{LONG}", f"two-of-{LONG}"], ["one…", "two…"]),
        ([LONG, f"{LONG}-2"], ["…everything", "…everything-2"]),
        ([LONG.replace("-", ""), LONG], [LONG.replace("-", ""), LONG]),
        ([f"ü {LONG} #1", f"ü {LONG} #2"], ["…#1", "…#2"]),
    ],
)
def test_long_names_are_shortened_by_what_all_share(names: list[str], short: list[str]) -> None:
    assert short_names(names) == short


def test_long_names_fit_into_headline_legend_and_tables() -> None:
    folders = [Path(f"{LONG.replace('-', '_')}-seed-{seed}-20261127") for seed in (1, 2)]
    for folder, error in zip(folders, (0.1, 0.2), strict=True):
        write_run(str(folder), [error])
    found = compare(folders)
    assert found.names == ["…seed-1…", "…seed-2…"]
    page = write_page(found, Path("page.html")).read_text(encoding="utf-8")
    assert "…seed-1… has the lowest" in page
    assert "<wbr>" in page
    output = CliRunner().invoke(main, ["compare", *map(str, folders), "--page", "p.html", "--plot", "p.png"]).output
    assert f"…seed-1…   {folders[0]}   finished" in output
