"""``upt export``: a trained operator as a program of torch or ONNX, for machines without upt."""

from __future__ import annotations

from pathlib import Path

import click

from upt_core.cli.load import import_torch
from upt_core.figures import count


@click.command()
@click.argument("operator", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="A file that ends in .pt2, or in .onnx."
)
@click.option("--steps", type=click.IntRange(min=1), default=1, show_default=True, help="Time steps of one call.")
@click.option(
    "--points",
    type=click.Path(path_type=Path),
    help="Fix the points of the input, in physical units: .npy, .npz or .csv.",
)
@click.option("--aot", is_flag=True, help="Compile for this processor; needs a C++ compiler.")
@click.option("--task", help="The task, if the run has several.")
def export(operator: Path, output: Path, steps: int, points: Path | None, aot: bool, task: str | None) -> None:
    """Write a trained OPERATOR (a run folder, or a file) as a program that runs without upt.

    \b
    torch.export.load("burgers.pt2").module()(fields, query_points)      torch alone
    torch._inductor.aoti_load_package("burgers.pt2")(…)                  compiled, --aot
    onnxruntime.InferenceSession("burgers.onnx")                         ONNX
    """
    import_torch()
    from upt_core.operator.export import export as write
    from upt_core.operator.load import load
    from upt_core.remarks import remark
    from upt_core.run.inputs import read_points

    found = load(operator, task=task) if task is not None else load(operator)
    said = write(found, output, steps, None if points is None else read_points(points), aot)
    click.echo(f"{output} written ({count(output.stat().st_size // 1024)} KiB): {said['arguments']} → {said['answer']}")
    if aot:
        remark(
            "a compiled program takes float32 and misreads other types without an error; set "
            "AOTI_RUNTIME_CHECK_INPUTS=1 where it runs, and it checks the types"
        )
