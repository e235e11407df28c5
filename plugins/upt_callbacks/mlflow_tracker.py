"""A run in MLflow."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from upt_callbacks.tracker import Tracker, flat

AT_ONCE = 100  # parameters in one request, the server's bound


class MLflow(Tracker):
    """Sends a run to MLflow: every term's raw value and weight, learning rate, gradient, metrics, the configuration.

    Needs ``pip install 'upt-core[mlflow]'``. Names are those of the ``tensorboard`` callback; the last metrics of the
    validation split are ``final/…``. Steps are the numbers of batches seen. The configuration becomes parameters such
    as ``trainer.optimizer.lr``. A resumed run continues the same MLflow run, whose id is in ``mlflow_run.txt`` of the
    run folder; its parameters stay those of the first start.

    Args:
        project: MLflow's experiment; it is created if it does not exist.
        run_name: name of the run there; null: the name of the run folder.
        tracking_uri: server or store, for example http://localhost:5000 or sqlite:///mlflow.db; null: MLflow's own
            default, which the environment variable MLFLOW_TRACKING_URI sets.
        tags: words to find the run; each is a tag with the value true.

    Raises:
        ValueError: ``project`` or ``run_name`` is empty.
    """

    def __init__(
        self,
        project: str = "upt",
        run_name: str | None = None,
        tracking_uri: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        super().__init__("mlflow", project, run_name, tags or [])
        self._tracking_uri = tracking_uri
        self._client: Any = None
        self._entities: Any = None
        self._run_id = ""

    def open(self, package: ModuleType, run_dir: Path, run_id: str | None, config: Mapping[str, Any]) -> str:
        """Makes the run with its parameters, or marks the one with this id as running again."""
        client = package.MlflowClient(tracking_uri=self._tracking_uri)
        self._client, self._entities = client, package.entities
        if run_id is not None:
            client.update_run(run_id, status="RUNNING")
            self._run_id = run_id
            return run_id
        found = client.get_experiment_by_name(self._project)
        experiment = client.create_experiment(self._project) if found is None else found.experiment_id
        tags = dict.fromkeys(self._tags, "true")
        self._run_id = str(client.create_run(experiment, run_name=self.name_of(run_dir), tags=tags).info.run_id)
        for params in self._params(config):
            client.log_batch(self._run_id, params=params)
        return self._run_id

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Keeps values at a step, in one request."""
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(name, float(value), now, step) for name, value in values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self, error: BaseException | None) -> None:
        """Marks the run as finished, failed, or killed by an interrupt."""
        if self._client is not None:
            failed = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
            self._client.set_terminated(self._run_id, "FINISHED" if error is None else failed)
            self._client = None

    def _params(self, config: Mapping[str, Any]) -> Iterator[list[Any]]:
        params = (self._entities.Param(name, str(value)) for name, value in flat(config).items())
        while batch := list(islice(params, AT_ONCE)):
            yield batch
