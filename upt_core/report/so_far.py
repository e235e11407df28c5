"""Where a run stands, in words and figures: state, time left, best validation, what it must beat."""

from __future__ import annotations

import math

from upt_core.report.load import LATE, RunData, Series
from upt_core.report.verdict import verdicts
from upt_core.run.metrics_log import METRICS
from upt_core.run.verdict import Verdict

QUIET = 600.0
"""Seconds without a new line, at least, after which a run is said to have ended perhaps."""


def in_time(seconds: float) -> str:
    """Time in the units that a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def finished(run: RunData) -> bool:
    """Whether there are results, and no training after them: a resumed run keeps its old results until it ends."""
    if run.results is None:
        return False
    metrics, results = run.folder / METRICS, run.folder / "results.json"
    return not metrics.is_file() or metrics.stat().st_mtime <= results.stat().st_mtime + LATE


def ended(run: RunData) -> str:
    """How far a finished run came, in words."""
    budget = (run.config.get("trainer") or {}).get("budget")
    early = run.epochs_done < run.epochs
    why = f"; the budget of {in_time(budget['seconds'])} is spent" if budget and early else ""
    return f"Finished after {run.epochs_done} of {run.epochs} epochs and {in_time(run.seconds)} of training{why}"


def status(run: RunData) -> str:
    """How far training came, and how long it will take."""
    done = f"{run.epochs_done} of {run.epochs} epochs"
    if finished(run):
        return ended(run)
    if not run.lines:
        return f"Begun: no step of {run.epochs} epochs has been logged yet"
    left = seconds_left(run)
    rest = f"; about {in_time(left)} left" if left is not None else ""
    return f"In training: {done} done, {in_time(run.seconds)} so far{rest}"


def seconds_left(run: RunData) -> float | None:
    """Time to the last epoch at the speed so far, or to the end of the budget; None before the first epoch ended."""
    if not run.epochs_done:
        return None
    left = run.seconds / run.position * max(run.epochs - run.position, 0.0)
    budget = run.config["trainer"].get("budget")
    return min(left, max(budget["seconds"] - run.seconds, 0.0)) if budget else left


def silence(run: RunData, age: float) -> str:
    """When the run last wrote, in words; a doubt where that is long ago."""
    if finished(run):
        return ""
    epochs = run.series("epoch").get("seconds")
    usual = max(QUIET, 3 * float(epochs.value[-1])) if epochs is not None else QUIET
    doubt = "; the run may have been interrupted" if age > usual else ""
    return f"Last line {in_time(age)} ago{doubt}"


def figures(run: RunData) -> dict[str, str]:
    """Name → figure: best and newest validation, loss, learning rate, gradient norm, speed."""
    steps, epochs, validation = run.series("step"), run.series("epoch"), run.series("validation")
    rows = {}
    best = best_of(run)
    if best is not None:
        rows[f"best {run.monitor}"] = f"{best[1]:.4g} after epoch {best[0]:.0f}"
    rows |= {f"newest {name}": f"{series.value[-1]:.4g}" for name, series in validation.items()}
    rows |= {f"loss {name}": _now(series) for name, series in run.series("step", "loss/").items()}
    named = (("learning rate", steps.get("lr")), ("gradient norm", steps.get("gradient_norm")))
    rows |= {name: _now(series) for name, series in named if series is not None}
    if "samples_per_second" in epochs:
        rows["speed"] = f"{_now(epochs['samples_per_second'])} samples a second"
    return rows


def best_of(run: RunData) -> tuple[float, float] | None:
    """Epoch and value of the best finite figure of the monitored metric; None before the first."""
    series = run.series("validation").get(run.monitor)
    pairs = [] if series is None else list(zip(series.epoch.tolist(), series.value.tolist(), strict=True))
    found = [(epoch, value) for epoch, value in pairs if math.isfinite(value)]
    better = min if run.description.get("lower_is_better", True) else max
    return better(found, key=lambda pair: pair[1]) if found else None


def verdicts_so_far(run: RunData) -> list[Verdict]:
    """The report's verdicts at the end; before, the best validation beside what is known of the baselines."""
    if finished(run):
        return verdicts(run)
    best = best_of(run)
    if best is None:
        return [Verdict("unknown", "No validation has taken place yet.")]
    words = f"Best so far: {run.monitor} {best[1]:.3g} on the validation split, after epoch {best[0]:.0f}."
    rivals = {who: found[run.monitor] for who, found in (run.results or {}).items() if run.monitor in found}
    rivals.pop("model", None)
    if not rivals:
        return [Verdict("unknown", f"{words} The baseline is measured when the run ends.")]
    known = ", ".join(f"{who} {value:.3g}" for who, value in rivals.items())
    return [Verdict("unknown", f"{words} On the test split, when the run last ended: {known}.")]


def _now(series: Series) -> str:
    return f"{series.value[-1]:.4g}"
