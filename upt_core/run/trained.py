"""What training gives back: the folder of the run, and what the model reached."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from upt_core import html
from upt_core.errors import CheckpointError
from upt_core.figures import number
from upt_core.operator.html import results
from upt_core.operator.load import load
from upt_core.operator.operator import Operator
from upt_core.run import folder as run_folder
from upt_core.run.built import Results
from upt_core.run.observation import DESCRIPTION
from upt_core.run.verdict import Verdict, verdict
from upt_core.run.written_config import CONFIG
from upt_core.wording import typed


@dataclass(frozen=True, eq=False)
class Run(Mapping[str, dict[str, float]]):
    """A finished run: ``run["model"]["relative_l2"]`` is the model's error on the test split.

    ``Experiment.train`` gives it; ``Run.read`` finds it again. A notebook shows its verdict and its figures.
    It is read as a dict is, but ``json`` takes only real ones: give it ``run.results``.

    Args:
        folder: with configuration, checkpoints, metrics and results.
        results: name of a predictor ("model" first, then the baselines) → metric → value on the test split.
    """

    folder: Path
    results: Results

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """The run in a folder.

        Raises:
            CheckpointError: the folder is not a run, or the run is not finished.
        """
        folder = Path(folder)
        if not (folder / CONFIG).is_file():
            raise CheckpointError(f"{folder}: this is not the folder of a run; it has no {CONFIG}")
        if not (folder / run_folder.RESULTS).is_file():
            raise CheckpointError(
                f"{folder}: this run is not finished; continue with Experiment.train(folder, resume=True), "
                f"or with upt train --resume {typed(folder)}"
            )
        return cls(folder, _json(folder / run_folder.RESULTS)["predictors"])

    def operator(self, task: str | None = None, device: torch.device | str = "cpu") -> Operator:
        """The trained operator, of the best checkpoint; arguments and errors as those of ``upt_core.load``."""
        return load(self.folder, task, device)

    def __getitem__(self, name: str) -> dict[str, float]:
        return self.results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        """One line: folder, and the model's figures."""
        reached = ", ".join(f"{metric} {number(value)}" for metric, value in self.results["model"].items())
        return f"Run({str(self.folder)!r}: {reached} on the test split)"

    def _repr_html_(self) -> str:
        """What a notebook shows: verdict, figures beside those of the baselines, folder."""
        best = self._file(run_folder.RESULTS).get("best")
        rows = [("run folder", str(self.folder))]
        if best:
            rows.append(("best epoch", f"{best['epoch']} ({best['metric']} {number(best['value'])}, validation split)"))
        said = [html.line(found.words) for found in self._verdicts(best)]
        return html.block(f"Run {self.folder.resolve().name}", *said, results(self.results), html.described(rows))

    def _verdicts(self, best: Mapping[str, Any] | None) -> list[Verdict]:
        """One for each task, in the metric that chose the best checkpoint."""
        model = self.results["model"]
        decides = str(best["metric"]).rpartition("/")[2] if best else None
        names = [name for name in model if name.rpartition("/")[2] == decides] or list(model)[:1]
        lower = bool(self._file(DESCRIPTION).get("lower_is_better", True))
        return [verdict(self.results, name, lower) for name in names]

    def _file(self, name: str) -> dict[str, Any]:
        """A file of the folder; empty where it is not seen from here, as from another machine's process."""
        path = self.folder / name
        return _json(path) if path.is_file() else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: this file is damaged: {error}; train again, or use another copy") from error
    return found
