"""One YAML file as an object: everything that ``upt`` does with it, in Python."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from upt_core.config.document import Document, read_any
from upt_core.errors import CheckpointError, EndRun
from upt_core.processes import joined
from upt_core.registry import Registry
from upt_core.registry import discovery as plugins
from upt_core.registry.doctor import check_run
from upt_core.remarks import heard_by
from upt_core.run.assemble_all import WholeAssembler
from upt_core.run.notebook import NotebookBar, in_kernel
from upt_core.run.remarks_log import RemarksLog
from upt_core.run.runner import Runner
from upt_core.run.trained import Run
from upt_core.run.written_config import CONFIG, config_of
from upt_core.wording import typed


class Experiment(WholeAssembler):
    """One YAML file: everything that ``upt`` does with it, in Python.

    Example:
        Experiment.from_yaml("configs/burgers.yaml", ["trainer.epochs=3"]).train()
    """

    def __repr__(self) -> str:
        """Its name; the tasks, where there are several."""
        tasks = ", ".join(name for name in self.parts if name)
        return f"Experiment({self.name!r}{f', tasks {tasks}' if tasks else ''})"

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

    def train(
        self,
        run_dir: Path | str | None = None,
        resume: bool = False,
        listeners: Sequence[object] = (),
        progress: bool = True,
        replace: bool = False,
    ) -> Run:
        """Trains, and leaves everything in the run folder. Processes that torchrun started train together.

        Args:
            run_dir: the run's folder; None: a new one in the experiment's ``output``. One that holds a run is refused.
            resume: go on from the folder's last checkpoint.
            listeners: objects with ``@hookimpl`` methods, beside the experiment's callbacks; of several processes,
                those of the first.
            progress: in a notebook, show bars, losses and metrics in one place. Elsewhere nothing is shown.
            replace: replace the run in the folder; the files of that run are removed first, other files stay.

        Returns:
            The run, with metrics on the test split: of the best checkpoint as "model", and of the baselines.

        Raises:
            UserError: the folder holds a run, and neither ``resume`` nor ``replace`` is given, or both are.
            KeyboardInterrupt: the run was interrupted; its state is saved, and a note says how to go on, as after any
                other exception during training.
        """
        folder = None if run_dir is None else Path(run_dir)
        bars = [NotebookBar(folder.resolve().name if folder else self.name)] if progress and in_kernel() else []
        said = RemarksLog()
        with heard_by(said), joined():
            runner = Runner(self, folder, resume, [*listeners, *bars], said, replace)
            try:
                results = runner.run()
            except BaseException as error:
                if runner.saved and not isinstance(error, EndRun):
                    call = f"Experiment.train({str(runner.run_dir)!r}, resume=True)"
                    error.add_note(
                        f"the state is saved; continue with {call}, or with upt train --resume {typed(runner.run_dir)}"
                    )
                raise
        return Run(runner.run_dir, results)


def load_run(run_dir: Path, overrides: Sequence[str] = (), registry: Registry | None = None) -> Experiment:
    """The experiment of a run folder.

    Raises:
        CheckpointError: the folder is not a run, or plugins that it needs are not installed.
    """
    path = run_dir / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{run_dir}: this is not the folder of a run; it has no {CONFIG}")
    registry = registry or plugins.installed()
    check_run(run_dir, registry)
    config_of(run_dir)  # refuses one that is empty
    return Experiment.from_yaml(path, overrides, registry)
