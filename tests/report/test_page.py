"""What the page says in words and shows beside the pictures: verdict, remarks, numbers, film, where samplers looked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import report
from upt_core.report.facts import numbers
from upt_core.report.film import film
from upt_core.report.load import load
from upt_core.report.page import write_page
from upt_core.report.remarks import remarks
from upt_core.report.sampling import caption, draw, error_in_bins
from upt_core.report.style import LIGHT
from upt_core.report.verdict import verdicts

from .conftest import RunMaker

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def with_results(folder: Path, **predictors: dict[str, float]) -> Path:
    (folder / "results.json").write_text(json.dumps({"split": "test", "predictors": predictors}))
    return folder


@pytest.mark.parametrize(
    ("model", "still", "sense", "words"),
    [
        (
            0.01,
            0.08,
            "better",
            r"Better than persistence \(the input, unchanged\): .* 0.01 against 0.08 .* 8.0 times sma",
        ),
        (0.2, 0.1, "worse", r"Worse than persistence .*, 2.0 times larger"),
        (0.1, 0.101, "even", r"No better than persistence"),
        (0.0, 0.1, "unknown", r"relative_l2 0 against 0.1"),
    ],
)
def test_the_verdict(make_run: RunMaker, model: float, still: float, sense: str, words: str) -> None:
    folder = with_results(make_run(), model={"relative_l2": model}, persistence={"relative_l2": still})
    [found] = verdicts(load(folder))
    assert found.sense == sense
    assert re.search(words, found.words)


@pytest.mark.parametrize(("model", "stands_out"), [(0.01, True), (0.2, False), (0.1, False)])
def test_the_model_stands_out_only_where_it_is_ahead(make_run: RunMaker, model: float, stands_out: bool) -> None:
    folder = with_results(make_run(), model={"relative_l2": model}, persistence={"relative_l2": 0.1})
    page = write_page(load(folder)).read_text()
    assert ("<tr class=ahead><th scope=row>model</th>" in page) == stands_out
    assert "<tr class=beside><th scope=row>persistence</th>" in page


def test_no_line_breaks_inside_a_number(make_run: RunMaker) -> None:
    folder = make_run()
    parameters = {"encoder": 208, "approximator": 1211280, "decoder": 102}
    found = {"parameters": parameters, "train_samples": 4080, "steps_per_epoch": 128}
    (folder / "description.json").write_text(json.dumps(found))
    page = write_page(load(folder)).read_text()
    assert "approximator 1\N{NO-BREAK SPACE}211\N{NO-BREAK SPACE}280, decoder 102" in page
    assert "4\N{NO-BREAK SPACE}080 samples, 128 steps" in page


def test_where_more_is_better_the_verdict_turns(make_run: RunMaker) -> None:
    folder = with_results(make_run(), model={"relative_l2": 0.9}, persistence={"relative_l2": 0.3})
    (folder / "description.json").write_text(json.dumps({"lower_is_better": False}))
    [found] = verdicts(load(folder))
    assert (found.sense, "3.0 times larger" in found.words) == ("better", True)


def test_without_results_or_baseline_nothing_is_claimed(make_run: RunMaker) -> None:
    [going] = verdicts(load(make_run(finished=False)))
    assert (going.sense, "not finished" in going.words) == ("unknown", True)
    [alone] = verdicts(load(with_results(make_run("alone"), model={"relative_l2": 0.1})))
    assert "no baseline to compare with" in alone.words


def test_remarks_name_what_is_out_of_the_ordinary(make_run: RunMaker) -> None:
    folder = with_results(make_run(), model={"relative_l2": 0.2}, persistence={"relative_l2": 0.1})
    write_sampling(folder, shares=[1.0, 0.1])
    found = " ".join(remarks(load(folder)))
    assert "loses to a baseline that learned nothing" in found
    assert "The best relative_l2 came last" in found
    assert "count like 10 % of as many equal ones" in found


def test_a_validation_that_rises_is_remarked(make_run: RunMaker) -> None:
    folder = make_run()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        if line["kind"] == "validation" and line["epoch"] > 2:
            line["relative_l2"] = 3.0
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "after epoch 2 to 3 at the end" in " ".join(remarks(load(folder)))


def write_sampling(folder: Path, shares: list[float], shape: tuple[int, ...] = (16,)) -> None:
    arrays: dict[str, Any] = {}
    for number, share in enumerate(shares):
        one = {"task": "", "stream": "sampler", "epoch": number + 1, "count": 64, "effective_share": share}
        arrays |= {f"{number:04d}/{name}": np.array(value) for name, value in one.items()}
        arrays[f"{number:04d}/density"] = np.random.default_rng(number).random(shape)
    np.savez_compressed(folder / "sampling.npz", **arrays)


@pytest.mark.parametrize("shape", [(16,), (8, 8)])
def test_where_the_sampler_looked(make_run: RunMaker, shape: tuple[int, ...]) -> None:
    folder = make_run(grid=shape)
    assert draw(load(folder), LIGHT) is None
    write_sampling(folder, [1.0, 0.5, 0.4, 0.3], shape)
    with LIGHT.applied():
        figure = draw(load(folder), LIGHT)
    assert figure is not None
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles == ["epoch 1", "epoch 3", "epoch 4", "error at the end", "effective share"]


def test_the_error_beside_is_where_the_error_is(make_run: RunMaker) -> None:
    """Scattered points of different number, an error in one quarter alone, fields of very different size."""
    folder = make_run(grid=(1, 1), points=400, shared=False, names=("u", "p"))
    arrays = dict(np.load(folder / "examples.npz"))
    arrays["target"][:] = [1.0, 1000.0]
    quarter = (arrays["coords"] < 0.5).all(-1)
    arrays["prediction"] = arrays["target"] * (1 + 0.1 * quarter[:, None, :, None])
    arrays["prediction"][1, :, 200:] = 1e6  # padding
    np.savez(folder / "examples.npz", **arrays)
    examples = load(folder).examples
    assert examples is not None
    np.testing.assert_allclose(error_in_bins(examples, (2, 2)), [[0.1, 0], [0, 0]], atol=1e-12)
    assert np.isnan(error_in_bins(examples, (64, 64))).any(), "bins without a point"


def test_before_the_first_examples_no_error_is_drawn(make_run: RunMaker) -> None:
    folder = make_run(finished=False)
    write_sampling(folder, [1.0])
    with LIGHT.applied():
        figure = draw(load(folder), LIGHT)
    assert figure is not None
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["epoch 1", "effective share"]
    assert "Error:" not in caption(load(folder))


def test_warnings_of_the_run_are_on_its_page(make_run: RunMaker) -> None:
    folder = make_run()
    assert "Warnings during the run" not in write_page(load(folder)).read_text()
    said = ["old", "old", *(f"number {k}" for k in range(20)), "step 3 is skipped: <NaN>"]
    text = "".join(json.dumps(line) + "\n" for line in said)
    (folder / "remarks.jsonl").write_text(text + '"torn')
    page = write_page(load(folder)).read_text()
    assert "<h2>Warnings during the run</h2>" in page
    assert "<li>step 3 is skipped: &lt;NaN&gt;</li></ul><p>2 earlier ones are in remarks.jsonl.</p>" in page
    assert "torn" not in page


def test_where_the_time_went(make_run: RunMaker) -> None:
    folder = make_run()
    path, rest = folder / "metrics.jsonl", "start, validation, measurements, saving and pictures 0 s"
    assert numbers(load(folder))["time"] == f"steps 24 s; {rest}"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line |= {"seconds_waiting": 1.0} if line["kind"] == "epoch" and line["epoch"] > 2 else {}
        line["time"] += 6
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    expected = f"steps 24 s, of which waiting for data 4 s; {rest.replace('0 s', '6 s')}"
    assert numbers(load(folder))["time"] == expected


@pytest.mark.parametrize(
    "parts", [{"grid": (64,)}, {"grid": (8, 8)}, {"grid": (6, 6, 6)}, {"grid": (1, 1), "points": 90, "shared": False}]
)
def test_the_film_has_every_time_step(make_run: RunMaker, parts: dict[str, Any]) -> None:
    examples = load(make_run(times=5, **parts)).examples
    content = json.loads(film(examples).partition('<script type="application/json">')[2].partition("</script>")[0])
    assert content["times"] == [1, 2, 3, 4, 5]
    assert len(content["shots"]) == 4
    for shot in content["shots"]:
        assert len(shot["frames"]) == 5
        assert len({frame["truth"] for frame in shot["frames"]}) == 5
        assert set(shot["frames"][0]) == {"truth", "prediction", "error"}


def test_one_time_step_is_no_film(make_run: RunMaker) -> None:
    assert film(load(make_run(times=1)).examples) == ""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)")
def test_a_browser_shows_the_film_without_errors(make_run: RunMaker, tmp_path: Path) -> None:
    """In a window of 400 pixels nothing is wider than the window, and the script has run."""
    page = report.write(make_run(times=3))
    probe = "<script>document.title = document.documentElement.scrollWidth + ' ' + innerWidth</script></body>"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--virtual-time-budget=2000"]
    options += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [str(CHROMIUM), *options, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )
    assert "CONSOLE" not in done.stderr
    width, window = map(int, re.findall(r"<title>(\d+) (\d+)</title>", done.stdout)[0])
    assert width <= window
    assert re.search(r'<path class="prediction" data-name="prediction" d="M[\d.]+', done.stdout)
    assert "<output>3</output>" in done.stdout
