"""A divided state that its processes saved each by itself, when an error had left them no way to do it together.

The folder has a file ``part-RANK-of-SIZE.pt`` of each process, as ``upt_core.operator.file`` writes it: its rows of the
divided tensors, and what only it knew. It is a whole checkpoint where all are there, of the same step. Any number of
processes reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_core.errors import CheckpointError
from upt_core.operator import file
from upt_core.shards import first_row, local

PREFIX = "alone-"
"""Folders of parts are called so, and by the run of the program that wrote them: parts of two are never mixed."""
_NAME = re.compile(r"part-(\d+)-of-(\d+)\.pt")


def write(folder: Path, place: tuple[int, int], state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """Writes the part of one process.

    Args:
        place: its rank, and how many processes there are.
        state: with keys in the places of the divided tensors.
        tensors: the divided ones, by key.
    """
    rank, size = place
    path = folder / f"part-{rank}-of-{size}.pt"
    content = {
        "step": state["state"]["step"],
        "own": {"random": state["random"], "means": state["means"]},
        "state": dict(state) if rank == 0 else None,
        "sizes": {key: value.shape for key, value in tensors.items()},
        "tensors": {key: local(value) for key, value in tensors.items()},
    }
    file.write(content, path)
    return path


def is_one(folder: Path) -> bool:
    """Whether a folder holds parts."""
    return folder.is_dir() and any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def state_of(folder: Path) -> dict[str, Any]:
    """The state, without the divided tensors.

    Raises:
        CheckpointError: a part is missing or damaged, or they are of different steps.
    """
    state: dict[str, Any] = {}
    own, steps = [], []
    for part in _parts(folder):
        state = state or part["state"]
        own.append(part["own"])
        steps.append(part["step"])
    if len(set(steps)) > 1:
        raise CheckpointError(f"{folder}: the processes saved the steps {', '.join(map(str, steps))}, not the same one")
    random = [one["random"] for one in own]
    means = [mean for one in own for mean in one["means"]]
    return {**state, "random": random[0], "random_of_others": random[1:], "means": means}


def sizes_of(folder: Path) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """The size and format of each divided tensor."""
    part = next(_parts(folder))
    return {key: (size, part["tensors"][key].dtype) for key, size in part["sizes"].items()}


def fill(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Reads the divided tensors of these keys, or this process's rows of them, in place."""
    begun = dict.fromkeys(tensors, 0)
    for part in _parts(folder):
        for key, target in tensors.items():
            rows, own = part["tensors"][key], local(target)
            shift = begun[key] - first_row(target)
            start, stop = max(0, shift), min(len(own), shift + len(rows))
            if start < stop:
                own[start:stop] = rows[start - shift : stop - shift]
            begun[key] += len(rows)


def _parts(folder: Path) -> Iterator[dict[str, Any]]:
    """The parts in the order of the ranks, one at a time in memory."""
    found = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    size = max((int(match[2]) for match in found), default=1)
    for rank in range(size):
        path = folder / f"part-{rank}-of-{size}.pt"
        if not path.is_file():
            raise CheckpointError(
                f"{folder}: only {len(found)} of {size} processes saved their parts, so it cannot be used"
            )
        yield file.read(path)
