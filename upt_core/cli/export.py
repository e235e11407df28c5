"""``upt export``: a trained operator as a program of torch, for machines without upt."""

from __future__ import annotations

from pathlib import Path

import click

from upt_core.figures import count


@click.command()
@click.argument("operator", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A file that ends in .pt2.")
@click.option("--steps", type=click.IntRange(min=1), default=1, show_default=True, help="Time steps of one call.")
@click.option("--task", help="Which operator, where a run had several tasks.")
def export(operator: Path, output: Path, steps: int, task: str | None) -> None:
    """Write a trained OPERATOR (a run folder, or a file) as a program that torch alone runs.

    \b
    program = torch.export.load("burgers.pt2").module()
    program(fields, points, None)       physical units in and out
    """
    from upt_core.operator.export import export as write
    from upt_core.operator.export import note
    from upt_core.operator.load import load

    found = load(operator, task=task) if task is not None else load(operator)
    write(found, output, steps)
    said = note(found, steps)
    click.echo(f"{output} written ({count(output.stat().st_size // 1024)} KiB): {said['arguments']} → {said['answer']}")
