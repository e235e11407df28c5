"""The pages as a person meets them: narrow and wide, light and dark, by keyboard alone, without a console message."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from tests.browser import Browser, Colours, needs_chromium, opened
from upt_core import report
from upt_core.report.compare import compare, write_page
from upt_core.report.live import write_once

from .conftest import write_run

pytestmark = needs_chromium

LOOKS: list[tuple[int, Colours, str]] = [
    (400, "light", "-narrow"),
    (400, "dark", "-narrow-dark"),
    (1200, "light", ""),
    (1200, "dark", "-dark"),
]
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
SHOWN = "[...document.querySelectorAll('picture')].map(p => p.querySelector('img').currentSrc.length)"
LOADED = "[...document.images].filter(i => i.complete && i.naturalWidth > 0).length"
FOCUS = """(() => { const e = document.activeElement, s = getComputedStyle(e);
  return [e.tagName, e.matches(':focus-visible'), s.outlineStyle, s.outlineWidth]; })()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in the plane, with a rollout, a vector, four metrics, long names and a warning."""
    found = write_run(tmp_path_factory.mktemp("runs") / "a-run", grid=(12, 12), times=3, names=("u[0]", "u[1]", "p"))
    metrics = dict.fromkeys(("relative_l2", "rmse", "relative_l2_of_a_field_with_a_long_name", "max_error"), 0.1234)
    results = {"model": metrics, "persistence": {name: 2 * value for name, value in metrics.items()}}
    (found / "results.json").write_text(json.dumps({"split": "test", "predictors": results}))
    data = {"inputs": {"u": 2}, "targets": {"u": 2}, "grid_shape": [12, 12], "extent": [1.0, 1.0], "steady": False}
    data |= {"condition": [], "history": 1, "train_samples": 4080}
    facts = {"parameters": {"encoder": 208, "decoder": 1211280}, "train_samples": 4080, "steps_per_epoch": 128}
    (found / "description.json").write_text(json.dumps({"data": {"": data}, **facts}))
    (found / "config.yaml").write_text(
        (found / "config.yaml").read_text().replace("burgers1d", f"npz\n  path: /data/{'a_very_long_name_' * 6}.npz")
    )
    (found / "remarks.jsonl").write_text(json.dumps("a warning about /a/path/" + "without/any/blank/" * 8) + "\n")
    report.write(found)
    return found


@pytest.fixture(scope="module")
def live(folder: Path) -> Path:
    """The page of a run of which examples and two metrics are known."""
    page = folder.parent / "live.html"
    run = write_run(folder.parent / "going", done=3, epochs=20, finished=False)
    shutil.copy(folder / "examples.npz", run / "latest.npz")
    write_once(run, page)
    return page


def of_the_screen(browser: Browser) -> np.ndarray[Any, Any]:
    """Brightness of what is seen, from 0 to 1."""
    pixels: np.ndarray[Any, Any] = matplotlib.image.imread(io.BytesIO(browser.picture()))
    return pixels[..., :3].mean(axis=-1)


@pytest.mark.parametrize(("width", "colours", "suffix"), LOOKS)
def test_the_report(browser: Browser, folder: Path, width: int, colours: Colours, suffix: str) -> None:
    browser.open((folder / "index.html").as_uri(), width, colours)
    assert browser.complaints == []
    page, window = browser.value(WIDTHS)
    assert window == width
    assert page == width, "nothing is wider than the screen"
    titles = browser.value("[...document.querySelectorAll('h1, h2, summary')].map(e => e.textContent)")
    assert titles == [
        "a-run",
        "Worth noticing",
        "Warnings during the run",
        "Test split, best checkpoint",
        "In numbers",
        "Rollout",
        "Example predictions",
        "Where the error is",
        "Scales",
        "Validation",
        "Loss terms",
        "Weights and gradients",
        "Configuration",
        "Environment",
    ]
    assert browser.value("document.querySelector('section .verdict').textContent").startswith("Better than persistence")
    names = ("predictions", "error_map", "spectra", "validation", "losses", "weights")
    sizes = [len("data:image/png;base64,") + -(-of.stat().st_size // 3) * 4 for of in pictures(folder, names, suffix)]
    assert browser.value(SHOWN) == sizes, "each picture has the look of the page"
    assert browser.value(LOADED) == browser.value("document.images.length") == len(names) + 6
    dark = float(np.median(of_the_screen(browser)))
    assert dark < 0.15 if colours == "dark" else dark > 0.9


def pictures(folder: Path, names: tuple[str, ...], suffix: str) -> list[Path]:
    return [folder / "plots" / f"{name}{suffix}.png" for name in names]


@pytest.mark.parametrize(("width", "colours", "suffix"), LOOKS)
def test_the_live_page(browser: Browser, live: Path, width: int, colours: Colours, suffix: str) -> None:
    browser.open(live.as_uri(), width, colours)
    assert browser.complaints == []
    assert browser.value(WIDTHS) == [width, width]
    assert browser.value(LOADED) == browser.value("document.images.length") > 3
    drawn = browser.value("Math.max(...[...document.images].map(i => i.getBoundingClientRect().right))")
    assert drawn <= width


@pytest.mark.parametrize(("width", "colours", "suffix"), LOOKS)
def test_the_page_of_two_runs(browser: Browser, folder: Path, width: int, colours: Colours, suffix: str) -> None:
    other = folder.parent / "another-run"
    if not other.exists():
        shutil.copytree(folder, other)
    browser.open(write_page(compare([folder, other]), folder.parent / "both.html").as_uri(), width, colours)
    assert browser.complaints == []
    assert browser.value(WIDTHS) == [width, width]
    titles = browser.value("[...document.querySelectorAll('h1, h2, h3')].map(e => e.textContent)")
    assert titles[:3] == ["2 runs side by side", "Test split, best checkpoint", "Validation"]
    assert titles[-3:] == ["Example predictions", "a-run", "another-run"]
    assert browser.value(LOADED) == browser.value("document.images.length") == 3
    of = pictures(folder, ("predictions",), suffix)[0].stat().st_size
    assert browser.value(SHOWN)[1:] == 2 * [len("data:image/png;base64,") + -(-of // 3) * 4]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_all_that_does_something_is_reached_and_worked_by_keys(
    browser: Browser, folder: Path, colours: Colours
) -> None:
    browser.open((folder / "index.html").as_uri(), 400, colours)
    reached = []
    while reached.count("SUMMARY") < 2:
        browser.press("Tab")
        tag, visible, style, thickness = browser.value(FOCUS)
        assert (visible, style) == (True, "solid"), tag
        assert float(thickness.removesuffix("px")) >= 2, tag
        reached.append(tag)
        assert len(reached) < 9
        if tag == "INPUT":
            steps = [moved(browser, key) for key in ("ArrowLeft", "ArrowLeft", "ArrowRight")]
            assert [step for step, _ in steps] == ["2", "1", "2"]
            assert steps[0][1] == steps[2][1] != steps[1][1], "the pictures follow the slider"
            assert browser.value("document.activeElement.getAttribute('aria-valuetext')") == "time step 2"
        if tag == "SUMMARY":
            before = browser.value("document.activeElement.parentElement.open")
            browser.press("Enter")
            assert browser.value("document.activeElement.parentElement.open") != before
    assert [tag for tag in reached if tag != "PRE"] == ["SELECT", "BUTTON", "INPUT", "SUMMARY", "SUMMARY"]


def moved(browser: Browser, key: str) -> tuple[str, str]:
    """The time step that is told, and the picture of the truth, after a key."""
    browser.press(key)
    told, shown = "document.querySelector('output').textContent", "document.querySelector('[data-name=truth]').src"
    return browser.value(told), browser.value(shown)


def test_the_film_plays_and_pauses_by_the_space_bar(browser: Browser, folder: Path) -> None:
    browser.open((folder / "index.html").as_uri(), 400, "light")
    for _ in range(2):
        browser.press("Tab")
    state = "[document.activeElement.textContent, document.activeElement.ariaPressed]"
    assert browser.value(state) == ["Play", "false"]
    browser.press(" ")
    assert browser.value(state) == ["Pause", "true"]
    browser.press(" ")
    assert browser.value(state) == ["Play", "false"]


def test_the_lines_of_a_film_in_one_dimension(browser: Browser, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "line", times=3)
    (folder / "metrics.jsonl").unlink()
    browser.open(report.write(folder).as_uri(), 400, "dark")
    assert browser.complaints == []
    assert browser.value(WIDTHS) == [400, 400]
    assert browser.value("document.querySelector('path.prediction').getAttribute('d')").startswith("M")
    dashes = "['truth', 'prediction'].map(n => getComputedStyle(document.querySelector('path.' + n)).strokeDasharray)"
    assert browser.value(dashes) == ["none", "6px, 4px"]
    assert browser.value("document.querySelector('output').textContent") == "3"
