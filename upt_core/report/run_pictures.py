"""The report's pictures of a run that goes on, for listeners that show them elsewhere: new ones, and not too often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from upt_core.report import predictions, sampling
from upt_core.report.load import LATEST, RunData, load, read_examples
from upt_core.report.style import LIGHT, Theme
from upt_core.run.pace import Pace

DENSITIES = "sampling.npz"


class RunPictures:
    """Pictures of example predictions and of where the samplers looked, as the report draws them, since the last look.

    Args:
        run_dir: the run folder. Predictions of the validation split are written into it after some validations,
            densities of query points at a few epochs.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._seen: dict[Path, int] = {}
        self._pace = Pace(at_once=True)

    def new(self, last: bool = False) -> Iterator[tuple[str, Figure]]:
        """Name → figure of what was written since the last look: ``predictions``, ``query_points/STREAM``.

        Of several tasks ``predictions/TASK`` and ``query_points/TASK/STREAM``. Nothing where the last time is too short
        ago: drawing, and what is done with the figures, takes at most 2 % of the run's time.

        Args:
            last: whether no look follows: then everything new is drawn.

        Raises:
            UserError: a file of the folder is damaged.
        """
        if not (last or self._pace.due):
            return
        paths = [path for pattern in (f"{LATEST}*.npz", DENSITIES) for path in sorted(self._run_dir.glob(pattern))]
        written = {path: path.stat().st_mtime_ns for path in paths}
        changed = [path for path in paths if self._seen.get(path) != written[path]]
        self._seen |= written
        if not changed:
            return
        with self._pace.taking():
            run = load(self._run_dir)
            for path in changed:
                yield from _densities(run) if path.name == DENSITIES else _predictions(run, path)


def _predictions(run: RunData, path: Path) -> Iterator[tuple[str, Figure]]:
    name = path.stem.replace(LATEST, "predictions", 1).replace("-", "/", 1)
    yield from _drawn(name, predictions.draw, replace(run, examples=read_examples(path)))


def _densities(run: RunData) -> Iterator[tuple[str, Figure]]:
    """A picture for each task and sampler."""
    streams = dict.fromkeys((str(one["task"]), str(one["stream"])) for one in run.densities)
    for task, stream in streams:
        own = [one for one in run.densities if (str(one["task"]), str(one["stream"])) == (task, stream)]
        name = "/".join(part for part in ("query_points", task, stream) if part)
        yield from _drawn(name, sampling.draw, replace(run, densities=own))


def _drawn(name: str, draw: Callable[[RunData, Theme], Figure | None], run: RunData) -> Iterator[tuple[str, Figure]]:
    with LIGHT.applied():
        figure = draw(run, LIGHT)
    if figure is not None:
        yield name, figure
