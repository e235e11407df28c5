"""One YAML file as an object: everything that ``upt`` does with it, in Python."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from upt_core.config.document import Document, read_any
from upt_core.data.prepared import PreparedData
from upt_core.errors import CheckpointError, DataError
from upt_core.operator.load import load_all
from upt_core.operator.rollout import Space
from upt_core.precision import check_precision, resolve_device
from upt_core.processes import joined
from upt_core.registry import Registry
from upt_core.registry import discovery as plugins
from upt_core.registry.doctor import check_run
from upt_core.remarks import remark
from upt_core.run import folder as run_folder
from upt_core.run.assemble_all import WholeAssembler
from upt_core.run.built import Results
from upt_core.run.runner import Runner
from upt_core.trajectory import Split


class Experiment(WholeAssembler):
    """One YAML file: everything that ``upt`` does with it, in Python.

    Example:
        Experiment.from_yaml("configs/burgers.yaml", ["trainer.epochs=3"]).train()
    """

    @classmethod
    def from_yaml(cls, path: Path | str, overrides: Sequence[str] = (), registry: Registry | None = None) -> Self:
        """Reads and validates a file, with ``key.path=value`` overrides.

        A file in the form of another system is converted, and a warning says what became of its keys.

        Raises:
            ConfigError: with every problem and its place.
        """
        registry = registry or plugins.installed()
        document, report = read_any(path, overrides, registry)
        if report is not None:
            warnings.warn(f"{path} was converted\n{report}", stacklevel=2)
        return cls.from_document(document, Path(path).stem, registry)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], name: str = "experiment", registry: Registry | None = None) -> Self:
        """Validates plain data."""
        return cls.from_document(Document(dict(data)), name, registry)

    def train(self, run_dir: Path | None = None, resume: bool = False, listeners: Sequence[object] = ()) -> Results:
        """Trains, and leaves everything in the run folder. Processes that torchrun started train together.

        Args:
            run_dir: the run's folder; None: a new one in the experiment's ``output``.
            resume: go on from the folder's last checkpoint.
            listeners: objects with ``@hookimpl`` methods, beside the experiment's callbacks; of several processes,
                those of the first.

        Returns:
            Metrics on the test split: of the best checkpoint as "model", and of the baselines.
        """
        with joined():
            return Runner(self, run_dir, resume, listeners).run()


def evaluate_run(
    run_dir: Path,
    split: Split = "test",
    which: str = "best",
    steps: int | None = None,
    device: str | None = None,
    space: Space | None = None,
) -> Results:
    """Metrics of a run's checkpoint and of the baselines on a split: name of the predictor → metric → value.

    Args:
        which: "best" or "last".
        steps: time steps of the rollout; None: as in the run's validation.
        space: "latent" or "physical", in which rollouts go on; None: as in the run's validation.

    Statistics are those of the checkpoint: they are never measured again.

    Raises:
        CheckpointError: the folder is not a run, or has no such checkpoint.
        DataError: the data have changed, and the split has trajectories that the operator was trained on.
    """
    experiment = load_run(run_dir, [f"trainer.device={device}"] if device else [])
    experiment = experiment.of_stage(experiment.stages[-1])
    path = run_dir / "checkpoints" / f"{which}.pt"
    operators = load_all(path)
    known = {task: (operator.normalization, operator.training) for task, operator in operators.items()}
    prepared = experiment.prepare_all(known)
    for data in prepared.values():
        _check_unseen(data, split)
    on = resolve_device(experiment.settings.trainer.device)
    check_precision(experiment.settings.trainer.precision, on)
    return experiment.judge({task: one.to(on) for task, one in operators.items()}, prepared, split, steps, space)


def _check_unseen(prepared: PreparedData, split: Split) -> None:
    """Refuses a split of changed data that has trajectories of training; says what else has changed."""
    differences = prepared.training.differences(prepared.fingerprint())
    if not differences:
        return
    seen = [] if split == "train" else prepared.training.seen_in(prepared.trajectories(split))
    if seen:
        raise DataError(
            f"the data are not those of the run: {'; '.join(differences)}; {len(seen)} of the "
            f"{len(prepared.trajectories(split))} trajectories of the split {split!r} are among those of "
            f"training; evaluate on data that the operator has not seen"
        )
    remark(f"the data are not those of the run: {'; '.join(differences)}")


def load_run(run_dir: Path, overrides: Sequence[str] = (), registry: Registry | None = None) -> Experiment:
    """The experiment of a run folder.

    Raises:
        CheckpointError: the folder is not a run, or plugins that it needs are not installed.
    """
    path = run_dir / run_folder.CONFIG
    if not path.is_file():
        raise CheckpointError(f"{run_dir}: this is not the folder of a run; it has no {run_folder.CONFIG}")
    registry = registry or plugins.installed()
    check_run(run_dir, registry)
    return Experiment.from_yaml(path, overrides, registry)
