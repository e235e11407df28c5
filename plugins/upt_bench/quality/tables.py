"""The benchmark of quality as figures with goals, and as tables of the documentation."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from upt_bench.quality.operators import LOSSES, OPERATORS, SAMPLERS, WEIGHTS
from upt_bench.quality.tasks import TASKS, Task
from upt_bench.results import Figure, Results
from upt_bench.table import markdown

Row = dict[str, Any]
SHOWN = {
    "one_step": "one step",
    "rollout_physical": "rollout, physical",
    "rollout_latent": "rollout, latent",
    "half_way": "one step half-way between points",
    "finer": "one step at twice the resolution",
    "spectrum_physical": "spectrum, physical",
    "spectrum_latent": "spectrum, latent",
    "reconstruction": "reconstruction",
}


FNO = ("fno", "fno-soap")
OTHERS = ("tfno", "tfno-soap", "uno", "uno-soap", "unet", "unet-soap", "ape-fno", "ape-unet", "ape-resnet")
"""Other networks on grids, without a goal."""
RATIOS = {
    "one_step_to_fno": ("one step, over the better FNO's", "one_step", "one_step", FNO, 0.7),
    "rollout_to_fno": ("rollout, latent, over the better FNO's", "rollout_latent", "rollout_physical", FNO, 0.7),
    "latent_to_physical": ("rollout, latent over physical", "rollout_latent", "rollout_physical", ("upt",), 1.2),
    "half_way_to_points": ("one step half-way over on points", "half_way", "one_step", ("upt",), 1.2),
}
"""Goals that every task has: text, upt's figure, what it is divided by, of which operators (the best), the goal."""


def figures(results: Results) -> list[Figure]:
    """upt's figures that have a goal, the mean over seeds."""
    found = []
    for task in TASKS.values():
        found += [*_absolute(results, task), *_relative(results, task)]
        found += _of_points(results, task) if task.scattered else []
    return found


def _absolute(results: Results, task: Task) -> Iterator[Figure]:
    for name, goal in task.goals.items():
        values = _values(_rows(results, task.name, "upt"), _judged(task.name, name))
        if values:
            text = f"{task.title}: {SHOWN[name]}"
            yield Figure(f"{task.name}_{name}", text, statistics.fmean(values), goal, detail=_seeds(values))


def _relative(results: Results, task: Task) -> Iterator[Figure]:
    for name, (text, own, other, operators, goal) in RATIOS.items():
        values = _values(_rolled_out(_rows(results, task.name, "upt"), own), own)
        best = _best(results, task.name, operators, other)
        if values and best is not None:
            measured = statistics.fmean(values) / best
            yield Figure(f"{task.name}_{name}", f"{task.title}: {text}", measured, goal, detail=_seeds(values))


def _of_points(results: Results, task: Task) -> Iterator[Figure]:
    """Goals at scattered points: against persistence, and after a third of the time against all points as queries."""
    rows = _rows(results, task.name, "upt")
    own, still = _values(rows, "one_step"), _values(_rows(results, task.name, "persistence"), "one_step")
    if own and still:
        text = f"{task.title}: one step, over persistence"
        yield Figure(f"{task.name}_to_persistence", text, statistics.fmean(own) / still[0], 0.3, detail=_seeds(own))
    early = _values(_rows(results, task.name, "upt", rows[0]["budget"] / 3), "one_step") if rows else []
    dense = _values(_rows(results, task.name, "upt-dense"), "one_step")
    if early and dense:
        text = f"{task.title}: one step after a third of the time, over every point in every step"
        measured = statistics.fmean(early) / statistics.fmean(dense)
        yield Figure(f"{task.name}_to_dense", text, measured, 1.0, detail=_seeds(early))


def _rolled_out(rows: list[Row], name: str) -> list[Row]:
    """Without rollouts of a single step, which is the same in every space."""
    return [row for row in rows if not (name.startswith("rollout") and row.get("horizon") == 1)]


def _best(results: Results, task: str, operators: Sequence[str], name: str) -> float | None:
    """The smallest mean over seeds."""
    best = _best_of(results, task, operators, name)
    return None if best is None else statistics.fmean(_values(_rows(results, task, best), name))


def _best_of(results: Results, task: str, operators: Sequence[str], name: str) -> str | None:
    """Whose mean over seeds is the smallest."""
    values = {operator: _values(_rows(results, task, operator), name) for operator in operators}
    known = {operator: statistics.fmean(found) for operator, found in values.items() if found}
    return min(known, key=known.__getitem__, default=None)


def _seeds(values: Sequence[float]) -> str:
    return f"{len(values)} seeds" if len(values) > 1 else "1 seed"


def _judged(task: str, name: str) -> str:
    """The figure that a goal is for: of burgers1d's rollouts over all time steps together, as it was set."""
    return f"{name}_joint" if task == "burgers1d" and name.startswith("rollout") else name


def table_of(task: str, budget: float | None = None, operators: Iterable[str] = OPERATORS) -> Callable[[Results], str]:
    """Operators as lines, figures as columns, of one task; at its longest budget, or another one."""

    def table(results: Results) -> str:
        found = {name: _rows(results, task, name, budget) for name in operators}
        found = {name: rows for name, rows in found.items() if rows}
        columns = [name for name in SHOWN if any(_values(rows, name) for rows in found.values())]
        header = ["operator", "parameters", "steps", "MiB", *(SHOWN[name] for name in columns), "seeds"]
        return markdown(header, [_line(name, rows, columns) for name, rows in found.items()])

    return table


def _line(operator: str, rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    parameters = f"{rows[0]['parameters']:,}" if rows[0].get("parameters") else "–"
    steps = f"{round(statistics.fmean(_values(rows, 'steps'))):,}" if rows[0].get("steps") else "–"
    memory = f"{max(_values(rows, 'peak_mib')):,.0f}"
    cells = [shown(_values(rows, name)) for name in columns]
    return [OPERATORS[operator].title, parameters, steps, memory, *cells, str(len(rows))]


def shown(values: Sequence[float]) -> str:
    """The mean; with several seeds also the smallest and the largest."""
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.2g}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.2g} to {max(values):.2g})"


def summary(results: Results) -> str:
    """One line a task: upt, its rivals, and the goals."""
    lines = []
    for task in TASKS.values():
        names = ("one_step", "rollout_physical", "rollout_latent")
        known = [name for name in names if _values(_rolled_out(_rows(results, task.name, "upt"), name), name)]
        lines += [[task.title, SHOWN[name], *_rivals(results, task.name, name)] for name in known]
    columns = [
        "persistence",
        "FNO, AdamW",
        "FNO, SOAP",
        "best other network",
        "upt",
        "upt / best FNO",
        "upt / best of all",
    ]
    return markdown(["data", "figure", *columns], lines)


def _rivals(results: Results, task: str, name: str) -> list[str]:
    compared = _compared(name)
    rivals = {own: _values(_rows(results, task, own), compared) for own in ("persistence", *FNO)}
    own = _values(_rows(results, task, "upt"), name)
    other = _best_of(results, task, OTHERS, compared)
    best = (
        "–" if other is None else f"{OPERATORS[other].title}: {shown(_values(_rows(results, task, other), compared))}"
    )
    ratios = [_ratio(own, _best(results, task, operators, compared)) for operators in (FNO, (*FNO, *OTHERS))]
    return [*(shown(rivals[name]) for name in rivals), best, f"**{shown(own)}**", *ratios]


def _ratio(own: Sequence[float], best: float | None) -> str:
    return "–" if best is None else f"{statistics.fmean(own) / best:.2g}"


def _compared(name: str) -> str:
    """The figure of others that one of upt's is compared with: they have no latent."""
    return "rollout_physical" if name == "rollout_latent" else name


def networks(results: Results) -> str:
    """One line a task and figure, one column for each network that was measured."""
    measured = [name for name in (*FNO, *OTHERS) if any(_rows(results, task, name) for task in TASKS)]
    lines = []
    for task in TASKS.values():
        for name in ("one_step", "rollout_physical"):
            rows = {own: _rolled_out(_rows(results, task.name, own), name) for own in (*measured, "upt")}
            values = {own: _values(found, name) for own, found in rows.items()}
            if any(values[own] for own in measured if own in OTHERS):
                lines.append([task.title, SHOWN[name], *(_mean_of(found) for found in values.values())])
    return markdown(["data", "figure", *(OPERATORS[own].title for own in (*measured, "upt"))], lines)


def _mean_of(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.2g}" if values else "–"


def _rows(results: Results, task: str, operator: str, budget: float | None = None) -> list[Row]:
    """Of one budget; None: the task's longest."""
    own = [row for row in results.curves["quality"] if row["task"] == task and is_result(row)]
    budget = max((row["budget"] for row in own), default=0.0) if budget is None else budget
    return [row for row in own if row["operator"] == operator and row["budget"] == budget]


def is_result(row: Row) -> bool:
    """Whether a row is a result: judged on the test split, of the configuration as it is."""
    return "one_step" in row and row.get("split", "test") == "test" and "changes" not in row


def choices(results: Results) -> str:
    """What was compared on the validation split, before a configuration was chosen."""
    columns = ("one_step", "rollout_physical", "rollout_latent", "half_way")
    lines = []
    for task in TASKS.values():
        for row in results.curves["quality"]:
            if row["task"] == task.name and row.get("split") == "valid":
                changed = ", ".join(f"`{change}`" for change in row.get("changes", ())) or "–"
                values = [shown(_values([row], name)) for name in columns]
                title = OPERATORS[row["operator"]].title
                lines.append([task.title, title, changed, f"{row['budget']:g}", str(row["steps"]), *values])
    return markdown(["data", "operator", "changed", "seconds", "steps", *(SHOWN[name] for name in columns)], lines)


def _values(rows: Sequence[Row], name: str) -> list[float]:
    return [row[name] for row in rows if isinstance(row.get(name), (int, float))]


def measured_on(results: Results) -> str:
    """The machine, in a sentence."""
    e = results.environment
    return (
        f"Last measured {e['date']} on {e['device']} ({e['processor']}, {e['cores']} cores shared with other work, one "
        f"thread for each operator), torch {e['torch']}, Python {e['python']}. Seconds are processor seconds of "
        f"training."
    )


MEASURED = (
    *("burgers1d", "pdebench_burgers", "pdebench_advection", "diffusion_reaction"),
    *("kolmogorov", "darcy", "kuramoto_sivashinsky", "shallow_water"),
    *("burgers3d", "scattered_burgers", "cfd_cloud"),
    *("apebench_kdv", "apebench_ks", "apebench_burgers", "apebench_turbulence"),
)
"""Tasks that the documentation has results of."""
SHORT = 20.0
"""Seconds of the comparisons of losses and samplers."""
ABLATED = (
    *("burgers1d", "kuramoto_sivashinsky", "pdebench_advection"),
    *("kolmogorov", "diffusion_reaction", "shallow_water"),
)
"""Tasks with comparisons of losses."""
WEIGHED = ABLATED
"""Tasks with comparisons of weights and frequencies of losses."""
SAMPLED = (
    *("burgers1d", "kolmogorov", "kuramoto_sivashinsky"),
    *("pdebench_advection", "shallow_water", "pdebench_burgers"),
)
"""Tasks with comparisons of samplers."""
TABLES: dict[str, Callable[[Results], str]] = {
    "quality": summary,
    "networks": networks,
    "environment": measured_on,
    "choices": choices,
    "ablation_optimizers": table_of("burgers1d", SHORT, ("upt", "upt-adamw")),
    **{f"ablation_{task}": table_of(task, SHORT, LOSSES) for task in ABLATED},
    **{f"weights_{task}": table_of(task, SHORT, WEIGHTS) for task in WEIGHED},
    **{f"samplers_{task}": table_of(task, SHORT, SAMPLERS) for task in SAMPLED},
    **{f"quality_{task}": table_of(task) for task in MEASURED},
    "quality_cfd_cloud_third": table_of("cfd_cloud", 20.0, ("upt", "upt-dense")),
}
