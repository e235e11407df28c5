"""The table in docs/life-of-a-model.md: what a prediction, an evaluation and a resume do after each change of the data.

What is expected is read from the table itself, so that the page cannot say something else than what is tested.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upt_core import CheckpointError, DataError, load
from upt_core.operator.cases import Request
from upt_core.run.evaluate import evaluate_run
from upt_core.run.experiment import load_run
from upt_core.run.inputs import of_file, of_own_data
from upt_data.npz import Npz

from .conftest import Array, waves, write

PAGE = Path(__file__).parents[2] / "docs" / "life-of-a-model.md"
TRAIN = Path("train.npz")
Change = Callable[[], None]


def table() -> dict[str, dict[str, str]]:
    """What the page says: row → column → cell."""
    rows = re.findall(r"^\| (.*?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    start = next(number for number, row in enumerate(cells) if row[0] == "the data file")
    names, found = cells[start], {}
    for row in cells[start + 1 :]:
        if len(row) != len(names):
            break
        found[row[0]] = dict(zip(names[1:], row[1:], strict=True))
    return found


def test_places() -> dict[int, list[int]]:
    """For a file of so many trajectories the numbers of its test split; found by what the splits hold."""
    found = {}
    for num in (8, 20):
        write(Path("numbers.npz"), np.ones((num, 6, 32)) * np.arange(1, num + 1)[:, None, None])
        split = Npz(path=Path("numbers.npz")).trajectories("test")
        found[num] = [int(split.read(i, 0, 1).fields["u"][0, 0, 0]) - 1 for i in range(len(split))]
    return found


test_places.__test__ = False  # type: ignore[attr-defined]  # it makes something for tests


def of(num: int, unseen: bool) -> Array:
    """So many trajectories, those of training first; in the test split those that training never saw, or did."""
    train, test = (read_all(split) for split in ("train", "test"))
    new = np.concatenate([test, waves(9, trajectories=num)])
    seen_first = np.concatenate([train, new])[:num]
    places = test_places()[num]
    for place, one in zip(places, new if unseen else train, strict=False):
        seen_first[place] = one
    return seen_first


def read_all(split: Any) -> Array:
    trajectories = Npz(path=TRAIN).trajectories(split)
    return np.stack([trajectories.read(i, 0, 6).fields["u"][..., 0].numpy() for i in range(len(trajectories))])


@dataclass(frozen=True)
class Case:
    """A change of ``train.npz``, and what messages say of it.

    Args:
        predict: the remark of a prediction, or why it is refused.
        evaluate: what is said of the difference, or why it is refused.
        resume: why it is refused.
    """

    change: Change
    predict: str
    evaluate: str
    resume: str


def remains(number: int, of_them: str) -> str:
    return rf"'train' has {number} trajectories, {of_them} of them among the 8 of the run"


SEEN = r"1 of the 1 trajectories of the split 'test' are training trajectories; evaluate on data that the operator"
CASES = {
    "has more trajectories, and those of the split are new": Case(
        lambda: write_now(of(20, unseen=True)), "", remains(16, r"[1-8]"), remains(16, r"[1-8]")
    ),
    "has more trajectories, and the split has some that were trained on": Case(
        lambda: write_now(of(20, unseen=False)), "", r"of the 2 trajectories of the split 'test' are", remains(16, ".")
    ),
    "has fewer trajectories, and those of the split are new": Case(
        lambda: write_now(of(8, unseen=True)), "", remains(6, "[1-6]"), remains(6, "[1-6]")
    ),
    "has fewer trajectories, and the split has some that were trained on": Case(
        lambda: write_now(of(8, unseen=False)), "", SEEN, remains(6, ".")
    ),
    "values × 10": Case(
        lambda: write_now(waves(0, scale=10.0)), r"u goes from .* training saw", remains(8, "0"), remains(8, "0")
    ),
    "another grid": Case(
        lambda: write_now(waves(0, points=64)),
        "the input has 64 points; training saw 32",
        remains(8, "0"),
        remains(8, "0"),
    ),
    "another grid, which the encoder cannot take": Case(
        lambda: write_now(waves(0, points=30)),
        "GridEncoder cannot take this input: .*30",
        "GridEncoder cannot take these data: .*30",
        remains(8, "0"),
    ),
    "is missing": Case(TRAIN.unlink, "train.npz", "train.npz", "train.npz"),
}


def coords_of(u: Array) -> Array:
    """Where the points of the file are."""
    return np.arange(u.shape[-1]) / u.shape[-1]


def write_now(u: Array) -> None:
    write(TRAIN, u)


def test_the_page_and_the_cases_have_the_same_rows() -> None:
    assert list(table()) == list(CASES)
    assert all(set(row) == {"predict", "evaluate", "resume"} for row in table().values())


@pytest.mark.parametrize("name", CASES)
def test_predict(run: Path, name: str) -> None:
    case, said = CASES[name], table()[name]["predict"]
    operator, asked = load(run), waves(3)[0, 0]
    before = operator.predict(asked, steps=5)["u"]
    case.change()
    np.testing.assert_array_equal(load(run).predict(asked, steps=5)["u"], before, "the operator is in its file")
    if name == "is missing":
        assert said == "right for other inputs; its own data are refused"
        with pytest.raises(DataError, match=case.predict):
            list(of_own_data(operator, "test", [], Request()))
        return
    if said == "refused":
        with pytest.raises(DataError, match=f"^trajector.*{case.predict}"):
            list(of_file(operator, TRAIN, [], Request()))
        return
    (answers,) = of_file(operator, TRAIN, [], Request(batch_size=64))
    with np.load(TRAIN) as file:
        u = file["u"]
    for number in range(len(u)):
        alone = operator.predict(u[number, 0], coords_of(u), steps=5)["u"]
        np.testing.assert_allclose(answers.fields["u"][number], alone, rtol=1e-5, atol=1e-5 * abs(u).max())
    assert said == ("right, with a remark" if case.predict else "right")
    assert re.search(case.predict, " ".join(answers.remarks))
    assert bool(answers.remarks) == bool(case.predict)


@pytest.mark.parametrize("name", CASES)
def test_evaluate(run: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    case, said = CASES[name], table()[name]["evaluate"]
    case.change()
    capfd.readouterr()
    if said == "refused":
        with pytest.raises(DataError, match=case.evaluate):
            evaluate_run(run)
        return
    assert said == "right, with the statistics of training; the difference is reported"
    figures = evaluate_run(run)["model"]
    assert re.search(f"remark: the data are not those of the run: .*{case.evaluate}", capfd.readouterr().err)
    operator, errors, sizes = load(run), [], []
    for u in read_all("test"):
        for step in range(5):
            errors.append(np.sqrt(np.mean((operator.predict(u[step], coords_of(u))["u"][0] - u[step + 1]) ** 2)))
            sizes.append(np.sqrt(np.mean(u[step + 1] ** 2)))
    assert figures["rmse"] == pytest.approx(np.mean(errors), rel=1e-6)
    assert figures["relative_l2"] == pytest.approx(np.mean(np.divide(errors, sizes)), rel=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_resume(run: Path, name: str) -> None:
    case = CASES[name]
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    case.change()
    assert table()[name]["resume"] == "refused"
    with pytest.raises((CheckpointError, DataError), match=case.resume) as caught:
        load_run(run, ["trainer.epochs=3"]).train(run, resume=True)
    if name != "is missing":
        assert "restore them, or start a new run on these" in str(caught.value)
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert after == before, "a refused resume leaves the run as it was"
