"""The verdicts that open a report."""

from __future__ import annotations

from upt_core.report.load import RunData
from upt_core.run.verdict import Verdict, verdict


def verdicts(run: RunData) -> list[Verdict]:
    """One for each task; where there are no results yet, one that says so."""
    if run.results is None:
        return [Verdict("unknown", "The run is not finished. The test split is evaluated at its end.")]
    names = [name for name in run.results["model"] if name.rpartition("/")[2] == run.monitor.rpartition("/")[2]]
    lower = bool(run.description.get("lower_is_better", True))
    return [verdict(run.results, name, lower) for name in names or list(run.results["model"])[:1]]
