"""``upt train``: a whole run, its display, an interrupt and a resume."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from upt_core import Experiment
from upt_core.cli.progress import Bars

from .conftest import Upt


def test_a_run_prints_a_line_an_epoch_and_a_table_beside_the_baseline(upt: Upt) -> None:
    result = upt("train", "tiny.yaml", "--run-dir", "run")
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    lines = result.output.splitlines()
    assert re.fullmatch(r"tiny: 1\d,\d\d\d parameters, 200 samples, cpu; run folder run", lines[0])
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert all(
        part in epochs[0] for part in ("total ", "forward ", "inverse_encoding ", "valid: relative_l2", "(best)")
    )
    assert "samples/s" in epochs[0]
    table = result.output.partition("Test split\n")[2].splitlines()
    assert table[0].split() == ["relative_l2", "rmse"]
    assert [line.split()[0] for line in table[1:3]] == ["model", "persistence"]
    assert "best epoch   " in result.output
    assert "run folder   run" in result.output
    assert f"report       {Path('run/index.html').resolve().as_uri()}" in result.output
    for name in ("config.yaml", "environment.json", "metrics.jsonl", "results.json", "index.html", "plots/losses.png"):
        assert (Path("run") / name).is_file()


def test_a_new_run_gets_a_folder_of_its_own(upt: Upt) -> None:
    assert upt("train", "tiny.yaml", "trainer.epochs=1").exit_code == 0
    assert len(list(Path("runs").glob("tiny-*"))) == 1


def test_resume_goes_on_with_the_runs_own_configuration(upt: Upt, trained: Path) -> None:
    result = upt("train", "--resume", str(trained), "trainer.epochs=2")
    assert result.exit_code == 0
    assert result.output.startswith("run: ")
    assert [line.split()[1] for line in result.output.splitlines() if line.startswith("epoch ")] == ["2/2"]


def test_an_interrupt_says_how_to_go_on_and_a_resume_does(upt: Upt) -> None:
    """The run waits for the signal after its first epoch, so nothing depends on speed."""
    script = "from upt_core.cli import main; main(['train', 'tiny.yaml', '--run-dir', 'run', 'trainer.epochs=10000'])"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch "):
                break
        process.send_signal(signal.SIGINT)
        try:
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "; continue with: upt train --resume run\n" in stderr
    assert stderr.startswith("interrupted at epoch ")
    assert "Traceback" not in stderr
    done = int(stderr.split()[3].rstrip(",")) - 1
    result = upt("train", "--resume", "run", f"trainer.epochs={done + 1}")
    assert result.exit_code == 0
    assert f"epoch {done + 1}/{done + 1}" in result.output


SLOW = """
import sys, time
from upt_core.cli import main
{slow}
main(sys.argv[1:])
"""
IN_TEST = """
from upt_core.run import runner
def write_examples(*arguments, **keywords):
    print("reached", flush=True)
    time.sleep(60)
runner.write_examples = write_examples
"""
IN_REPORT = """
from upt_core import report
def write(folder):
    print("reached", flush=True)
    time.sleep(60)
report.write = write
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(
    ("slow", "message", "finish"),
    [
        (
            IN_TEST,
            "interrupted after training, which is kept; run the test and write the report with: upt train --resume "
            "run\n",
            ("train", "--resume", "run"),
        ),
        (
            IN_REPORT,
            "interrupted while the report was written; results are kept; write the report with: upt report run\n",
            ("report", "run"),
        ),
    ],
    ids=["test", "report"],
)
def test_a_signal_after_training_says_what_is_left_to_do(
    upt: Upt, slow: str, message: str, finish: tuple[str, ...], number: int
) -> None:
    """The process waits at the place, so nothing depends on speed."""
    command = [sys.executable, "-c", SLOW.format(slow=slow), "train", "tiny.yaml", "--run-dir", "run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "trainer.epochs=1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("reached"):
                break
        process.send_signal(number)
        try:
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert stderr.endswith(message)
    assert "Traceback" not in stderr
    result = upt(*finish)
    assert result.exit_code == 0, result.output
    assert Path("run/index.html").is_file()
    assert Path("run/results.json").is_file()


@pytest.mark.parametrize(
    ("text", "found"), [("", "is empty"), ("# nothing\n", "is empty"), ("- 1\n", "holds no configuration")]
)
def test_a_damaged_configuration_of_a_run_is_named(upt: Upt, trained: Path, text: str, found: str) -> None:
    (trained / "config.yaml").write_text(text)
    again = Path("runs/tiny-20990101-000000")
    shutil.copytree(trained, again)
    for folder, command in (
        (again, ("train", "tiny.yaml", "--resume")),
        (trained, ("train", "--resume", str(trained))),
        (trained, ("report", str(trained))),
        (trained, ("compare", str(trained), str(again))),
    ):
        result = upt(*command)
        assert result.exit_code == 2, command
        assert (
            f"{folder / 'config.yaml'}: {found}, so the run cannot be read; restore the file from a copy, or remove "
            "the folder and train again"
        ) in " ".join(result.output.split()), command


def test_one_line_begins_a_run_goes_on_with_it_and_repeats_its_results(upt: Upt) -> None:
    """For a batch script that is queued again and again."""
    command = ("train", "tiny.yaml", "trainer.epochs=1", "--resume")
    first = upt(*command)
    assert first.exit_code == 0, first.output
    assert first.output.startswith("no run of tiny in runs: one begins\n")
    [run] = Path("runs").iterdir()
    for checkpoint in (run / "checkpoints").iterdir():
        checkpoint.unlink()  # as if it had been killed before the first one
    again = upt(*command)
    assert again.output.startswith(f"continuing {run}\n")
    assert "epoch 1/1" in again.output
    last = upt("train", "--resume", "tiny.yaml", "trainer.epochs=1")
    assert last.exit_code == 0, last.output
    assert "1 of 1, trained before" in last.output
    assert list(Path("runs").iterdir()) == [run]
    other = upt("train", "tiny.yaml", "--resume", "trainer.epochs=1", "seed=3")
    assert other.exit_code == 2
    assert f"{run}: this run of tiny was started with another configuration\n" in other.output
    assert "seed: 0 in the run, 3 now" in other.output
    assert f"continue it unchanged: upt train --resume {run}; or start a new run, without --resume" in other.output


def test_a_run_that_never_saved_begins_again_by_the_same_command(upt: Upt, trained: Path) -> None:
    command = ("train", "tiny.yaml", "--run-dir", str(trained), "trainer.epochs=1")
    refused = upt(*command)
    assert refused.exit_code == 2
    assert (
        f"{trained} already contains a run; continue it with --resume {trained}, or name another folder"
    ) in refused.output
    shutil.rmtree(trained / "checkpoints")
    assert upt(*command).exit_code == 0


def test_a_page_of_somebody_else_is_not_written_over(upt: Upt) -> None:
    Path("site").mkdir()
    Path("site/index.html").write_text("mine")
    result = upt("train", "tiny.yaml", "--run-dir", "site")
    assert result.exit_code == 2
    assert "site contains an index.html that no run wrote, and the report would overwrite it" in result.output
    assert Path("site/index.html").read_text() == "mine"


def test_resume_alone_needs_a_configuration(upt: Upt) -> None:
    result = upt("train", "--resume")
    assert result.exit_code == 2
    assert "--resume needs the folder of a run, or a CONFIG, whose newest run is then continued" in result.output


def test_the_panel_of_a_terminal_shows_losses_speed_and_validation(own_folder: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, highlight=False)
    Experiment.from_yaml("tiny.yaml").train(own_folder / "run", listeners=[Bars("tiny", console)])
    shown = screen.getvalue()
    for text in (" parameters, 200 samples", "epoch 2/2", "total", "inverse_encoding", "relative_l2", "(best: epoch "):
        assert text in shown


def test_evaluate_prints_model_and_baseline(upt: Upt, trained: Path) -> None:
    result = upt("evaluate", str(trained), "--split", "valid", "--checkpoint", "last", "--steps", "3")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "run: last checkpoint, valid split, 3 time steps"
    table = lines[lines.index("", 2) + 1 :]
    assert table[0].split() == ["relative_l2", "rmse"]
    assert [line.split()[0] for line in table[1:3]] == ["model", "persistence"]


def test_evaluate_repeats_the_results_of_the_run_as_json(upt: Upt, trained: Path) -> None:
    found = json.loads(upt("evaluate", str(trained), "--json", "-").output)
    stored = json.loads((trained / "results.json").read_text())
    assert found["predictors"] == stored["predictors"]
    assert (found["split"], found["checkpoint"], found["steps"]) == ("test", "best", None)


def test_report_is_written_again(upt: Upt, trained: Path) -> None:
    (trained / "index.html").unlink()
    result = upt("report", "run")
    assert result.output == Path("run/index.html").resolve().as_uri() + "\n"
    assert Path("run/index.html").is_file()


def test_stages_count_epochs_over_the_whole_run(upt: Upt) -> None:
    stages = "\nstages:\n- name: first\n  losses: {forward: null}\n- {name: second, trainer: {epochs: 1}}\n"
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text() + stages)
    result = upt("train", "tiny.yaml", "--run-dir", "run")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("tiny")] == [
        "tiny, stage first",
        "tiny, stage second",
    ]
    assert [line.split()[1] for line in lines if line.startswith("epoch ")] == ["1/3", "2/3", "3/3"]
    assert "Finished after 3 of 3 epochs" in Path("run/index.html").read_text()


def test_a_resume_of_a_finished_run_repeats_its_results(upt: Upt, trained: Path) -> None:
    result = upt("train", "--resume", str(trained))
    assert result.exit_code == 0
    assert "1 of 1, trained before" in result.output
    assert "model " in result.output
