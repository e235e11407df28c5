"""Tables fold in narrow terminals: no word breaks, nothing is cut off."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import click
import numpy as np
import pytest
from rich.console import Console

from tests.cli.conftest import Upt
from upt_core import Experiment
from upt_core.cli.progress import Bars
from upt_core.cli.text import fold, fold_figures, table

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
    shown = re.compile(r"total|forward|inverse_e|relative_l2")
    history = re.compile(r"epoch|  \S")  # the line of an epoch, and what goes on of it
    panel = [line for line in lines if shown.search(line) and not history.match(line)]
    assert panel
    assert [line for line in panel if not figure.match(line)] == []
    assert sum(line.startswith("epoch 1/2  total ") for line in lines) == 1, "each epoch leaves its line in the history"


def test_the_lines_of_epochs_fold_between_figures(upt: Upt, own_folder: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=50, highlight=False)
    Experiment.from_yaml("tiny.yaml").train(own_folder / "run", listeners=[Bars("tiny", console)])
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = text.splitlines()
    assert [line for line in lines if len(line) > 50 and str(own_folder) not in line] == []
    second = text.rpartition("epoch 2/2  total")[2].partition("samples/s")[0]
    assert re.search(r"\n  (\S.*  )?valid: relative_l2 [\d.]+, rmse [\d.]+( \(best\))?\n? ", second)
    assert re.search(r"\d+ parameters, \d+ samples, cpu;\n?", text)


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        (
            "epoch 1/2  total 2.537  forward 1.189  inverse_encoding 1.228  valid: relative_l2 0.5, rmse 0.08 (best)",
            "epoch 1/2  total 2.537  forward 1.189\n"
            "  inverse_encoding 1.228\n"
            "  valid: relative_l2 0.5, rmse 0.08 (best)",
        ),
        ("short 1.0  line 2.0", "short 1.0  line 2.0"),
        ("x" * 60 + "  name 1.0", "x" * 60 + "\n  name 1.0"),
        (
            "burgers: 211,590 parameters, 320 samples, cpu; run folder runs/n1",
            "burgers: 211,590 parameters, 320 samples, cpu;\n  run folder runs/n1",
        ),
    ],
)
def test_a_figure_stays_with_its_name(line: str, folded: str) -> None:
    assert fold_figures(line, 50) == folded


def test_words_are_not_broken_and_what_goes_on_hangs() -> None:
    assert fold("  - a remark of some words that goes on", 20) == "  - a remark of some\n    words that goes\n    on"
    assert fold("/a/very/long/path/of/thirty/char", 20) == "/a/very/long/path/of/thirty/char"
    assert fold("any length where output is no terminal " * 5) == "any length where output is no terminal " * 5


NARROW = 50
WHOLE = re.compile(r"/\S{20,}|file://|━")
"""Lines that stay longer: a path is copied whole, a bar is drawn anew."""


def in_a_terminal(*arguments: str) -> list[str]:
    """The lines of ``upt`` in a terminal of 50 columns."""
    command = [sys.executable, "-m", "upt_core", *arguments]
    reads, writes = pty.openpty()
    termios.tcsetwinsize(writes, (40, NARROW))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        command,
        stdin=writes,
        stdout=writes,
        stderr=writes,
        env={**environment, "OMP_NUM_THREADS": "1", "TERM": "xterm"},
    )
    os.close(writes)
    parts = []
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while part := os.read(reads, 1 << 16):
            parts.append(part)
    os.close(reads)
    text = b"".join(parts).decode()
    assert process.wait(60) == 0, text
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()


@pytest.mark.parametrize(
    "arguments",
    [
        ["plugins"],
        ["check", "tiny.yaml"],
        ["estimate", "tiny.yaml"],
        ["data", "info", "waves.npz"],
        ["data", "check", "tiny.yaml"],
        ["evaluate", "run"],
        ["info", "run"],
        ["compare", "run", "other"],
    ],
    ids=" ".join,
)
def test_what_a_command_shows_fits_50_columns(trained: Path, arguments: list[str]) -> None:
    shutil.copytree(trained, "other")
    np.savez("waves.npz", a_field_of_a_long_name=np.zeros((3, 4, 16)), t=np.arange(4), x=np.arange(16) / 16)
    lines = in_a_terminal(*arguments)
    assert lines
    assert [line for line in lines if len(line) > NARROW and not WHOLE.search(line)] == []


def test_summaries_of_plugins_are_whole_in_a_narrow_terminal() -> None:
    text = " ".join("\n".join(in_a_terminal("plugins", "--kind", "callback")).split())
    assert "…" not in text
    assert "NAME csv DISTRIBUTION upt-core" in text
    assert (
        "Writes one row for each epoch: mean losses, gradient shares, speed, and the metrics of the validation" in text
    )
