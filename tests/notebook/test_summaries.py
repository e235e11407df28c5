"""What a notebook shows of an operator and of a run: well-formed HTML without scripts, and a line for print."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import CheckpointError, Experiment, Operator, Run, html, load

EVIL = "<script>alert(1)</script>&\"'"
CONFIG: dict[str, Any] = {
    "data": {"name": "npz", "path": "train.npz", "inputs": [EVIL], "periodic": True},
    "model": {
        "latent": {"tokens": 4, "dim": 16},
        "encoder": {"name": "grid", "patch": 4, "depth": 1},
        "approximator": {"name": "transformer", "depth": 1},
        "decoder": {"name": "perceiver", "depth": 1},
    },
    "losses": {"forward": {"name": "forward"}},
    "trainer": {"epochs": 1, "batch_size": 16, "device": "cpu", "optimizer": {"name": "adamw", "lr": 1e-3}},
    "validation": {"metrics": {"relative_l2": {"name": "relative_l2"}, "rmse": {"name": "rmse"}}},
}


class Reader(HTMLParser):
    """The texts of a page, and its tags; every tag that opens must close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Of a field whose name, and of a folder whose name, would be a script."""
    rng, file = np.random.default_rng(0), folder / "train.npz"
    np.savez(file, **{EVIL: rng.standard_normal((10, 4, 16)), "t": np.arange(4) * 0.1, "x": np.arange(16) / 16})
    config = {**CONFIG, "data": {**CONFIG["data"], "path": str(file)}}
    return Experiment.from_dict(config, "waves").train(folder / "<b>run")


@pytest.fixture(scope="module")
def operator(run: Run) -> Operator:
    return run.operator()


def test_an_operator_shows_what_upt_info_says(operator: Operator) -> None:
    page = Reader(operator._repr_html_())
    text = " ".join(page.texts)
    for said in (
        "Operator of the run waves",
        "at later time steps",
        " periodic",
        "a grid of 16 in training",
        "4 tokens of width 16",
        "transformer, ",
        "8 train, 1 valid trajectories",
        "persistence",
        "origin, versions and scales",
        "upt-core",
        "deviation",
    ):
        assert said in text, said
    assert f"{operator.provenance['test']['model']['relative_l2']:.4g}" in text


def test_no_script_no_colour_and_every_name_escaped(run: Run, operator: Operator) -> None:
    for shown in (operator._repr_html_(), run._repr_html_()):
        page = Reader(shown)
        allowed = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
        assert page.tags <= allowed
        assert page.attributes <= {"style", "scope"}
        assert not re.search(r"(?:^|[;\"])\s*(?:color|background-color)\s*:|#[0-9a-f]{3,6}\b|url\(", shown)
    assert any(EVIL in text for text in Reader(operator._repr_html_()).texts)
    assert "<script" not in operator._repr_html_()
    assert "&lt;b&gt;run" in run._repr_html_()


def test_print_gives_a_line(run: Run, operator: Operator) -> None:
    assert "\n" not in repr(operator) + repr(run)
    size = sum(weight.numel() for weight in operator.model.parameters())
    parts = "encoder grid, approximator transformer, decoder perceiver"
    shown = f"{size:,}"
    assert repr(operator) == f"Operator({EVIL} → {EVIL}; {parts}; {shown} parameters on cpu)"
    errors = ", ".join(f"{name} {value:.4g}" for name, value in run["model"].items())
    assert repr(run) == f"Run({str(run.folder)!r}: {errors} on the test split)"


def test_an_operator_that_was_never_tested_shows_no_figures(operator: Operator, folder: Path) -> None:
    fresh = load(operator.save(folder / "operator.upt"))
    del fresh.provenance["test"], fresh.provenance["name"]
    text = " ".join(Reader(fresh._repr_html_()).texts)
    assert "persistence" not in text
    assert "Operator of" not in text


def test_a_run_is_its_results_and_is_found_again(run: Run) -> None:
    written = json.loads((run.folder / "results.json").read_text())["predictors"]
    assert run == written == run.results
    assert list(run) == ["model", "persistence"]
    again = Run.read(str(run.folder))
    assert (again, again.folder) == (run, run.folder)
    assert again._repr_html_() == run._repr_html_()


def test_a_run_says_its_verdict_first_and_its_best_epoch(run: Run) -> None:
    texts = Reader(run._repr_html_()).texts
    assert texts[0] == "Run <b>run"
    assert re.match(r"(Better|Worse|No better) than persistence \(the input, unchanged\)", texts[1])
    assert any(re.fullmatch(r"1 \(relative_l2 \S+, validation split\)", text) for text in texts)


def test_a_run_whose_folder_is_elsewhere_shows_its_figures(run: Run) -> None:
    text = " ".join(Reader(Run(Path("elsewhere"), run.results)._repr_html_()).texts)
    assert f"{run['model']['relative_l2']:.4g}" in text
    assert "best epoch" not in text


def test_folders_that_hold_no_finished_run(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"this is not the folder of a run; it has no config\.yaml"):
        Run.read(tmp_path)
    (tmp_path / "config.yaml").write_text((run.folder / "config.yaml").read_text())
    with pytest.raises(CheckpointError, match=r"this run is not finished; continue with .*upt train --resume"):
        Run.read(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"results\.json: this file is damaged: .*; train again, or use another"):
        Run.read(tmp_path)


@pytest.mark.parametrize(("share", "width"), [(-1.0, "0.0%"), (0.25, "25.0%"), (2.0, "100.0%")])
def test_a_bar_stays_within_its_frame(share: float, width: str) -> None:
    shown = html.bar(share, EVIL)
    assert f"width:{width};height" in shown
    assert Reader(shown).tags == {"div"}
