"""Which cells a benchmark of quality is made of, from what the command line says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from upt_bench.quality.cell import Cell
from upt_bench.quality.judged import Unseen
from upt_bench.quality.operators import MAIN, OPERATORS
from upt_bench.quality.tasks import TASKS
from upt_core import UserError


def cells_of(
    tasks: str | None,
    operators: str | None,
    seeds: str,
    data: Path | None,
    quick: bool,
    seconds: float | None,
    split: Unseen = "test",
    changes: tuple[str, ...] = (),
) -> list[Cell]:
    """Every task with every operator and seed that make sense together; operators that learn nothing get one seed.

    Raises:
        UserError: a name is unknown, a seed is no number, or a task's file is missing.
    """
    named_tasks = _named("tasks", tasks, TASKS, [name for name, task in TASKS.items() if task.is_there(data)])
    named_operators = _named("operators", operators, OPERATORS, MAIN)
    for name in named_tasks:
        TASKS[name].overrides(data)
    numbers = _numbers(seeds)
    return [
        Cell(task, operator, seed, data, quick, seconds, split, changes)
        for seed in numbers
        for task in named_tasks
        for operator in named_operators
        if (seed == numbers[0] or OPERATORS[operator].trained)
        and not (TASKS[task].steady and OPERATORS[operator].of_time)
        and (TASKS[task].symmetric or not OPERATORS[operator].plain)
        and not (TASKS[task].scattered and OPERATORS[operator].on_grid)
        and (TASKS[task].moves or not OPERATORS[operator].moved)
    ]


def _named(option: str, text: str | None, known: Iterable[str], default: Iterable[str]) -> list[str]:
    if text is None:
        return list(default)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise UserError(f"--{option}: there is no {name!r}; there are: {', '.join(known)}")
    return names


def _numbers(seeds: str) -> list[int]:
    try:
        return [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise UserError(f"--seeds {seeds}: expected whole numbers with commas, for example 0,1,2") from error
