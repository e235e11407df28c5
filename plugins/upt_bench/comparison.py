"""Two runs of a suite beside each other: a figure is a ratio within its run, so its change is a ratio of ratios."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from upt_bench.results import Figure, Results
from upt_bench.table import measured, shown
from upt_core import UserError

UNKNOWN_NOISE = 0.1
"""Standard error of a figure, relative, where its measurement gives none."""
ERRORS = 2.0
"""A change of so many standard errors is more than noise."""


@dataclass(frozen=True)
class Change:
    """A figure in an older and in a newer run."""

    old: Figure
    new: Figure

    @property
    def ratio(self) -> float:
        """The new number over the old one; infinite where the old one is zero and the new one is not."""
        if self.old.measured == 0:
            return 1.0 if self.new.measured == 0 else math.inf
        return self.new.measured / self.old.measured

    @property
    def noise(self) -> float:
        """How much the numbers may differ by chance: ``ERRORS`` standard errors of their difference."""
        return ERRORS * math.hypot(*(_noise(figure) * abs(figure.measured) for figure in (self.old, self.new)))

    @property
    def worse(self) -> bool:
        """Whether the figure moved away from its goal beyond the noise; never where it has no goal."""
        return self._moved > self.noise

    @property
    def verdict(self) -> str:
        """worse, better, within the noise, or a dash where there is no goal."""
        if self.new.goal is None:
            return "–"
        return "worse" if self.worse else "better" if -self._moved > self.noise else "within the noise"

    @property
    def _moved(self) -> float:
        """By how much the figure is worse."""
        if self.new.goal is None:
            return 0.0
        return (self.new.measured - self.old.measured) * (1 if self.new.better == "at most" else -1)


def _noise(figure: Figure) -> float:
    return UNKNOWN_NOISE if figure.noise is None else figure.noise


def changes(old: Results, new: Results) -> list[Change]:
    """The figures that both runs have."""
    before = {figure.key: figure for figure in old.figures}
    return [Change(before[figure.key], figure) for figure in new.figures if figure.key in before]


def results_of_full_run(path: Path) -> Results:
    """Results to compare.

    Raises:
        UserError: the file is absent, not one of ``upt bench``, or of ``--quick``.
    """
    try:
        results = Results.load(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name the results.json of a run of `upt bench`") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path}: not a results.json of `upt bench` ({error!r}); name one") from None
    if results.environment.get("quick"):
        raise UserError(f"{path}: made with --quick, so its figures mean nothing; name one of a full run")
    return results


def compared(old: Results, new: Results, console: Console, title: str) -> bool:
    """Shows the comparison in the terminal; whether a figure is worse beyond the noise.

    Raises:
        UserError: the runs have no figure in common.
    """
    found = changes(old, new)
    if not found:
        raise UserError(f"{title}: no figure is in both; compare two runs of the same suite")
    table = Table("figure", "old", "new", "new / old", "verdict", title=title)
    looks = {"worse": "[red]worse[/]", "better": "[green]better[/]"}
    for change in found:
        ratio, verdict = shown(change.ratio), looks.get(change.verdict, change.verdict)
        table.add_row(change.new.text, measured(change.old), measured(change.new), ratio, verdict)
    console.print(table)
    return any(change.worse for change in found)
