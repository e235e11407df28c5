"""``upt reproduce``: makes a run again from its folder, and says whether the same comes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from upt_core.cli.text import heading, table

if TYPE_CHECKING:
    from upt_core.report.reproduce import Reproduction


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), help="Folder of the new run; default: RUN-again.")
@click.option(
    "--allow-different-versions", is_flag=True, help="Continue even if torch or a plugin has another version."
)
def reproduce(run: Path, run_dir: Path | None, allow_different_versions: bool) -> None:
    """Train a run again from its folder, and compare the results.

    Refuses if torch or a plugin's distribution has another version than in the run. On the same kind of machine the
    results are bit-identical; if they are not, the first step that differs is named.
    """
    from upt_core.cli.progress import display
    from upt_core.report.reproduce import read_original
    from upt_core.report.reproduce import reproduce as again

    original = read_original(run)
    for difference in (*(original.refused if allow_different_versions else ()), *original.noted):
        click.echo(f"note: {difference}", err=True)
    found = again(original, run_dir, allow_different_versions, [display(run.resolve().name)])
    click.echo(f"\n{_text(found)}")


def _text(found: Reproduction) -> str:
    """The metrics of the model in both runs, in full precision, and the verdict."""
    rows = [[name, repr(value), repr(found.now["model"][name])] for name, value in found.then["model"].items()]
    parts = [heading("Test split, best checkpoint"), table(rows, ["", "ORIGINAL", "AGAIN"]), ""]
    parts.append(table([["verdict", verdict(found)], ["run folder", str(found.folder)]]))
    return "\n".join(parts)


def verdict(found: Reproduction) -> str:
    """Whether it is the same, and if not, by how much and from where on."""
    if found.identical:
        return "identical: every metric and every logged loss is equal bit by bit"
    said = f"different: metrics of the model by at most {found.largest():.2g} (relative)"
    said += f"; losses from step {found.first_step} on" if found.first_step is not None else "; all losses are equal"
    if found.differences:
        return f"{said}; different here: {', '.join(one.what for one in found.differences)}"
    return (
        f"{said}; versions and machine are the same, so OMP_NUM_THREADS differs, or an operation is not deterministic"
    )
