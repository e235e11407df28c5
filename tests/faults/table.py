"""The fault table: each fault done to a small run, what it lost, and whether the run then ends as if nothing had been.

``make faults`` runs it (some minutes) and writes the table into docs/faults.md; words as arguments choose the faults in
whose names they occur, and the other rows stay.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from upt_core import CheckpointError
from upt_core.operator import sharded_file
from upt_core.run.metrics_log import read_metrics
from upt_core.training import checkpoint
from upt_core.training.saver import newest

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
EVERY = 20
"""Steps of the optimizer between checkpoints."""
CONFIG = """
data: {name: burgers1d, num_trajectories: 24, points: 32, num_times: 6}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
sampler: {name: uniform, num_queries: 8}
losses: {forward: {name: forward}}
trainer:
  epochs: 8
  batch_size: 4
  optimizer: {name: adamw, lr: 0.001}
  device: cpu
  log_every: 1
  ema: 0.9
  checkpoint: {every_steps: 20, every_minutes: null}
validation: {metrics: {relative_l2: {name: relative_l2}}, every: 4}
"""


ODD = """\
import os, signal, sys
from pathlib import Path
from upt_core.cli import main
from upt_core.training.trainer import Trainer

update, how, happened = Trainer.update, sys.argv.pop(1), Path("happened")

def odd(trainer, window, means):
    update(trainer, window, means)
    if how != "nothing" and trainer.processes.rank == 1 and trainer.state.step == 50 and not happened.exists():
        happened.touch()
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError("an error that nobody expected")

Trainer.update = odd
main(sys.argv[1:])
"""
"""Trains; after step 50 something happens once in the second process."""


@dataclass
class Row:
    """What one fault did, the worst of all times that it was tried.

    Args:
        times: 0: it could not be tried here; the message says why.
        waited: steps that were trained while nothing could be saved; they may be lost, too.
    """

    fault: str
    times: int
    lost: int
    seconds: float
    equal: bool
    message: str
    waited: int = 0


class Runs:
    """Runs of the same small experiment in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tiny.yaml").write_text(CONFIG)
        if not (folder / "whole").exists():  # else it is there already
            assert self.finish(folder / "whole", new=True)[0] == 0
        self.weights = self._weights(folder / "whole")

    def start(self, run: Path, new: bool = True, said: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Begins a run, or goes on with it."""
        words = ["tiny.yaml", "--run-dir", str(run)] if new else ["--resume", str(run)]
        return subprocess.Popen(
            [sys.executable, "-m", "upt_core", "train", *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=said,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def finish(self, run: Path, new: bool = False) -> tuple[int, str]:
        """Exit code, and what was said."""
        process = self.start(run, new)
        said = process.communicate()[1]
        return process.returncode, said

    def until(self, run: Path, step: int) -> subprocess.Popen[str]:
        """A run that has logged a step."""
        process = self.start(run)
        while steps_of(run) < step:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        return process

    def recovered(self, fault: str, run: Path, lost: int) -> Row:
        """The row of a fault that is done: goes on with the run to its end."""
        started = time.monotonic()
        code, said = self.finish(run)
        assert code == 0, said
        remarks = [line for line in said.splitlines() if line.startswith("remark: ")]
        message = remarks[0].replace(str(self.folder) + "/", "") if remarks else ""
        return Row(fault, 1, lost, time.monotonic() - started, self.as_whole(run), message)

    def as_whole(self, run: Path) -> bool:
        """Whether a run's weights are those of the one that was left alone."""
        weights = self._weights(run)
        return all(torch.equal(value, weights[name]) for name, value in self.weights.items())

    def _weights(self, run: Path) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = checkpoint.load(run / "checkpoints" / "last.pt")["model"]
        return found


def steps_of(run: Path) -> int:
    """Steps that are logged."""
    return max((line["step"] + 1 for line in read_metrics(run) if line["kind"] == "step"), default=0)


def saved_of(run: Path) -> int:
    """The step of the last checkpoint; 0: there is none."""
    path = run / "checkpoints" / "last.pt"
    return int(checkpoint.load(path)["state"]["step"]) if path.is_file() else 0


def kill(runs: Runs, rng: random.Random) -> Row:
    """SIGKILL after a random step."""
    run = runs.folder / f"kill-{rng.random()}"
    process = runs.until(run, rng.randrange(1, 100))
    process.kill()
    process.wait()
    return runs.recovered("kill -9 at a random moment", run, steps_of(run) - saved_of(run))


def signalled(number: signal.Signals) -> Callable[[Runs, random.Random], Row]:
    """One of the signals that end a run."""

    def fault(runs: Runs, rng: random.Random) -> Row:
        run = runs.folder / number.name
        process = runs.until(run, rng.randrange(1, 100))
        process.send_signal(number)
        said = process.communicate()[1].strip().replace(str(runs.folder) + "/", "")
        assert process.returncode == 128 + number, (process.returncode, said)
        row = runs.recovered(f"{number.name} (exit code {128 + number})", run, steps_of(run) - saved_of(run))
        row.message = said
        return row

    return fault


def damaged(runs: Runs, rng: random.Random) -> Row:
    """The last checkpoint is cut short after a kill."""
    run = runs.folder / "damaged"
    process = runs.until(run, 70)
    process.kill()
    process.wait()
    last = run / "checkpoints" / "last.pt"
    content = last.read_bytes()
    last.unlink()
    last.write_bytes(content[: len(content) // 2])
    older = int(checkpoint.load(run / "checkpoints" / "last-1.pt")["state"]["step"])
    return runs.recovered("last.pt cut short, the run killed", run, steps_of(run) - older)


def torn(runs: Runs, rng: random.Random) -> Row:
    """A line in the middle of the log is torn, and the last one."""
    run = runs.folder / "torn"
    process = runs.until(run, 50)
    process.kill()
    process.wait()
    lost = steps_of(run) - saved_of(run)
    log = run / "metrics.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[len(lines) // 2] = lines[len(lines) // 2][:7] + b"\n"
    log.write_bytes(b"".join(lines) + b'{"kind": "st')
    row = runs.recovered("torn lines in metrics.jsonl, the run killed", run, lost)
    for line in log.read_text().splitlines():
        json.loads(line)
    return row


def flipped(runs: Runs, rng: random.Random) -> Row:
    """One bit of a checkpoint is flipped, 60 times: how often that is refused."""
    path, copy = runs.folder / "whole" / "checkpoints" / "last.pt", runs.folder / "flipped.pt"
    content, refused, said = path.read_bytes(), 0, ""
    for _ in range(60):
        bits = bytearray(content)
        bits[rng.randrange(len(bits))] ^= 1 << rng.randrange(8)
        copy.write_bytes(bits)
        try:
            checkpoint.load(copy)
        except CheckpointError as error:
            refused, said = refused + 1, str(error).replace(str(runs.folder) + "/", "")
    return Row(f"one flipped bit in a checkpoint: {refused} of 60 refused", 60, 0, 0.0, refused == 60, said)


def together(folder: Path, how: str, strategy: str) -> tuple[int, str]:
    """Two processes train, or go on, in a folder of their own: exit code, and what was said."""
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG)
    (folder / "odd.py").write_text(ODD)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, "odd.py", how, "train", "tiny.yaml", "--resume", f"trainer.strategy={strategy}"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The last weights of the only run in a folder."""
    [last] = (path for path in folder.glob("runs/*/checkpoints/last*") if path.stem == "last")
    found: dict[str, torch.Tensor] = sharded_file.read(last)["model"]
    return found


def one_of_two(how: str, fault: str, strategy: str) -> Callable[[Runs, random.Random], Row]:
    """Something happens to one of two processes that train together; the same command then goes on."""

    def row(runs: Runs, rng: random.Random) -> Row:
        whole, odd = (runs.folder / f"{name}-{strategy}" for name in ("whole", how))
        if not whole.exists():
            assert together(whole, "nothing", strategy)[0] == 0
        assert together(odd, how, strategy)[0] != 0
        [checkpoints] = odd.glob("runs/*/checkpoints")
        found = newest(checkpoints)
        assert found is not None
        started = time.monotonic()
        code, said = together(odd, how, strategy)
        assert code == 0, said
        weights = weights_of(odd)
        equal = all(torch.equal(value, weights[name]) for name, value in weights_of(whole).items())
        lost = 50 - int(found[0]["state"]["step"])
        return Row(f"{fault}, `{strategy}`", 1, lost, time.monotonic() - started, equal, "")

    return row


def on_a_disk_of_its_own(fault: str) -> Callable[[Runs, random.Random], Row]:
    """A fault that mounts file systems: it is done in a name space of its own, where nobody else sees them."""

    def row(runs: Runs, rng: random.Random) -> Row:
        alone = ["unshare", "--user", "--map-root-user", "--mount"]
        try:
            done = subprocess.run([*alone, "true"], capture_output=True, text=True, check=False)
            refused = done.stderr.strip() if done.returncode else ""
        except FileNotFoundError:
            refused = "there is no unshare"
        if refused:
            return Row(fault, 0, 0, 0.0, True, f"not tried, for nothing can be mounted here: {refused}")
        done = subprocess.run(
            [*alone, sys.executable, __file__, INSIDE, fault, str(runs.folder)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return Row(**json.loads(done.stdout))

    return row


def full_for_a_while(runs: Runs) -> Row:
    """The disk is full while a checkpoint is due, and has room again while the run goes on."""
    run, filler = small_disk(runs, "full-for-a-while") / "run", runs.folder / "full-for-a-while" / "filler"
    process, said = run_that_saves(runs, run)
    fill(filler)
    until_said(process, said, "no checkpoint could be written")
    filler.unlink()
    started = time.monotonic()
    return ended_well(runs, run, process, said, FULL_FOR_A_WHILE, started)


def full_to_the_end(runs: Runs) -> Row:
    """The disk is full until the run ends with an error; then there is room, and the run goes on."""
    run, filler = small_disk(runs, "full-to-the-end") / "run", runs.folder / "full-to-the-end" / "filler"
    process, said = run_that_saves(runs, run)
    fill(filler)
    full_from = steps_of(run)
    assert process.wait() == 2, said.read_text()
    filler.unlink()
    end = checkpoint.load(runs.folder / "whole" / "checkpoints" / "last.pt")["state"]["step"]
    row = runs.recovered(FULL_TO_THE_END, run, end - saved_of(run))
    complete(run, end)
    row.message, row.waited = (
        said.read_text().strip().splitlines()[-1].replace(str(runs.folder) + "/", ""),
        end - full_from,
    )
    return row


def read_only(runs: Runs) -> Row:
    """The run folder is mounted read-only over itself while a checkpoint is due, and writable again."""
    run = runs.folder / "read-only" / "run"
    process, said = run_that_saves(runs, run)
    mount("--bind", str(run), str(run))
    mount("-o", "remount,bind,ro", str(run))
    until_said(process, said, "no checkpoint could be written")
    mount("-o", "remount,bind,rw", str(run))
    return ended_well(runs, run, process, said, READ_ONLY, time.monotonic())


def small_disk(runs: Runs, name: str) -> Path:
    """A folder with room for 8 MiB."""
    folder = runs.folder / name
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=8m", "none", str(folder))
    return folder


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def fill(path: Path) -> None:
    """Writes until there is no room."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))


def run_that_saves(runs: Runs, run: Path) -> tuple[subprocess.Popen[str], Path]:
    """A run that has written its first checkpoint, and a file with what it says, elsewhere."""
    said = runs.folder / f"{run.parent.name}.txt"
    with said.open("w") as file:
        process = runs.start(run, said=file)
    while saved_of(run) == 0:
        assert process.poll() is None, said.read_text()
        time.sleep(0.01)
    return process, said


def until_said(process: subprocess.Popen[str], said: Path, text: str) -> None:
    while text not in said.read_text():
        assert process.poll() is None, said.read_text()
        time.sleep(0.01)


def ended_well(runs: Runs, run: Path, process: subprocess.Popen[str], said: Path, fault: str, started: float) -> Row:
    """The row of a run that trained on while it could not save."""
    assert process.wait() == 0, said.read_text()
    remarks = [line for line in said.read_text().splitlines() if "no checkpoint could be written" in line]
    complete(run, saved_of(run))
    message = remarks[0].replace(str(runs.folder) + "/", "")
    return Row(fault, 1, 0, time.monotonic() - started, runs.as_whole(run), message)


def complete(run: Path, end: int) -> None:
    """The log has every step once."""
    logged = [line["step"] for line in read_metrics(run) if line["kind"] == "step"]
    assert sorted(set(logged)) == list(range(end)), logged


INSIDE = "--inside"
FULL_FOR_A_WHILE = "a full disk, and room while the run goes on"
FULL_TO_THE_END = "a full disk until the run ends (exit code 2), then room"
READ_ONLY = "a read-only run folder, writable again while the run goes on"
MOUNTING = {FULL_FOR_A_WHILE: full_for_a_while, FULL_TO_THE_END: full_to_the_end, READ_ONLY: read_only}


def inside(fault: str, folder: Path) -> None:
    """Does a fault that mounts file systems, and prints its row."""
    print(json.dumps(vars(MOUNTING[fault](Runs(folder)))))


KILLED, FAILED = "kill -9 of one of two processes", "an unexpected error in one of two processes"
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU)
FAULTS: dict[str, tuple[Callable[[Runs, random.Random], Row], int]] = {
    "kill -9 at a random moment": (kill, 3),
    **{number.name: (signalled(number), 1) for number in SIGNALS},
    "last.pt cut short": (damaged, 1),
    "torn lines": (torn, 1),
    "flipped bits": (flipped, 1),
    **{fault: (on_a_disk_of_its_own(fault), 1) for fault in MOUNTING},
    **{f"{KILLED}, {strategy}": (one_of_two("killed", KILLED, strategy), 1) for strategy in ("ddp", "fsdp")},
    **{f"{FAILED}, {strategy}": (one_of_two("failed", FAILED, strategy), 1) for strategy in ("ddp", "fsdp")},
}


def worst(rows: list[Row]) -> Row:
    """One row of the same fault, done several times."""
    last = rows[-1]
    if len(rows) == 1:
        return last
    lost, seconds = max(row.lost for row in rows), max(row.seconds for row in rows)
    return Row(last.fault, len(rows), lost, seconds, all(row.equal for row in rows), last.message)


def table(rows: list[Row], before: str) -> str:
    """As Markdown; rows of the table before that were not measured now stay, and come first."""
    lines = [
        "| fault | times | steps to do again, at most | seconds to the end | as if nothing had been | message |",
        "|---|---|---|---|---|---|",
    ]
    measured = {row.fault for row in rows}
    lines += [line for line in before.strip().splitlines()[2:] if line.split("|")[1].strip() not in measured]
    for row in rows:
        figures = [str(row.lost), f"{row.seconds:.0f}", "yes" if row.equal else "NO"] if row.times else ["", "", ""]
        lines.append(f"| {' | '.join([row.fault, str(row.times), *figures, shortened(row.message)])} |")
    return "\n".join(lines)


def shortened(message: str) -> str:
    """The first sentence or so of a message."""
    first = (message.splitlines() or [""])[0]
    return first if len(first) <= 120 else first[:117] + "…"


def main() -> None:
    """Does every fault, writes the table, and fails where one of them lost more than is stated."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup switches it off, and runs would not heed it
    if sys.argv[1:2] == [INSIDE]:
        inside(sys.argv[2], Path(sys.argv[3]))
        return
    rng, words = random.Random(0), sys.argv[1:]
    chosen = [one for name, one in FAULTS.items() if not words or any(word in name for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder))
        rows = [worst([fault(runs, rng) for _ in range(times)]) for fault, times in chosen]
    begin, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    old, _, end = rest.partition(END)
    found = table(rows, old if words else "")
    PAGE.write_text(f"{begin}{BEGIN}\n{found}\n{END}{end}", encoding="utf-8")
    print(found)
    sys.exit(0 if all(row.equal and row.lost - row.waited <= 2 * EVERY + 5 for row in rows) else 1)


if __name__ == "__main__":
    main()
