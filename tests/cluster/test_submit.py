"""``upt submit``: what is asked of SLURM, and jobs that are ended and queued again by submitit's own executor."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from torch import Tensor

from upt_cluster.job import Training
from upt_core.cli import main

from .conftest import same_weights

submitit = pytest.importorskip("submitit")


def upt(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def tasks_of(process: int) -> list[int]:
    """The processes that a process started."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for(path: Path, lines: int, seconds: float = 600) -> Path:
    """The first file that fits the pattern, once it has so many lines."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for found in path.parent.parent.glob(f"{path.parent.name}/{path.name}"):
            if found.read_text().count("\n") >= lines:
                return found
        time.sleep(0.02)
    pytest.fail(f"{path} had no {lines} lines after {seconds} s")


def train_with_a_break(tasks: int) -> None:
    executor = submitit.AutoExecutor(folder="jobs", cluster="local")
    executor.update_parameters(timeout_min=10, tasks_per_node=tasks)
    job = executor.submit(Training(["tiny.yaml"]))
    wait_for(Path("runs/*/metrics.jsonl"), 10)
    for task in tasks_of(job._process.pid):
        os.kill(task, signal.SIGUSR2)
    job.results()
    log = job.paths.stdout.read_text() + job.paths.stderr.read_text()
    assert "continue with" in log
    assert "continuing runs/" in log
    assert "Requeued job" in log


def test_a_job_that_is_queued_again_ends_with_the_weights_of_one_that_was_not(uninterrupted: dict[str, Tensor]) -> None:
    train_with_a_break(tasks=1)
    (run,) = [path.parent for path in Path("runs").glob("*/config.yaml")]
    assert same_weights(run, uninterrupted)


@pytest.mark.slow
def test_several_processes_end_together_and_go_on_together() -> None:
    train_with_a_break(tasks=2)
    (run,) = [path.parent for path in Path("runs").glob("*/config.yaml")]
    assert (run / "results.json").is_file()


@pytest.mark.slow
def test_here_runs_the_job_and_waits() -> None:
    result = upt("submit", "tiny.yaml", "trainer.epochs=1", "--gpus", "0", "--here")
    assert result.exit_code == 0, result.output
    assert list(Path("runs").glob("*/results.json"))
    (log,) = Path("runs/jobs").glob("*_log.out")
    assert str(log.resolve()) in result.output.replace("\n", "")
    assert "begins" in log.read_text()


def test_a_job_that_fails_says_where_its_log_is() -> None:
    result = upt("submit", "tiny.yaml", "data={name: npz, path: absent.npz}", "--gpus", "0", "--here")
    assert result.exit_code == 2
    assert "the job failed; the errors above say why" in result.stderr
    (errors,) = Path("runs/jobs").glob("*_log.err")
    assert str(errors.resolve()) in result.output.replace("\n", "")
    assert "absent.npz" in errors.read_text()


FAKE_SBATCH = """\
#!/bin/sh
cp "$1" submitted.sh
echo "Submitted batch job 17"
"""


def slurm(monkeypatch: pytest.MonkeyPatch, sbatch: str) -> None:
    """A command ``sbatch`` in front of whatever there is: it keeps what it was given, and no cluster is needed."""
    Path("bin").mkdir()
    for name in ("sbatch", "srun"):
        Path("bin", name).write_text(sbatch)
        Path("bin", name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{Path('bin').resolve()}{os.pathsep}{os.environ['PATH']}")


def test_what_is_asked_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    slurm(monkeypatch, FAKE_SBATCH)
    options = ["--time", "1.5h", "--gpus", "4", "--nodes", "2", "--cpus", "8", "--memory", "64", "--partition", "a100"]
    options += ["--account", "turbulence", "--set", "qos=long", "--set", "exclusive", "--setup", "module load cuda"]
    result = upt("submit", "tiny.yaml", *options)
    assert result.exit_code == 0, result.stderr
    assert "17" in result.output
    script = Path("submitted.sh").read_text()
    asked = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]
    expected = {
        "time=90", "gpus-per-node=4", "ntasks-per-node=4", "nodes=2", "cpus-per-task=8", "mem=64GB", "partition=a100",
        "account=turbulence", "qos=long", "exclusive", "requeue", "signal=USR2@120", "job-name=tiny",
    }  # fmt: skip
    assert expected <= set(asked)
    assert "module load cuda" in script.splitlines()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "soon"], "expected a number and m, h or d, at least 1m; got 'soon'"),
        (["--time", "0.5m"], "at least 1m; got '0.5m'"),
        (["trainer.epochs=0"], "trainer.epochs: must be greater than 0; got 0"),
    ],
)
def test_what_is_refused(options: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm(monkeypatch, FAKE_SBATCH)
    result = upt("submit", "tiny.yaml", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("submitted.sh").exists()


def test_a_job_that_slurm_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    slurm(monkeypatch, "#!/bin/sh\necho 'invalid partition specified: moon' >&2\nexit 1\n")
    result = upt("submit", "tiny.yaml", "--partition", "moon")
    assert result.exit_code == 2
    assert "SLURM refused the job: " in result.stderr
    assert "invalid partition specified: moon" in result.stderr


def test_without_slurm_and_without_submitit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "there is no sbatch on this machine" in upt("submit", "tiny.yaml").stderr
    monkeypatch.setattr("upt_cluster.commands.find_spec", lambda name: None)
    assert "which is not installed: pip install 'upt-core[cluster]'" in upt("submit", "tiny.yaml").stderr
