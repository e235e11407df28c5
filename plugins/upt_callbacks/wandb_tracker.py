"""A run in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from uuid import uuid4

from upt_callbacks.tracker import Tracker


class Wandb(Tracker):
    """Sends a run to Weights & Biases: every term's raw value and weight, learning rate, gradient, metrics, the config.

    Needs ``pip install 'upt-core[wandb]'``. Names are those of the ``tensorboard`` callback; the last metrics of the
    validation split are ``final/…``. The horizontal axis ``step`` is the number of batches seen. A resumed run
    continues the same run there, whose id is in ``wandb_run.txt`` of the run folder; the package's files are in its
    folder ``wandb/``. Offline runs are sent later with ``wandb sync``.

    Args:
        project: project in Weights & Biases.
        run_name: name of the run there; null: the name of the run folder.
        entity: user or team; null: the default of the account.
        mode: online (needs ``wandb login``), or offline: files only.
        tags: words to find the run by.

    Raises:
        ValueError: ``project`` or ``run_name`` is empty.
    """

    def __init__(
        self,
        project: str = "upt",
        run_name: str | None = None,
        entity: str | None = None,
        mode: Literal["online", "offline"] = "online",
        tags: list[str] | None = None,
    ) -> None:
        super().__init__("wandb", project, run_name, tags or [])
        self._entity = entity
        self._mode = mode
        self._run: Any = None

    def open(self, package: ModuleType, run_dir: Path, run_id: str | None, config: Mapping[str, Any]) -> str:
        """Opens the run; offline runs cannot be asked for, so their further files get the same id."""
        run_id = run_id or uuid4().hex[:12]
        self._run = package.init(
            project=self._project,
            entity=self._entity,
            name=self.name_of(run_dir),
            id=run_id,
            resume="allow" if self._mode == "online" else None,
            mode=self._mode,
            dir=str(run_dir),
            tags=self._tags,
            config=dict(config),
            settings=package.Settings(console="off", silent=True),
        )
        # An axis of our own: the package's steps must grow, and a run that is resumed steps back to its checkpoint.
        self._run.define_metric("*", step_metric="step")
        return run_id

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Keeps values at a step."""
        self._run.log({**values, "step": step})

    def close(self, error: BaseException | None) -> None:
        """Sends what is left, and marks a run that failed."""
        if self._run is not None:
            self._run.finish(exit_code=0 if error is None else 1)
            self._run = None
