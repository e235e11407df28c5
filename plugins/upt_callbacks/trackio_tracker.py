"""A run in Trackio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from upt_callbacks.tracker import Tracker


class Trackio(Tracker):
    """Sends a run to Trackio: every term's raw value and weight, learning rate, gradient, metrics, the configuration.

    Needs ``pip install 'upt-core[trackio]'``. Names are those of the ``tensorboard`` callback; the last metrics of the
    validation split are ``final/…``. Steps are the numbers of batches seen. Trackio finds a run by its name, which is
    kept in ``trackio_run.txt`` of the run folder. A resumed run continues the same Trackio run, and no two runs of a
    project should have the same name. Without a space everything stays on this machine (``trackio show``).

    Args:
        project: Trackio's project.
        run_name: name of the run there; null: the name of the run folder.
        space: a Hugging Face space to send to, as user/space; null: a local store.
        group: runs with the same group are shown together; null: none.

    Raises:
        ValueError: ``project`` or ``run_name`` is empty.
    """

    def __init__(
        self, project: str = "upt", run_name: str | None = None, space: str | None = None, group: str | None = None
    ) -> None:
        super().__init__("trackio", project, run_name, [])
        self._space = space
        self._group = group
        self._run: Any = None

    def open(self, package: ModuleType, run_dir: Path, run_id: str | None, config: Mapping[str, Any]) -> str:
        """Opens the run by its name, which is also its id."""
        name = run_id or self.name_of(run_dir)
        self._run = package.init(
            project=self._project,
            name=name,
            group=self._group,
            space_id=self._space,
            config=dict(config),
            resume="never" if run_id is None else "allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return name

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Keeps values at a step."""
        self._run.log(dict(values), step=step)

    def close(self, error: BaseException | None) -> None:
        """Sends what is left. Trackio has no mark for a run that failed."""
        if self._run is not None:
            self._run.finish()
            self._run = None
