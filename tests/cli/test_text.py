"""Tables fold in narrow terminals: no word breaks, nothing is cut off."""

from __future__ import annotations

import io
import re
from pathlib import Path

import click
from rich.console import Console

from tests.cli.conftest import Upt
from upt_core import Experiment
from upt_core.cli.progress import Bars
from upt_core.cli.text import table

ROWS = [["forward", "forward", "0.5", "all points of the grid, at every step"], ["latent", "forward", "1", "none"]]
HEADER = ["NAME", "TERM", "WEIGHT", "POINTS"]


def words(text: str) -> set[str]:
    return set(click.unstyle(text).split())


def test_a_table_that_fits_is_as_it_was() -> None:
    assert click.unstyle(table(ROWS, HEADER, width=200)) == click.unstyle(table(ROWS, HEADER))


def test_the_last_column_wraps_where_room_is_left_for_it() -> None:
    lines = click.unstyle(table(ROWS, HEADER, width=52)).splitlines()
    assert [line[:10].strip() for line in lines] == ["NAME", "forward", "", "latent"]
    assert lines[1].endswith("all points of the") or len(lines[1]) <= 52
    assert max(map(len, lines)) <= 52
    assert words("\n".join(lines)) == words(table(ROWS, HEADER))


def test_rows_become_lists_where_no_column_has_room() -> None:
    text = click.unstyle(table(ROWS, HEADER, width=40))
    assert text.splitlines()[:4] == [
        "forward",
        "  TERM    forward",
        "  WEIGHT  0.5",
        "  POINTS  all points of the grid, at",
    ]
    assert max(map(len, text.splitlines())) <= 40
    assert words(text) == words(table(ROWS, HEADER)) - {"NAME"}


def test_a_table_without_names_wraps_its_last_column() -> None:
    text = table([["data", "burgers1d with two viscosities and 200 trajectories"]], width=40)
    assert text.splitlines() == ["data   burgers1d with two viscosities", "       and 200 trajectories"]


def test_a_word_longer_than_the_room_stays_whole() -> None:
    path = "/a/very/long/path/without/any/blank/in/it.yaml"
    assert path in table([["report", path]], width=30)


def test_the_panel_of_a_narrow_terminal_breaks_no_figure(upt: Upt, own_folder: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=50, highlight=False)
    Experiment.from_yaml("tiny.yaml").train(own_folder / "run", listeners=[Bars("tiny", console)])
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in screen.getvalue().splitlines()]
    figure = re.compile(
        r"^\s*(loss\s+|valid\s+)?(total|forward|inverse_encoding|relative_l2) [\d.e+-]+(\s+\(best: epoch \d\))?\s*$"
    )
    panel = [
        line for line in lines if "samples/s" not in line and re.search(r"total|forward|inverse_e|relative_l2", line)
    ]
    assert panel
    assert [line for line in panel if not figure.match(line)] == []
    assert sum(line.startswith("epoch 1/2  total ") for line in lines) == 1, "each epoch leaves its line in the history"
