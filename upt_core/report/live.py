"""The live page of a run: where it stands, and the report's pictures; nothing is written into the run folder."""

from __future__ import annotations

import hashlib
import io
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path

from upt_core.errors import UserError
from upt_core.report import gradient_norm, losses, predictions, sampling, validation, weights
from upt_core.report.load import LATEST, Examples, RunData, load
from upt_core.report.page import Plot, facts_table
from upt_core.report.remarks import remarks
from upt_core.report.so_far import figures, finished, silence, status, verdicts_so_far
from upt_core.report.style import ALL_THEMES, LIGHT, Theme
from upt_core.report.template import CSS, LIVE_PAGE, LIVE_SCRIPT
from upt_core.report.text import picture, shown
from upt_core.run.lock import LOCK
from upt_core.run.metrics_log import METRICS

PLOTS = (
    Plot("validation", "Validation", validation.draw, validation.caption),
    Plot("losses", "Loss terms", losses.draw, lambda run: losses.CAPTION),
    Plot("weights", "Weights and learning rate", weights.draw, lambda run: weights.CAPTION),
    Plot("gradient_norm", "Gradient norm", gradient_norm.draw, lambda run: gradient_norm.CAPTION),
    Plot("sampling", "Where the sampler looked", sampling.draw, sampling.caption),
)
EXAMPLES = Plot("predictions", "Example predictions", predictions.draw, predictions.caption)
LOOKS = {theme.suffix: theme for theme in ALL_THEMES}
SHOWN = (
    "config.yaml",
    METRICS,
    "results.json",
    "description.json",
    "index.html",
    "examples*.npz",
    f"{LATEST}*.npz",
    "sampling.npz",
)
"""Files whose change makes a new page."""

Source = Callable[[str, Theme], str]
"""Name of a picture, and its look → what stands in ``src``."""


@dataclass(frozen=True)
class Snapshot:
    """A run folder at one moment.

    Args:
        folder: the run folder, which need not exist yet.
        version: changes with the folder's files.
        run: what was read; None while the run has not begun.
    """

    folder: Path
    version: str
    run: RunData | None

    @cached_property
    def views(self) -> dict[str, tuple[Plot, RunData]]:
        """Name → picture and the run that it shows, of pictures that have something to show."""
        run = self.run
        if run is None:
            return {}
        found = {plot.name: (plot, run) for plot in PLOTS}
        shown: dict[str, Examples | None] = {**run.tasks} or {"": run.examples}
        for task, examples in shown.items():
            old = examples is not None and examples.final and not finished(run)
            title = EXAMPLES.title + (" when the run last ended" if old else "")
            name, of = (f"{EXAMPLES.name}-{task}", f"{title}: {task}") if task else (EXAMPLES.name, title)
            found[name] = replace(EXAMPLES, name=name, title=of), replace(run, examples=examples)
        return {name: view for name, view in found.items() if view[0].draw(view[1], LIGHT) is not None}

    def picture(self, name: str, theme: Theme) -> bytes:
        """A picture as PNG."""
        plot, run = self.views[name]
        with theme.applied():
            figure = plot.draw(run, theme)
            assert figure is not None, "views have something to show"
            file = io.BytesIO()
            figure.savefig(file, format="png")
        return file.getvalue()

    def embedded(self, name: str, theme: Theme) -> str:
        """A picture as an address that holds it."""
        return "data:image/png;base64," + b64encode(self.picture(name, theme)).decode()

    def page(self, source: Source, report: str, trouble: str = "", every: float | None = None) -> str:
        """The page.

        Args:
            source: where pictures come from.
            report: address of the run's report.
            trouble: why the newest state of the folder could not be read; empty where it could.
            every: seconds between looks of the page for something new; None: it stays as it is.
        """
        return LIVE_PAGE.format(
            css=CSS,
            title=escape(self.folder.resolve().name),
            body=self._body(source, report, trouble),
            refresh="" if every is None else f'<noscript><meta http-equiv="refresh" content="{every:.0f}"></noscript>',
            script="" if every is None else LIVE_SCRIPT.format(version=self.version, pause=round(1000 * every)),
        )

    def last_written(self, now: float) -> str:
        """When the run last wrote a line, in words; empty before the first and after the end."""
        path = self.folder / METRICS
        if self.run is None or not path.is_file():
            return ""
        return silence(self.run, max(now - path.stat().st_mtime, 0.0))

    def _body(self, source: Source, report: str, trouble: str) -> str:
        trouble = f'<p class="verdict worse">{escape(trouble)}</p>' if trouble else ""
        if self.run is None:
            where = escape(str(self.folder))
            return f'<p class="status">Waiting: the run has not begun.</p>{trouble}<section>{where}</section>'
        run = self.run
        said = "".join(f'<p class="verdict {found.sense}">{shown(found.words)}</p>' for found in verdicts_so_far(run))
        link = f'<p><a href="{escape(report)}">Report of the run</a></p>' if finished(run) and report else ""
        noticed = "".join(f"<li>{shown(remark)}</li>" for remark in (remarks(run) if run.lines else []))
        listed = f'<h2>Worth noticing</h2><ul class="remarks">{noticed}</ul>' if noticed else ""
        numbers = facts_table(figures(run))
        sections = [f"<section>{said}{link}{listed}</section>", f"<section><h2>Now</h2>{numbers}</section>"]
        sections += [self._section(name, source) for name in self.views]
        words = self.last_written(time.time())
        state = f'<p class="status">{shown(status(run))}<br><span id="age">{shown(words)}</span></p>'
        return state + trouble + "\n".join(sections if numbers else [sections[0], *sections[2:]])

    def _section(self, name: str, source: Source) -> str:
        plot, run = self.views[name]
        drawn = picture(lambda theme: source(name, theme), plot.caption(run))
        return f"<section><h2>{escape(plot.title)}</h2>{drawn}</section>"


def version_of(folder: Path) -> str:
    """Changes when a file of a run folder that the page shows changes."""
    stats = [(path.name, path.stat()) for shown in SHOWN for path in sorted(folder.glob(shown))]
    said = repr([(name, stat.st_mtime_ns, stat.st_size) for name, stat in stats])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def look(folder: Path) -> Snapshot:
    """What a run folder shows now.

    Raises:
        UserError: the folder is that of something else, or one of its files is damaged or half written.
    """
    version = version_of(folder)
    if _to_come(folder):
        return Snapshot(folder, version, None)
    run = load(folder)
    if not {"trainer", "validation"} <= run.config.keys():
        raise UserError(f"{folder}: config.yaml is not from a run: it has no trainer and validation; name a run folder")
    return Snapshot(folder, version, run)


def write_once(folder: Path, path: Path) -> None:
    """Writes the page of a run's present state as one self-contained file.

    Raises:
        UserError: the folder is no run, or the file cannot be written.
    """
    found = look(folder)
    page = found.page(found.embedded, report_of(folder).resolve().as_uri() if report_of(folder).is_file() else "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place") from error


def report_of(folder: Path) -> Path:
    """Where a run has its report, once there is one."""
    return folder / "index.html"


def _to_come(folder: Path) -> bool:
    """Whether a run has not begun in a folder that may become its own.

    Raises:
        UserError: it is a file, or the folder of something else.
    """
    config = folder / "config.yaml"
    if config.is_file():
        return config.stat().st_size == 0  # it is being written
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; name the folder of a run")
    if not folder.exists() or not [path for path in folder.iterdir() if path.name != LOCK]:
        return True
    runs = sorted(folder.glob("*/config.yaml"), key=lambda path: path.stat().st_mtime)
    hint = f"its newest run is {runs[-1].parent}" if runs else "name the folder of a run"
    raise UserError(f"{folder}: this is not the folder of a run; it has no config.yaml; {hint}")
