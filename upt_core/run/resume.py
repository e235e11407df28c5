"""What a run may change when it goes on, what it takes from its checkpoint, and the record of its changes.

One rule: a run goes on as the experiment that it is. ``MAY_CHANGE`` lists what is about how long, how fast and how it
is watched; those changes take effect and are written to config.yaml and changes.json. All others are refused: they make
another experiment, which is a new run.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from upt_core.config.sections import as_plain
from upt_core.data.prepared import PreparedData
from upt_core.errors import CheckpointError
from upt_core.operator.load import operators_of
from upt_core.operator.rebuilt import known_of
from upt_core.run.assemble import Known
from upt_core.run.assemble_all import WholeAssembler
from upt_core.run.folder import write_json
from upt_core.training.saver import newest
from upt_core.whole_file import read_json

CHANGES = "changes.json"

MAY_CHANGE = (
    "output",
    "callbacks*",
    "trainer.epochs",
    "trainer.budget*",
    "trainer.max_time",
    "trainer.optimizer.lr",
    "trainer.lr_schedule*",
    "trainer.clip_norm",
    "trainer.device",
    "trainer.strategy",
    "trainer.workers",
    "trainer.compile",
    "trainer.log_every",
    "trainer.gradient_share_every",
    "trainer.sampling_share_every",
    "trainer.checkpoint*",
    "trainer.on_nan",
    "trainer.max_gradient_spike",
    "validation.every",
    "validation.patience",
    "validation.batch_size",
)
"""Keys that a resume may change, also those of a stage; ``*`` stands for what is below a key."""


@dataclass(frozen=True)
class Change:
    """A value that is another one than in the run's config.yaml; None where it is not there."""

    key: str
    before: Any
    after: Any

    @property
    def allowed(self) -> bool:
        """Whether a run may go on with it."""
        parts = self.key.split(".")
        own = ".".join(parts[2:]) if parts[0] == "stages" and len(parts) > 2 else self.key
        return any(fnmatch.fnmatchcase(own, pattern) for pattern in MAY_CHANGE)

    def __str__(self) -> str:
        return f"{self.key}: {json.dumps(self.before)} in the run, {json.dumps(self.after)} now"


@dataclass(frozen=True)
class Resumed:
    """What a run that goes on brings with it.

    Args:
        operators: what its newest checkpoint says of them; None: it was killed before the first, and begins anew.
        changes: of its configuration.
        states: stage → where it stands, for those that have begun.
    """

    operators: dict[str, dict[str, Any]] | None
    changes: tuple[Change, ...]
    states: dict[int, dict[str, Any]]

    @property
    def known(self) -> dict[str, Known] | None:
        """The statistics and the training data of each task's operator."""
        return None if self.operators is None else {task: known_of(plain) for task, plain in self.operators.items()}


def read(run_dir: Path, before: WholeAssembler, after: WholeAssembler, folders: Sequence[Path]) -> Resumed:
    """What a run brings with it.

    Args:
        before: the experiment of its config.yaml.
        after: the experiment with which it is to go on.
        folders: of the checkpoints of each stage.

    Raises:
        CheckpointError: a change is not allowed, or its checkpoints cannot be read.
    """
    changes = tuple(changes_of(as_plain(before.settings, Path.cwd()), as_plain(after.settings, Path.cwd())))
    refused = [change for change in changes if not change.allowed]
    if refused:
        listed = "\n".join(f"    {change}" for change in refused)
        raise CheckpointError(
            f"{run_dir}: a resumed run keeps its experiment, and these changes make another experiment\n{listed}\n"
            "    start a new run for another experiment; a resume can change: "
            f"{', '.join(key.rstrip('*') for key in MAY_CHANGE)}"
        )
    operators, states = None, {}
    for number, folder in enumerate(folders):
        found = newest(folder)
        if found is not None:
            content, path = found
            operators, states[number] = operators_of(content, path), dict(content["state"])
    resumed = Resumed(operators, changes, states)
    _check_stages(run_dir, before, after, resumed)
    return resumed


def changes_of(before: Any, after: Any, key: str = "") -> Iterator[Change]:
    """Every value of a plain configuration that differs; another plugin counts as one change."""
    if isinstance(before, Mapping) and isinstance(after, Mapping) and before.get("name") == after.get("name"):
        for name in dict.fromkeys((*before, *after)):
            yield from changes_of(before.get(name), after.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changes_of(old, new, f"{key}.{number}")
    elif before != after:
        yield Change(key, before, after)


def check_same_data(run_dir: Path, prepared: Mapping[str, PreparedData]) -> None:
    """Refuses to go on with other data than those of the run.

    Raises:
        CheckpointError: with what differs.
    """
    for task, data in prepared.items():
        differences = data.training.differences(data.fingerprint())
        if differences:
            of_task = f" of task {task!r}" if task else ""
            raise CheckpointError(
                f"{run_dir}: the data{of_task} are not those of the run: {'; '.join(differences)}. A resume needs the "
                "data of the run: restore them, or start a new run on these"
            )


def check_lengths(run_dir: Path, states: Mapping[int, Mapping[str, Any]], lengths: Sequence[tuple[int, int]]) -> None:
    """Refuses fewer epochs than are trained.

    Args:
        lengths: of each stage: its epochs, and the batches of one.

    Raises:
        CheckpointError: with both numbers.
    """
    for number, state in states.items():
        epochs, per_epoch = lengths[number]
        if state["step"] > epochs * per_epoch:
            key = f"stages.{number}.trainer.epochs" if len(lengths) > 1 else "trainer.epochs"
            raise CheckpointError(
                f"{run_dir}: {key} is {epochs}, but {state['step'] / per_epoch:.4g} epochs are trained; give "
                f"{-(-state['step'] // per_epoch)} or more"
            )


def history(run_dir: Path) -> list[dict[str, Any]]:
    """The changes that resumes made, the first ones first."""
    found: list[dict[str, Any]] = read_json(run_dir / CHANGES, list)
    return found


def record(run_dir: Path, resumed: Resumed) -> None:
    """Adds what changes to the history in changes.json: when, at which step, what was and what is."""
    if not resumed.changes:
        return
    made, stage = history(run_dir), max(resumed.states, default=0)
    made.append(
        {
            "time": datetime.now().astimezone().isoformat(timespec="seconds"),
            "stage": stage + 1,
            "step": resumed.states.get(stage, {}).get("step", 0),
            "changes": {change.key: {"before": change.before, "after": change.after} for change in resumed.changes},
        }
    )
    write_json(run_dir, CHANGES, made)


def _check_stages(run_dir: Path, before: WholeAssembler, after: WholeAssembler, resumed: Resumed) -> None:
    """A stage that is over keeps its length: the next one began from its weights."""
    last = max(resumed.states, default=0)
    for number in range(last):
        old, new = before.stages[number].settings.trainer.epochs, after.stages[number].settings.trainer.epochs
        if old != new:
            raise CheckpointError(
                f"{run_dir}: stage {number + 1}, {before.stages[number].name!r}, ended after {old} epochs, and the "
                f"next stage has started; its epochs cannot become {new}; change the epochs of stage {last + 1} or "
                "later"
            )
