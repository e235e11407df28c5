"""A bar that counts samples while a command works through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from upt_core.cli.text import of_notebook


@contextmanager
def samples_bar() -> Iterator[Callable[[int, int], None]]:
    """Gives what to tell, after each batch, how many samples of how many are done; in a terminal a bar shows it."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console.is_terminal and not of_notebook()
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        line = bar.add_task("samples", total=None)

        def told(done: int, total: int) -> None:
            bar.start()
            bar.update(line, completed=done, total=total)
            if done == total:  # the lines that follow stand alone
                bar.stop()

        yield told
