"""The folder of a run: resolved configuration, versions, git state, metrics as JSON lines."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from upt_core.config.schema import PluginConfig
from upt_core.config.yaml_text import dump_yaml
from upt_core.errors import UserError
from upt_core.progress import Progress
from upt_core.registry.hookspecs import hookimpl

CONFIG, ENVIRONMENT, METRICS = "config.yaml", "environment.json", "metrics.jsonl"
NORMALIZATION, RESULTS = "normalization.json", "results.json"


def create(output: Path, name: str) -> Path:
    """A new folder ``output/name-date-time``; a number is added where it exists already."""
    stamp = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    for number in range(1000):
        folder = output / (stamp if number == 0 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(
                f"{folder}: the run folder cannot be made: {error}; set output to a folder that can be written"
            ) from error
        return folder
    raise UserError(f"{output}: too many runs called {stamp}; set output to another folder")


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """The resolved configuration, defaults filled in; it can be trained again as it is."""
    (folder / CONFIG).write_text(dump_yaml(dict(config)), encoding="utf-8")


def write_json(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """A JSON file, indented."""
    (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def environment(plugins: Sequence[PluginConfig], device: torch.device, processes: int = 1) -> dict[str, Any]:
    """Versions of Python, torch and every plugin that the run uses, devices, and the git state of the folder."""
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{device.type} ({os.cpu_count()} cores)",
        "processes": processes,
        "plugins": plugin_versions(plugins),
        "git": git_state(),
    }


def plugin_versions(plugins: Sequence[PluginConfig]) -> dict[str, dict[str, str]]:
    """ "kind name" → distribution and version of every plugin that the run uses."""
    found = {
        f"{p.kind} {p.name}": {"distribution": p.entry.distribution.name, "version": p.entry.distribution.version}
        for p in plugins
    }
    return dict(sorted(found.items()))


def git_state() -> dict[str, Any] | None:
    """Commit, branch and whether files differ from it; None outside a git repository."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {
        "commit": commit,
        "branch": _git("rev-parse", "--abbrev-ref", "HEAD"),
        "changed": bool(_git("status", "--porcelain")),
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


class MetricsLog:
    """Writes ``metrics.jsonl``: one JSON object a line, with "kind" step, validation, epoch or final."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._started = time.time()

    @hookimpl
    def step_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """A logged step of the optimizers."""
        self._write("step", progress, scalars)

    @hookimpl
    def validation_ended(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """The metrics of the validation split."""
        self._write("validation", progress, metrics)

    @hookimpl
    def epoch_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """The means of an epoch."""
        self._write("epoch", progress, scalars)

    def _write(self, kind: str, progress: Progress, values: Mapping[str, float]) -> None:
        line = {
            "kind": kind,
            "epoch": progress.epoch,
            "step": progress.step,
            "time": round(time.time() - self._started, 3),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, **values}) + "\n")


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Every line of a run's metrics; a last line that an interrupt cut short is left out."""
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines() if (folder / METRICS).is_file() else []
    found = []
    for number, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number + 1 < len(lines):
                raise UserError(f"{folder / METRICS}:{number + 1}: not a line of JSON: {error}") from error
    return found
