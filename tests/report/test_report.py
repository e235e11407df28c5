"""The report of runs of every shape, whole and partial."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from upt_core import UserError, report
from upt_core.report.load import load

from .conftest import RunMaker

PLOTS = ("predictions", "error_map", "spectra", "validation", "losses", "weights")


def picture_is_drawn(path: Path) -> bool:
    """Whether a picture has more than a few colours on a page of some size."""
    pixels = matplotlib.image.imread(path)
    return bool(pixels.shape[0] > 200 and pixels.shape[1] > 400 and pixels[..., :3].std() > 0.03)


def test_a_whole_run(make_run: RunMaker) -> None:
    folder = make_run()
    page = report.write(folder)
    assert page == folder / "index.html"
    for name in PLOTS:
        for look in ("", "-dark", "-narrow", "-narrow-dark"):
            assert picture_is_drawn(folder / "plots" / f"{name}{look}.png"), name + look
    text = page.read_text()
    assert "Finished after 6 of 6 epochs and 24\N{NO-BREAK SPACE}s of training" in text
    for number in ("0.01234", "0.005", "0.09876", "0.04"):
        assert f"<td>{number}</td>" in text
    assert text.count("data:image/png;base64,") == 4 * len(PLOTS)
    assert "0123456789ab (main), with changes that are not committed" in text
    assert "name: burgers1d" in text
    assert "http" not in text.replace("http-equiv", ""), "the page needs nothing from elsewhere"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("rollout", {"times": 5}),
        ("grid", {"grid": (16, 16), "names": ("u[0]", "u[1]"), "times": 2}),
        ("long", {"grid": (32, 2)}),
        ("volume", {"grid": (6, 6, 6)}),
        ("scattered", {"grid": (1, 1), "points": 150}),
        ("ragged", {"grid": (1, 1), "points": 150, "shared": False, "times": 3}),
        ("ragged_line", {"grid": (1,), "points": 50, "shared": False}),
        ("cloud", {"grid": (1, 1, 1), "points": 400}),
    ],
)
def test_predictions_of_every_shape(make_run: RunMaker, name: str, parts: dict[str, Any]) -> None:
    folder = make_run(name, **parts)
    (folder / "metrics.jsonl").unlink()
    report.write(folder)
    for plot in ("predictions", "error_map"):
        assert picture_is_drawn(folder / "plots" / f"{plot}.png"), plot
    assert not (folder / "plots" / "losses.png").exists()


def test_a_run_that_goes_on(make_run: RunMaker) -> None:
    folder = make_run(epochs=50, done=3, finished=False)
    text = report.write(folder).read_text()
    assert "Not finished: 3 of 50 epochs so far" in text
    assert "Validation split, last validation" in text
    assert "Example predictions" not in text
    assert not (folder / "plots" / "predictions.png").exists()
    assert "baselines" not in text


def test_a_run_that_has_just_begun(make_run: RunMaker) -> None:
    folder = make_run(finished=False)
    for name in ("metrics.jsonl", "environment.json"):
        (folder / name).unlink()
    text = report.write(folder).read_text()
    assert "No validation has taken place yet." in text
    assert "Not recorded." in text
    assert "<img" not in text


def test_names_are_escaped(make_run: RunMaker) -> None:
    folder = make_run("<b>run", finished=False, done=1)
    (folder / "metrics.jsonl").unlink()
    assert "<b>" not in report.write(folder).read_text()


def test_no_torch_is_imported(make_run: RunMaker) -> None:
    folder = make_run(finished=False, done=1)
    script = (
        "import sys, pathlib; from upt_core import report; "
        "report.write(pathlib.Path(sys.argv[1])); print('torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, folder], capture_output=True, check=True)
    assert done.stdout == b"False False\n"
    assert done.stderr == b""


def test_a_last_line_that_was_cut_short_is_left_out(make_run: RunMaker) -> None:
    folder = make_run()
    whole = load(folder).lines
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(text[:-30])
    assert load(folder).lines == whole[:-1]


def test_steps_that_were_trained_again_count_once(make_run: RunMaker) -> None:
    """A run that was killed in its fourth epoch goes on from the end of the third."""
    folder = make_run()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    cut = next(i for i, line in enumerate(lines) if line["epoch"] == 4)
    again = [{**line, "time": line["time"] - 12.0} for line in lines[cut:]]
    lost = [{**line, "loss/forward": 99.0} for line in lines[cut : cut + 1]]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:cut] + lost + again))
    run = load(folder)
    assert run.lines == lines[:cut] + again
    assert run.seconds == pytest.approx(24.0)


def test_damaged_files_are_named(make_run: RunMaker) -> None:
    folder = make_run()
    (folder / "examples.npz").write_bytes((folder / "examples.npz").read_bytes()[:100])
    with pytest.raises(
        UserError, match=r"examples.npz: cannot be read: .*; remove the file to write the report without"
    ):
        report.write(folder)
    (folder / "results.json").write_text("{")
    with pytest.raises(
        UserError, match=r"results.json: not valid JSON: .*; remove the file to write the report without"
    ):
        report.write(folder)
    text = (folder / "metrics.jsonl").read_text()
    (folder / "results.json").unlink()
    (folder / "examples.npz").unlink()
    (folder / "metrics.jsonl").write_text("{\n" + text)
    report.write(folder)  # torn lines are left out


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"this is not the folder of a run; it has no config.yaml"):
        report.write(tmp_path)
