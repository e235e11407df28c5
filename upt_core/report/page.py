"""One self-contained page: results beside baselines, pictures, configuration, environment."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from upt_core.figures import number
from upt_core.report import error_map, facts, losses, predictions, sampling, spectra, validation, weights
from upt_core.report.film import SCRIPT, film
from upt_core.report.load import Examples, RunData
from upt_core.report.remarks import remarks
from upt_core.report.so_far import ended, in_time
from upt_core.report.style import DPI, LIGHT, NARROW_THEMES, THEMES, Theme
from upt_core.report.template import CSS, PAGE
from upt_core.report.text import breakable, picture, shown, titled_table
from upt_core.report.verdict import verdicts


@dataclass(frozen=True)
class Plot:
    """A picture of the report: file name, title, how it is drawn (None: nothing to show yet), what it shows."""

    name: str
    title: str
    draw: Callable[[RunData, Theme], Figure | None]
    caption: Callable[[RunData], str]


PLOTS = (
    Plot("predictions", "Example predictions", predictions.draw, predictions.caption),
    Plot("error_map", "Where the error is", error_map.draw, error_map.caption),
    Plot("spectra", "Scales", spectra.draw, lambda run: spectra.CAPTION),
    Plot("sampling", "Where the sampler looked", sampling.draw, sampling.caption),
    Plot("validation", "Validation", validation.draw, validation.caption),
    Plot("losses", "Loss terms", losses.draw, lambda run: losses.CAPTION),
    Plot("weights", "Weights and gradients", weights.draw, lambda run: weights.CAPTION),
)

MOST_WARNINGS = 20
MOST_BESIDE = 2
"""Metrics side by side; more stand below each other."""

OF_EXAMPLES = (predictions.draw, error_map.draw, spectra.draw)


def write_page(run: RunData) -> Path:
    """Writes ``plots/NAME.png`` in every look, and ``index.html``, which holds the pictures; its path."""
    sections = [(plot, view, _pictures(view, plot)) for plot, view in _views(run)]
    text = PAGE.format(
        css=CSS,
        title=escape(run.name),
        status=shown(_status(run)),
        verdict=_verdict(run),
        results=_results(run),
        numbers=_numbers(run),
        films=_films(run),
        script=SCRIPT,
        plots="\n".join(_section(view, plot, pictures) for plot, view, pictures in sections if pictures),
        config=escape(yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True)),
        environment=_environment(run.environment),
    )
    path = run.folder / "index.html"
    part = path.with_name("index.html.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)  # a browser never reads half a page
    return path


def _views(run: RunData) -> Iterator[tuple[Plot, RunData]]:
    """Every picture with the run that it shows; what shows examples is drawn for each of several tasks."""
    for plot in PLOTS:
        if plot.draw not in OF_EXAMPLES or not run.tasks:
            yield plot, run
            continue
        for task, examples in run.tasks.items():
            named = replace(plot, name=f"{plot.name}-{task}", title=f"{plot.title}: {task}")
            yield named, replace(run, examples=examples)


def _pictures(run: RunData, plot: Plot) -> dict[str, Path]:
    """Suffix of a theme → picture; empty where there is nothing to show yet."""
    found: dict[str, Path] = {}
    for themes in (THEMES, NARROW_THEMES):
        places: list[Bbox] = []
        for theme in themes:
            with theme.applied():
                figure = plot.draw(run, theme)
                if figure is None:
                    return {}
                path = run.folder / "plots" / f"{plot.name}{theme.suffix}.png"
                path.parent.mkdir(exist_ok=True)
                if places:
                    _place(figure, places)
                figure.savefig(path)
                places = [ax.get_position(original=True) for ax in figure.axes]
                found[theme.suffix] = path
    return found


def _place(figure: Figure, places: list[Bbox]) -> None:
    """Puts axes where those of the first theme are: colours need no second layout, which is slow."""
    figure.set_layout_engine("none")
    for ax, place in zip(figure.axes, places, strict=True):
        ax.set_position(place)


def _section(run: RunData, plot: Plot, pictures: dict[str, Path]) -> str:
    drawn = picture(lambda theme: _data_uri(pictures[theme.suffix]), plot.caption(run), _width(pictures[LIGHT.suffix]))
    return f"<section><h2>{escape(plot.title)}</h2>{drawn}</section>"


def _verdict(run: RunData) -> str:
    """The verdict, what was run, and what to notice."""
    said = "".join(f'<p class="verdict {found.sense}">{shown(found.words)}</p>' for found in verdicts(run))
    about = facts.sentence(run)
    noticed = "".join(f"<li>{shown(remark)}</li>" for remark in remarks(run))
    return (
        said
        + (f"<p>{breakable(shown(about))}</p>" if about else "")
        + (f'<h2>Worth noticing</h2><ul class="remarks">{noticed}</ul>' if noticed else "")
        + _warnings(run)
    )


def _warnings(run: RunData) -> str:
    """What the run itself warned of, the newest last."""
    if not run.said:
        return ""
    lines = "".join(f"<li>{escape(text)}</li>" for text in run.said[-MOST_WARNINGS:])
    hidden = len(run.said) - MOST_WARNINGS
    more = f"<p>{hidden} earlier warnings are in remarks.jsonl.</p>" if hidden > 0 else ""
    return f'<h2>Warnings during the run</h2><ul class="remarks">{lines}</ul>{more}'


def _numbers(run: RunData) -> str:
    cells = facts_table(facts.numbers(run))
    return f"<section><h2>In numbers</h2>{cells}</section>" if cells else ""


def _films(run: RunData) -> str:
    shown: list[Examples | None] = [*run.tasks.values()] or [run.examples]
    return "".join(film(examples, number) for number, examples in enumerate(shown))


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _width(path: Path) -> int:
    """Width on the page in CSS pixels, 96 an inch; a PNG has its width in bytes 16 to 20."""
    return int.from_bytes(path.read_bytes()[16:20], "big") * 96 // DPI


def _status(run: RunData) -> str:
    if run.results is not None:
        return ended(run)
    done = f"{run.epochs_done} of {run.epochs} epochs"
    return f"Not finished: {done} so far, {in_time(run.seconds)} of training"


def _results(run: RunData) -> str:
    """Test metrics of model and baselines; before the end of a run the last validation."""
    if run.results is not None:
        ahead = all(found.sense == "better" for found in verdicts(run))
        return _table("Test split, best checkpoint", run.results, run.monitor, ahead)
    last = {name: float(series.value[-1]) for name, series in run.series("validation").items()}
    if not last:
        return "<p>No validation has taken place yet.</p>"
    return _table("Validation split, last validation", {"model": last}, run.monitor, ahead=False)


def _table(title: str, predictors: dict[str, dict[str, float]], monitor: str, ahead: bool) -> str:
    """The figures of each predictor; the model stands out where it is ahead of the others.

    Many metrics stand below each other, so that a telephone shows them all.
    """
    names = sorted(next(iter(predictors.values())), key=lambda name: name != monitor)
    looks = {who: "ahead" if ahead and who == "model" else "beside" for who in predictors}
    figures = {who: [number(values[name]) for name in names] for who, values in predictors.items()}
    if len(names) <= MOST_BESIDE:
        return titled_table(title, names, figures, looks=looks)
    columns = zip(*figures.values(), strict=True)
    return titled_table(title, list(figures), dict(zip(names, columns, strict=True)), looks=looks)


def _environment(environment: dict[str, Any]) -> str:
    rows = {name: value for name, value in environment.items() if isinstance(value, str)}
    if "started" in rows:
        rows["started"] = rows["started"].replace("T", " ").replace("+00:00", " UTC")
    git = environment.get("git")
    if git:
        changed = ", with changes that are not committed" if git.get("changed") else ""
        rows["git"] = f"{git.get('commit', '')[:12]} ({git.get('branch')}){changed}"
    versions = {f"{p['distribution']} {p['version']}" for p in environment.get("plugins", {}).values()}
    if versions:
        rows["plugins from"] = ", ".join(sorted(versions))
    return facts_table(rows) or "<p>Not recorded.</p>"


def facts_table(rows: dict[str, str]) -> str:
    """A table of names and what belongs to them; empty where there is nothing."""
    cells = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{breakable(shown(value))}</td></tr>" for name, value in rows.items()
    )
    return f'<table class="facts">{cells}</table>' if cells else ""
