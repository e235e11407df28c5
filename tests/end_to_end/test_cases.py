"""Small inputs that users had trouble with, kept beside the real data: each is right now, or refused with a cure."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from upt_core.cli import main

READY = "optimizer adamw"


@pytest.fixture(scope="session")
def all_cases(real_data: Path) -> Path:
    """The folder of cases beside that of the real data."""
    folder = real_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip("there is no folder 'cases' beside the real data")
    return folder


@pytest.fixture
def case(all_cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A copy of a case, as the working folder."""
    folder = tmp_path / "case"
    shutil.copytree(all_cases / request.param, folder, ignore=shutil.ignore_patterns("run"))
    monkeypatch.chdir(folder)
    return folder


def told(*arguments: str, code: int = 0) -> str:
    """What a command says; lines that were folded are joined."""
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


CHECKED: list[tuple[str, list[str], str]] = [
    ("complex_field", [], r"'psi' is complex; set complex: channels"),
    ("complex_field", ["data.complex=channels"], ""),
    ("condition_generated", [], ""),
    ("condition_npz", [], ""),
    ("condition_points", [], ""),
    ("curvilinear_grid", [], r"scattered points .*use the encoder 'supernode'"),
    ("curvilinear_grid", ["data.uneven=index"], ""),
    ("generic_hdf5", [], r"none of the layouts of PDEBench.*the data set 'hdf5' reads files with other layouts"),
    ("history_window", ["data.history=2"], ""),
    ("lat_descending", [], ""),
    ("lat_descending", ["data.path=data2.npz"], ""),
    ("many_files", [], ""),
    ("many_files", ["data.path=sims/*.npz"], ""),
    ("moving_mesh", [], r"the points move.*moving: displacement"),
    ("moving_mesh", ["data.moving=displacement"], ""),
    ("one_trajectory", [], r"split_by: time"),
    ("one_trajectory", ["data.split_by=time"], ""),
    ("pdebench_uneven", [], ""),
    ("varying_length", [], ""),
]
"""The case, what is changed, and the message that refuses it; no message: it is ready to train."""
TRAINED = (
    "constant_noise", "large_offset", "patience_message", "predict_new", "resume_other_data", "zero_target_metric",
)  # fmt: skip
"""Cases that have a test of their own below."""


def test_every_case_is_here(all_cases: Path) -> None:
    assert {folder.name for folder in all_cases.iterdir() if folder.is_dir()} == {
        *(row[0] for row in CHECKED),
        *TRAINED,
    }


@pytest.mark.parametrize(("case", "changes", "refused"), CHECKED, indirect=["case"])
def test_ready_or_refused(case: Path, changes: list[str], refused: str) -> None:
    output = told("check", "config.yaml", *changes, code=2 if refused else 0)
    assert re.search(refused or READY, output), output


@pytest.mark.parametrize("case", ["generic_hdf5"], indirect=True)
def test_own_hdf5_is_read_by_its_groups(case: Path) -> None:
    experiment = yaml.safe_load((case / "config.yaml").read_text())
    experiment["data"] = {
        "name": "hdf5",
        "path": "sim.h5",
        "axes": ["x", "x"],
        "group": "train",
        "valid_group": "valid",
    }
    (case / "own.yaml").write_text(yaml.safe_dump(experiment))
    assert "adamw" in told("check", "own.yaml")


def statistics(run: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((run / "normalization.json").read_text())["fields"]
    return found


@pytest.mark.parametrize("case", ["constant_noise"], indirect=True)
def test_rounding_noise_is_no_variation(case: Path) -> None:
    told("train", "config.yaml", "--run-dir", "run", "trainer.epochs=1")
    assert statistics(case / "run")["rho[0]"]["std"] == 1.0


@pytest.mark.parametrize("case", ["large_offset"], indirect=True)
def test_a_small_wave_on_a_large_mean_keeps_its_digits(case: Path) -> None:
    told("train", "config.yaml", "--run-dir", "run", "trainer.epochs=1")
    expected = float(np.load("data.npz")["p"].std())
    assert statistics(case / "run")["p[0]"]["std"] == pytest.approx(expected, rel=0.05)
    assert expected == pytest.approx(0.01414, rel=0.01)


@pytest.mark.parametrize("case", ["patience_message"], indirect=True)
def test_a_run_that_lost_its_patience_says_so(case: Path) -> None:
    changes = ("trainer.epochs=30", "validation.patience=1", "trainer.optimizer.lr=0.1")
    told("train", "config.yaml", "--run-dir", "run", *changes)
    output = told("train", "--resume", "run", "trainer.epochs=50")
    assert re.search(
        r"patience of 1 ended training after epoch \d of 50; raise validation.patience to "
        r"continue",
        output,
    )


@pytest.mark.parametrize("case", ["predict_new"], indirect=True)
def test_a_run_predicts_other_files(case: Path) -> None:
    told("train", "config.yaml", "--run-dir", "run", "trainer.epochs=1")
    told("evaluate", "run", "data.path=new.npz")
    told("predict", "run", "new.npz", "--output", "new_out.npz")
    assert Path("new_out.npz").is_file()


@pytest.mark.parametrize("case", ["resume_other_data"], indirect=True)
def test_other_data_are_no_resume(case: Path) -> None:
    told("train", "config.yaml", "--run-dir", "run", "trainer.epochs=1")
    output = told("train", "--resume", "run", "data.path=big.npz", "trainer.epochs=2", code=2)
    assert "data" in output


@pytest.mark.parametrize("case", ["zero_target_metric"], indirect=True)
def test_a_trajectory_at_rest_does_not_decide(case: Path) -> None:
    metrics = "validation.metrics={relative_l2: relative_l2, nrmse: nrmse}"
    told("train", "config.yaml", "--run-dir", "run", "trainer.epochs=1", metrics, "losses.rel={name: relative_lp}")
    results = json.loads((case / "run" / "results.json").read_text())
    assert max(results["predictors"]["model"].values()) < 100
