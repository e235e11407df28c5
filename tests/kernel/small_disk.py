"""What upt does on a disk that is full: FOLDER, where one of 4 MiB is mounted. Prints what happened, as JSON.

To be started in a name space of its own, where it may mount.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from conftest import TINY, merged

from upt_core import Experiment, hookimpl
from upt_core.run.metrics_log import read_metrics
from upt_core.training import checkpoint
from upt_core.training.saver import Saver

SIZE = 4 << 20
LONG = {"trainer": {"epochs": 3, "log_every": 1, "checkpoint": {"every_steps": 5}}}


class Disk:
    """A small disk.

    Args:
        folder: where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], check=True)
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Until there is no room."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 12))

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)


class FullBetween:
    """Fills the disk after some step, and frees it after another."""

    def __init__(self, disk: Disk, first: int, last: int) -> None:
        self.disk, self.first, self.last = disk, first, last

    @hookimpl
    def step_ended(self, trainer: Any) -> None:
        if trainer.state.step == self.first:
            self.disk.fill()
        if trainer.state.step == self.last:
            self.disk.free()


class FullAtTheEnd:
    """Fills the disk when training is over."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    @hookimpl
    def run_finished(self) -> None:
        self.disk.fill()


def tried(action: Callable[[], object]) -> dict[str, str]:
    """What is said, and how an action ends."""
    told, ended = io.StringIO(), ""
    with contextlib.redirect_stderr(told), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            action()
        except Exception as error:
            ended = f"{type(error).__name__}: {error}"
    return {"said": told.getvalue(), "ended": ended, "warned": "\n".join(str(one.message) for one in warned)}


def tiny(**changes: Any) -> Experiment:
    return Experiment.from_dict(merged(TINY, changes))


def weights(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = checkpoint.load(run / "checkpoints" / "last.pt")["model"]
    return found


def for_a_while(disk: Disk, elsewhere: Path) -> dict[str, Any]:
    """Checkpoints and lines of the log are due while the disk is full."""
    tiny(**LONG).train(elsewhere / "whole")
    run = disk.folder / "for-a-while"
    found = tried(lambda: tiny(**LONG).train(run, listeners=[FullBetween(disk, 7, 20)]))
    one, other = weights(elsewhere / "whole"), weights(run)
    steps = [line["step"] for line in read_metrics(run) if line["kind"] == "step"]
    return {
        **found,
        "equal": all(torch.equal(value, other[name]) for name, value in one.items()),
        "steps": steps == sorted(set(steps)) == list(range(len(steps))),
        "left": sorted(path.name for path in run.rglob("*.part")),
    }


def begins(disk: Disk, elsewhere: Path) -> dict[str, Any]:
    disk.fill()
    return tried(lambda: tiny().train(disk.folder / "begins"))


def results(disk: Disk, elsewhere: Path) -> dict[str, Any]:
    """There is no room for the figures; a resume writes them."""
    run = disk.folder / "results"
    found = tried(lambda: tiny().train(run, listeners=[FullAtTheEnd(disk)]))
    disk.free()
    again = tried(lambda: tiny().train(run, resume=True))
    return {**found, "again": again["ended"], "there": (run / "results.json").is_file()}


def latents(disk: Disk, elsewhere: Path) -> dict[str, Any]:
    """The latents of a stage are kept on the full disk; a process that maps them would be killed."""
    losses = {"inv_enc": None, "inv_dec": None, "forward": {"name": "forward", "space": "latent"}}
    stage = {"name": "latent", "freeze": ["encoder", "decoder"], "cache_latents": True, "losses": losses}
    os.environ["UPT_CACHE"] = str(disk.folder / "cache")
    generated = tried(lambda: tiny().build())
    disk.fill()
    found = tried(lambda: tiny(stages=[stage]).train(elsewhere / "latents"))
    kept = sorted(path.name for path in (disk.folder / "cache" / "latents").iterdir())
    return {**found, "generated": generated["ended"], "kept": kept}


def generated(disk: Disk, elsewhere: Path) -> dict[str, Any]:
    """Generated data cannot be kept."""
    os.environ["UPT_CACHE"] = str(disk.folder / "other-cache")
    disk.fill()
    return tried(lambda: tiny().train(elsewhere / "generated"))


def larger_than_the_disk(disk: Disk, elsewhere: Path) -> dict[str, Any]:
    """Of a checkpoint that does not fit much is free again once its unfinished file is removed."""

    def save() -> None:
        saver = Saver(disk.folder / "larger")
        saver.save({"model": {"weight": torch.zeros(SIZE)}}, 1)
        list(saver.finish())

    return tried(save)


def main(folder: Path) -> None:
    elsewhere, place = folder / "elsewhere", folder / "disk"
    cache = str(folder / "cache")
    found = {}
    for case in (for_a_while, begins, results, latents, generated, larger_than_the_disk):
        os.environ["UPT_CACHE"] = cache
        place.mkdir(exist_ok=True, parents=True)
        found[case.__name__] = case(Disk(place), elsewhere)
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
