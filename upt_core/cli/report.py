"""``upt report``: writes the report of a run, as a page and as pictures."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--open", "open_page", is_flag=True, help="Show it in a browser.")
def report(run: Path, open_page: bool) -> None:
    """Write the report of a run: index.html and plots/ in its folder.

    A run that is still training, or was interrupted, is reported up to its present state.
    """
    from upt_core.report import write

    page = write(run)
    click.echo(page.resolve().as_uri())
    if open_page:
        click.launch(page.resolve().as_uri())
