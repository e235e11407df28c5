"""Runs a run again from its folder, and compares what comes out, bit by bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from upt_core.config.sections import plugins_of
from upt_core.errors import CheckpointError, UserError
from upt_core.precision import resolve_device
from upt_core.run import folder as run_folder
from upt_core.run import resume
from upt_core.run.built import Results
from upt_core.run.experiment import Experiment, load_run
from upt_core.run.metrics_log import read_metrics
from upt_core.run.written_config import CONFIG
from upt_core.wording import typed

LOSS = "loss/"


@dataclass(frozen=True)
class Difference:
    """Something that is another now than it was in the run.

    Args:
        what: torch, the name of a distribution, python, device, …
        then: in the run.
        now: in this installation.
    """

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} is {self.now}; the run had {self.then}"


@dataclass(frozen=True)
class Reproduction:
    """A run made again.

    Args:
        original: its folder.
        folder: of the new run.
        then: predictor → metric → value on the test split, in the original run.
        now: the same, in the new run.
        first_step: the first logged step whose losses differ; None where all are equal.
        differences: in versions and machine.
    """

    original: Path
    folder: Path
    then: Results
    now: Results
    first_step: int | None
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether all metrics and all logged losses are equal in every bit."""
        return json.dumps(self.then) == json.dumps(self.now) and self.first_step is None

    def largest(self) -> float:
        """The largest relative difference of a metric of the model."""
        before, after = self.then["model"], self.now["model"]
        return max(abs(after[name] - before[name]) / (abs(before[name]) or 1.0) for name in before)


@dataclass(frozen=True)
class Original:
    """A finished run, as it is in its folder.

    Args:
        refused: differences of versions: results are not those of the run any more.
        noted: differences that may change the last bits, or nothing.
    """

    folder: Path
    experiment: Experiment
    results: Results
    refused: tuple[Difference, ...]
    noted: tuple[Difference, ...]


def read_original(folder: Path) -> Original:
    """A run, and what differs between its installation and this one.

    Raises:
        UserError: the folder is not a finished run, or lacks the record of its versions; a plugin is not installed.
    """
    experiment = load_run(folder)
    results = _json(
        folder, run_folder.RESULTS, f"the run is not finished; finish it with: upt train --resume {typed(folder)}"
    )
    environment = _json(folder, run_folder.ENVIRONMENT, "without it, the versions of the run are unknown")
    return Original(
        folder,
        experiment,
        results["predictors"],
        tuple(_versions(environment, experiment)),
        (*_machine(environment, experiment), *_changes(folder)),
    )


def reproduce(
    original: Original, run_dir: Path | None = None, different: bool = False, listeners: Sequence[object] = ()
) -> Reproduction:
    """Trains the experiment of a run again, from its first step.

    Args:
        run_dir: folder of the new run; None: beside the run.
        different: go on although versions differ.

    Raises:
        UserError: versions differ, or the folder is in use.
    """
    if original.refused and not different:
        said = "\n    ".join(map(str, original.refused))
        raise UserError(
            f"{original.folder}: this installation differs from that of the run\n    {said}\n"
            "    install those versions, or pass --allow-different-versions"
        )
    folder = run_dir or _beside(original.folder)
    if (folder / CONFIG).exists():
        raise UserError(f"{folder} already contains a run; name another folder")
    results = original.experiment.train(folder, listeners=listeners, progress=False).results
    first = first_different_step(read_metrics(original.folder), read_metrics(folder))
    return Reproduction(original.folder, folder, original.results, results, first, original.refused + original.noted)


def first_different_step(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> int | None:
    """The first logged step whose losses are not equal in every bit, or that only one of the two runs has."""
    before, after = _losses(then), _losses(now)
    return next((step for step in sorted({*before, *after}) if before.get(step) != after.get(step)), None)


def _losses(lines: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Step → losses of the step and of the epoch that ends there; where trained again after an interrupt, the last."""
    found: dict[int, dict[str, float]] = {}
    for line in lines:
        losses = {f"{line['kind']} {name}": value for name, value in line.items() if name.startswith(LOSS)}
        found.setdefault(line["step"], {}).update(losses)
    return found


def _versions(environment: Mapping[str, Any], experiment: Experiment) -> list[Difference]:
    now = run_folder.plugin_versions(plugins_of(experiment.settings))
    found = [Difference("torch", str(environment["torch"]), torch.__version__)]
    for name, then in environment["plugins"].items():
        if name in now:
            found.append(Difference(*_distributions(then, now[name])))
    return [one for one in dict.fromkeys(found) if one.then != one.now]


def _distributions(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, str, str]:
    """The distribution and its versions; where a plugin comes from another one, the names of both."""
    if then["distribution"] == now["distribution"]:
        return then["distribution"], then["version"], now["version"]
    return "a plugin's distribution", " ".join(then.values()), " ".join(now.values())


def _machine(environment: Mapping[str, Any], experiment: Experiment) -> list[Difference]:
    now = run_folder.environment([], resolve_device(experiment.settings.trainer.device))
    then = {"processes": 1, **environment}  # older runs do not say; they had one
    names = [name for name in ("python", "platform", "device", "threads", "processes") if name in then and name in now]
    found = [Difference(name, str(then[name]), str(now[name])) for name in names]
    found.append(Difference("the code", _code(environment.get("git")), _code(now["git"])))
    return [one for one in found if one.then != one.now]


def _changes(folder: Path) -> list[Difference]:
    """What the run was when it began, where it was resumed with changes: all steps are trained with the last ones."""
    return [
        Difference(key, f"{json.dumps(values['before'])} until step {entry['step']}", json.dumps(values["after"]))
        for entry in resume.history(folder)
        for key, values in entry["changes"].items()
    ]


def _code(git: Mapping[str, Any] | None) -> str:
    if git is None:
        return "outside a git repository"
    return f"at commit {git['commit'][:12]}{', with changes' if git['changed'] else ''}"


def _beside(folder: Path) -> Path:
    """``RUN-again``, or with a number where that is there."""
    folder = folder.resolve()
    names = (f"{folder.name}-again{f'-{i}' if i > 1 else ''}" for i in range(1, 1000))
    return next(path for path in (folder.with_name(name) for name in names) if not path.exists())


def _json(folder: Path, name: str, reason: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise CheckpointError(f"{folder}: there is no {name}; {reason}")
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}") from error
    return found
