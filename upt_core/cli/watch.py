"""``upt watch``: a live page of a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine; default: a free port.")
@click.option("--open", "open_page", is_flag=True, help="Show it in a browser.")
@click.option(
    "--once",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write the current page to a file and exit.",
)
def watch(run: Path, port: int, open_page: bool, once: Path | None) -> None:
    """Show a live page of a RUN: state, losses, validation, learning rate, gradient norm.

    The page follows the run folder. The folder may be on a shared disk that another machine writes, or may not exist
    yet. Nothing is written there. Only browsers on this machine can read the page. Ctrl-C ends it.

    \b
    upt watch runs/first-20261121-232758 --open
    upt watch runs/first-20261121-232758 --once now.html
    """
    if once is not None:
        from upt_core.report.live import write_once

        write_once(run, once)
        click.echo(once.resolve().as_uri())
        return
    from upt_core.report.live_server import LiveServer

    with LiveServer(run, port) as server:
        click.echo(f"{server.address} shows {run}; Ctrl-C ends it")
        if open_page:
            click.launch(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("ended")
