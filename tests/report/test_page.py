"""What the page says in words and shows beside the pictures: verdict, remarks, numbers, film, where samplers looked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core.report import losses, predictions, weights
from upt_core.report.facts import numbers, sentence
from upt_core.report.film import film
from upt_core.report.load import load
from upt_core.report.page import write_page
from upt_core.report.remarks import remarks
from upt_core.report.sampling import caption, draw, error_in_bins
from upt_core.report.so_far import ended
from upt_core.report.style import LIGHT, figure, log_axis, of_series
from upt_core.report.text import breakable, unbroken
from upt_core.report.verdict import verdicts

from .conftest import RunMaker


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


def test_numbers_have_groups_of_three(make_run: RunMaker) -> None:
    folder = make_run()
    parameters = {"encoder": 208, "approximator": 1211280, "decoder": 102}
    found = {"parameters": parameters, "train_samples": 4080, "steps_per_epoch": 128}
    (folder / "description.json").write_text(json.dumps(found))
    page = write_page(load(folder)).read_text()
    assert "approximator 1,211,280, decoder 102" in page
    assert "4,080 samples, 128 steps" in page


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
    assert "is worse than a baseline without training" in found
    assert "The best relative_l2 is the last one" in found
    assert "are worth only 10 % as many equally weighted points" in found


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
    assert "<li>step 3 is skipped: &lt;NaN&gt;</li></ul><p>2 earlier warnings are in remarks.jsonl.</p>" in page
    assert "torn" not in page


def test_where_the_time_went(make_run: RunMaker) -> None:
    folder = make_run()
    path, rest = folder / "metrics.jsonl", "start, validation, measurements, saving and plots 0 s"
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("89 % of 43,560", "89_% of 43,560"),
        ("45 s, 3 min, 2.5 h, 12 MiB", "45_s, 3_min, 2.5_h, 12_MiB"),
        ("a grid of 64 × 64 × 8 points", "a grid of 64_×_64_×_8 points"),
        ("26 steps, 7 samples", "26 steps, 7 samples"),
    ],
)
def test_a_number_stays_with_its_unit(text: str, shown: str) -> None:
    assert unbroken(text) == shown.replace("_", "\N{NO-BREAK SPACE}")


def test_only_long_words_get_places_to_break() -> None:
    assert breakable("a_b/c=d inverse_encoding") == "a_b/c=d inverse_encoding"
    assert (
        breakable("trainer.budget.seconds=45/a_long_path")
        == "trainer.budget.seconds=<wbr>45/<wbr>a_<wbr>long_<wbr>path"
    )


def test_a_run_that_a_budget_ended_says_so(make_run: RunMaker) -> None:
    run = load(make_run(epochs=9, done=4))
    assert ended(run) == "Finished after 4 of 9 epochs and 16 s of training"
    run.config["trainer"]["budget"] = {"seconds": 15.0}
    assert ended(run) == "Finished after 4 of 9 epochs and 16 s of training; the budget of 15 s is spent"


def test_the_sentence_names_the_file_of_the_data(make_run: RunMaker) -> None:
    folder = make_run()
    (folder / "description.json").write_text(json.dumps({"parameters": {"encoder": 208, "decoder": 1000}}))
    run = load(folder)
    run.config["data"] = {"name": "npz", "path": "/far/away/flow.npz"}
    run.config["losses"] = {"forward": {}, "inverse_encoding": {}}
    assert sentence(run) == (
        "1,208 parameters (encoder–approximator–decoder); data set npz (flow.npz); losses forward + inverse_encoding."
    )


def test_many_metrics_stand_below_each_other(make_run: RunMaker) -> None:
    figures = {"relative_l2": 0.01, "rmse": 0.02, "max_error": 0.5}
    folder = with_results(make_run(), model=figures, persistence=dict.fromkeys(figures, 1.0))
    page = write_page(load(folder)).read_text()
    assert "<th class=ahead>model</th><th class=beside>persistence</th>" in page
    assert "<tr><th scope=row>max_error</th><td class=ahead>0.5</td><td class=beside>1</td></tr>" in page


def test_no_line_is_told_from_another_by_its_colour_alone(make_run: RunMaker) -> None:
    run = load(make_run())
    for draw_it in (losses.draw, weights.draw):
        with LIGHT.applied():
            figure = draw_it(run, LIGHT)
        assert figure is not None
        lines = [line for line in figure.axes[0].get_lines() if not str(line.get_label()).startswith("_")]
        assert len(lines) >= 3
        assert len({(line.get_linestyle(), line.get_linewidth(), line.get_marker()) for line in lines}) == len(lines)
    hatches = [bar.patches[0].get_hatch() for bar in figure.axes[-1].containers]
    assert len(set(hatches)) == 3


def test_lines_of_a_series_repeat_late() -> None:
    looks = {(look["color"], str(look["linestyle"])) for look in map(of_series, range(30))}
    assert len(looks) == 30


def test_white_is_named_where_it_is_0(make_run: RunMaker) -> None:
    assert "white is 0" in predictions.caption(load(make_run("signed", grid=(8, 8))))
    assert "white is 0" in predictions.caption(load(make_run("over_time", times=3)))
    assert "white is 0" not in predictions.caption(load(make_run("line")))
    assert "white is 0" not in predictions.caption(load(make_run("lengths", grid=(8, 8), names=("u[0]", "u[1]"))))


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (("good",), "The only sample of the test split"),
        (("good", "worst"), "A good and the worst sample"),
        (("good", "median", "worst"), "A good, a median and the worst sample of the test split, by relative L2 error"),
    ],
)
def test_few_samples_are_named_as_what_they_are(make_run: RunMaker, roles: tuple[str, ...], words: str) -> None:
    run = load(make_run())
    assert run.examples is not None
    few = replace(run.examples, roles=roles, errors=[0.1] * len(roles), target=run.examples.target[: len(roles)])
    assert predictions.caption(replace(run, examples=few)).startswith(words)
    assert few.place(0) == ("sample (0.1)" if len(roles) == 1 else "good (0.1)")


def test_a_logarithmic_axis_writes_its_numbers_out() -> None:
    axes = [figure(4, 3).subplots() for _ in range(3)]
    for ax, (low, high) in zip(axes, ((0.2, 0.8), (0.003, 0.8), (1e-9, 1)), strict=True):
        ax.set_ylim(low, high)
        log_axis(ax)
    written = [
        [label.get_text() for minor in (True, False) for label in ax.get_yticklabels(minor=minor) if label.get_text()]
        for ax in axes
    ]
    assert "0.3" in written[0]
    assert "0.03" in written[1]
    assert "0.02" not in written[1]
    assert all("mathdefault" in text for text in written[2])
