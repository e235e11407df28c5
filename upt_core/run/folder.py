"""The folder of a run: resolved configuration, versions, git state."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from upt_core.config.schema import PluginConfig
from upt_core.config.yaml_text import dump_yaml
from upt_core.errors import UserError
from upt_core.run.written_config import CONFIG
from upt_core.whole_file import read_json, write_text

ENVIRONMENT = "environment.json"
NORMALIZATION, RESULTS, START = "normalization.json", "results.json", "start.json"


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
                f"{folder}: the run folder cannot be made: {error}; set output to a writable folder"
            ) from error
        return folder
    raise UserError(f"{output}: too many runs called {stamp}; set output to another folder")


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """The resolved configuration, defaults filled in; it can be trained again as it is.

    Raises:
        UserError: it cannot be written; one of before stays.
    """
    write_text(folder / CONFIG, dump_yaml(dict(config)))


def write_json(folder: Path, name: str, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """A JSON file, indented.

    Raises:
        UserError: it cannot be written; one of before stays.
    """
    write_text(folder / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


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


def provenance(name: str, config: Mapping[str, Any], plugins: Sequence[PluginConfig]) -> dict[str, Any]:
    """Where an operator comes from: what is kept in it, beside what it needs to answer."""
    return {
        "name": name,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "torch": str(torch.__version__),
        "plugins": plugin_versions(plugins),
        "git": git_state(),
        "config": dict(config),
    }


def parents(folder: Path, task: str) -> list[dict[str, Any]]:
    """The operators that the run's model started from, the oldest first; none where it began with new weights."""
    found: dict[str, Any] = read_json(folder / START)
    return list(found.get(task, {}).get("chain", []))


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
