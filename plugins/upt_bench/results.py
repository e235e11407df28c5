"""What a benchmark finds: figures beside their goals, curves, and the machine they were measured on; as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Args:
        key: a short name that does not change.
        text: what was measured.
        measured: the number.
        goal: the number to reach; None: there is no goal for it, or not on these data.
        better: whether the figure should be at most or at least the goal.
        unit: what follows the number: "×", "%", or nothing.
        detail: how it was measured, and what it was made of.
        noise: standard error of the number, relative to it; None: not known.
    """

    key: str
    text: str
    measured: float
    goal: float | None = None
    better: Literal["at most", "at least"] = "at most"
    unit: str = ""
    detail: str = ""
    noise: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.measured <= self.goal if self.better == "at most" else self.measured >= self.goal


@dataclass
class Results:
    """Everything that one run of a benchmark found.

    Args:
        environment: machine, versions, load, device, data.
        figures: the table.
        curves: name → rows of plain values, for plots and the documentation.
    """

    environment: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    curves: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes JSON."""
        plain = {
            "environment": self.environment,
            "figures": [asdict(figure) | {"reached": figure.reached} for figure in self.figures],
            "curves": self.curves,
        }
        path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Reads what ``save`` wrote."""
        plain = json.loads(path.read_text(encoding="utf-8"))
        figures = [Figure(**{k: v for k, v in row.items() if k != "reached"}) for row in plain["figures"]]
        return cls(plain["environment"], figures, plain["curves"])
