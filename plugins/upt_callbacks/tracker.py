"""What the trackers of other projects have in common: what is logged, under which names, and how a run goes on."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from upt_core import Callback, Progress, UserError, hookimpl


class Tracker(Callback):
    """Sends a run to a tracker, under the names of the ``tensorboard`` callback, and ``final/…`` for the last metrics.

    The tracker's own id of the run stands in a small file of the run folder: a run that is resumed, and each further
    stage, goes on in the same run of the tracker.

    Args:
        package: what is imported when the run starts, and the name of upt's extra that installs it.
        project: the tracker's project.
        run_name: of the run there; None: the name of the run folder.
        tags: words to find the run by.

    Raises:
        ValueError: ``project`` or ``run_name`` is empty.
    """

    def __init__(self, package: str, project: str, run_name: str | None, tags: Sequence[str]) -> None:
        for key, value in (("project", project), ("run_name", run_name)):
            if value is not None and not value.strip():
                raise ValueError(f"{key} must not be empty; got {value!r}")
        self._package = package
        self._project = project
        self._run_name = run_name
        self._tags = list(tags)
        self._step = 0

    @abstractmethod
    def open(self, package: ModuleType, run_dir: Path, run_id: str | None, config: Mapping[str, Any]) -> str:
        """Opens a new run, or the one with this id again; its id."""

    @abstractmethod
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Keeps values at a step."""

    @abstractmethod
    def close(self, error: BaseException | None) -> None:
        """Ends the run; ``error``: what ended it early. Must do nothing where no run is open."""

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        """Imports the tracker's package and opens the run.

        Raises:
            UserError: the package is not installed.
        """
        package = import_tracker(self._package)
        path = run_dir / f"{self._package}_run.txt"
        known = path.read_text(encoding="utf-8").strip() if path.is_file() else None
        run_id = self.open(package, run_dir, known or None, read_config(run_dir))
        path.write_text(run_id + "\n", encoding="utf-8")

    @hookimpl
    def step_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """A logged step of the optimizers."""
        self.log(scalars, progress.step)

    @hookimpl
    def validation_ended(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """The metrics of the validation split."""
        self.log(prefixed("validation/", metrics), progress.step)

    @hookimpl
    def epoch_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """The means of an epoch."""
        self._step = progress.step
        self.log(prefixed("epoch/", scalars), progress.step)

    @hookimpl
    def run_finished(self, metrics: Mapping[str, float]) -> None:
        """Keeps the last metrics and ends the run."""
        self.log(prefixed("final/", metrics), self._step)
        self.close(None)

    @hookimpl
    def run_failed(self, error: BaseException) -> None:
        """Ends the run as one that failed."""
        self.close(error)

    def name_of(self, run_dir: Path) -> str:
        """The name of the run in the tracker."""
        return self._run_name or run_dir.resolve().name


def import_tracker(package: str) -> ModuleType:
    """The package of a tracker.

    Raises:
        UserError: it is not installed; a package that it needs and lacks is another error, raised as it is.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise UserError(
            f"the callback {package} needs the package {package}, which is not installed: "
            f"pip install 'upt-core[{package}]'"
        ) from error


def read_config(run_dir: Path) -> dict[str, Any]:
    """The resolved configuration, from the run folder; empty where a trainer runs without one."""
    path = run_dir / "config.yaml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    """The values under longer names."""
    return {prefix + name: value for name, value in values.items()}


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with key paths such as ``trainer.optimizer.lr``."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
