"""Predictions for files: each read, answered and written; those that are there already are left as they are.

Answers go to disk batch by batch, so memory is that of one batch, whatever the number of samples.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from upt_core import __version__
from upt_core.errors import DataError, UserError
from upt_core.operator.answers import Answers
from upt_core.operator.cases import Asked, Request
from upt_core.operator.file import digest
from upt_core.operator.gathered import Gathered
from upt_core.operator.load import place
from upt_core.operator.operator import Operator
from upt_core.operator.output import check_output, write, writing
from upt_core.run.inputs import Part, of_file, of_own_data

Told = Callable[[int, int], None]
"""Is told how many samples of how many are answered."""

RECORD = "predictions.json"
"""In a folder of predictions: what each file was asked for, so that an interrupted call goes on."""


@dataclass(frozen=True, eq=False)
class Done:
    """One output.

    Args:
        answers: None where it was there already.
        seconds: that the answers took, reading included.
    """

    path: Path | None
    answers: Answers | None
    seconds: float


def predict_files(
    operator: Operator,
    source: Path,
    inputs: Sequence[Path],
    output: Path,
    ending: str,
    overrides: Sequence[str],
    request: Request,
    told: Told = lambda done, total: None,
) -> Iterator[Done]:
    """One output for each input, in the folder ``output``; complete ones that were asked for alike are left.

    Raises:
        DataError: an input is not there; said before the first is answered.
        UserError: two inputs would have one output, or the folder cannot be written.
    """
    for path in inputs:
        if not path.exists():
            raise DataError(f"{path}: there is no such file")
    targets = {path: output / f"{path.stem}{ending}" for path in inputs}
    if len(set(targets.values())) < len(inputs):
        raise UserError(
            "two inputs have the same name, so their outputs would overwrite each other; predict them one by one"
        )
    for path, target in targets.items():
        wanted = _signature(source, path, overrides, request)
        if target.is_file() and _recorded(output).get(target.name) == wanted:
            yield Done(target, None, 0.0)
            continue
        ask = partial(of_file, operator, path, overrides, request)
        yield predict_one(ask, target, about(source, path), told)
        _record(output, {**_recorded(output), target.name: wanted})


def predict_split(
    operator: Operator,
    source: Path,
    split: Part,
    target: Path | None,
    overrides: Sequence[str],
    request: Request,
    told: Told = lambda done, total: None,
) -> Done:
    """The answers for a split of the operator's own data."""
    ask = partial(of_own_data, operator, split, overrides, request)
    return predict_one(ask, target, about(source, f"split {split}"), told)


def predict_one(
    ask: Callable[[], Asked],
    target: Path | None,
    about: Mapping[str, str],
    told: Told = lambda done, total: None,
) -> Done:
    """Asks, and writes the answers where there is a target.

    Args:
        ask: reads the input, and says what is to be answered.
        about: where the answers come from; kept in the file.

    Raises:
        DataError: there is nothing to answer, or the operator cannot take it.
        UserError: the target cannot be written.
    """
    if target is not None:
        check_output(target)
    start = time.perf_counter()
    asked = ask()
    with Gathered(target.parent if target is not None else None) as gathered:
        for part in asked:
            with writing(target):
                gathered.add(part)
            told(gathered.samples, asked.total)
        if gathered.samples == 0:
            raise DataError(f"{about['input']}: holds no trajectories")
        with writing(target):
            answers = gathered.answers()
    seconds = time.perf_counter() - start
    if target is not None:
        write(answers, target, about)
    return Done(target, answers, seconds)


def about(source: Path, asked: Path | str) -> dict[str, str]:
    """Where answers come from, for the files that hold them."""
    path = place(source)
    return {
        "operator": str(source),
        "operator_digest": digest(path),
        "input": str(asked),
        "upt": __version__,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _signature(source: Path, path: Path, overrides: Sequence[str], request: Request) -> str:
    """Changes with the operator, the input and what is asked."""
    files = [(str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in (place(source), path)]
    asked = [request.steps, request.space, list(overrides), np.asarray(request.at, dtype=object).tolist()]
    return hashlib.blake2b(json.dumps([files, asked], default=str).encode(), digest_size=16).hexdigest()


def _recorded(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _record(folder: Path, content: Mapping[str, str]) -> None:
    part = folder / f".{RECORD}.part"
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / RECORD)
