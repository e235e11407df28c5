"""An operator as a program of torch, compiled or not, or of ONNX; nothing of upt is needed to run it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from upt_core import __version__
from upt_core.data.training_data import grid_coords
from upt_core.errors import UserError
from upt_core.operator.arrays import Values, read_coords
from upt_core.operator.program import AtGivenPoints, AtKnownPoints, Program, Trained

NOTE = "upt.json"
"""The file in the archive that says what goes in and comes out; ``torch.export.load(…, extra_files=…)`` reads it."""

Form = Literal["program", "compiled", "onnx"]


def export(
    operator: Trained, path: Path | str, steps: int = 1, coords: Values | None = None, aot: bool = False
) -> dict[str, object]:
    """Writes an operator as a program for any number of samples and of query points.

    Args:
        path: of the file. ``.pt2``: ``torch.export.load`` reads it; ``.onnx``: ONNX runtimes do (extra ``onnx``).
        steps: time steps that a call answers with; of an operator on bundled data calls, each with its time steps.
        coords: physical coordinates (N, X) at which the input always is. Left out: the grid of the training, or, for
            an operator of scattered points, any points, which a call is told.
        aot: compiled for the processor at hand; ``torch._inductor.aoti_load_package`` reads it, and no graph is left
            to interpret. Needs a C++ compiler. Trap: it takes float32, and misreads other types without a word unless
            the variable AOTI_RUNTIME_CHECK_INPUTS is 1 where it runs.

    Returns:
        What goes in and comes out, as plain data; it is in the file, too.

    Raises:
        UserError: a steady problem with several steps, a name with another ending, or a part of the model that cannot
            be traced.
    """
    path, form = Path(path), _form(Path(path), aot)
    if steps < 1 or (operator.data.steady and steps > 1):
        steady = operator.data.steady
        raise UserError(f"steps is {steps}; expected {'1: the problem is steady' if steady else 'at least 1'}")
    if form == "compiled":
        from upt_core.operator.export_compiled import check_compiler, write_compiled

        check_compiler()
    elif form == "onnx":
        from upt_core.operator.export_onnx import check_onnx, write_onnx

        check_onnx()
    asked = _asked(operator, steps, coords, checked=form != "onnx")
    examples, shapes = _examples(asked)
    traced = _traced(asked, examples, shapes)
    said = note(asked, traced) | {"types": "any real" if form == "program" else "float32"}
    try:
        if form == "compiled":
            write_compiled(traced, path, said)
        elif form == "onnx":
            write_onnx(asked, traced, path, examples, said)
        else:
            traced.example_inputs = (_of_one_number(examples), {})
            torch.export.save(traced, path, extra_files={NOTE: json.dumps(said, indent=2)})
    except (OSError, RuntimeError) as error:  # torch says of a missing folder with the one, of a full disk with both
        raise UserError(f"{path}: cannot be written: {error}") from error
    return said


def note(asked: Program, traced: torch.export.ExportedProgram) -> dict[str, object]:
    """What goes in and comes out, as plain data."""
    data, single = asked.data, asked.data.of_frames()
    told = f", condition_BTP (B, {asked.steps}, {len(data.condition)})" if data.condition else ""
    if isinstance(asked, AtKnownPoints):
        points: object = len(asked.coords_NX)
        place = f"input_BNC (B, {points}, {data.input_channels})"
    else:
        points = {"least": _least_points(traced)}
        place = f"input_BNC (B, N, {data.input_channels}), coords_NX (N, {data.num_axes})"
    return {
        "upt": __version__,
        "input": [[field.name, field.channels] for field in data.inputs],
        "output": [[field.name, field.channels] for field in single.targets],
        "history": data.history,
        "grid": asked.grid_shape if isinstance(asked, AtKnownPoints) else None,
        "points": points,
        "origin": data.origin,
        "extent": data.extent,
        "conditions": data.condition,
        "steps": asked.steps,
        "arguments": f"{place}, query_QX (Q, {data.num_axes}){told}",
        "answer": f"target_BTQC (B, {asked.steps * data.bundle}, Q, {single.target_channels}), float64, physical units",
    }


def _form(path: Path, aot: bool) -> Form:
    if path.suffix == ".onnx" and not aot:
        return "onnx"
    if path.suffix != ".pt2":
        more = "" if aot else ", or in .onnx for an ONNX program"
        raise UserError(f"{path}: torch names such files .pt2; choose a name that ends in .pt2{more}")
    return "compiled" if aot else "program"


def _asked(operator: Trained, steps: int, coords: Values | None, checked: bool) -> Program:
    data = operator.data
    if operator.model.predict == "change":
        raise UserError(
            "an operator that predicts changes (model.predict: change) cannot be exported: it searches the nearest "
            "points of its input, which torch cannot trace; use upt predict, or upt_core.load"
        )
    if coords is None and data.grid_shape is None:
        program: Program = AtGivenPoints(operator, steps, checked)
    elif coords is None:
        assert data.grid_shape is not None
        grid_NX = grid_coords(data.grid_shape, data, operator.training.ends)
        program = AtKnownPoints(operator, steps, grid_NX, data.grid_shape, checked)
    elif operator.model.encoder.needs_grid:
        raise UserError(
            f"points are given, but {type(operator.model.encoder).__name__} works only on its training grid; leave "
            "the points out"
        )
    else:
        fixed_NX = read_coords(coords, data, "coords")[0]
        program = AtKnownPoints(operator, steps, fixed_NX, None, checked)
    return program.eval().requires_grad_(False)


def _traced(
    asked: Program, examples: tuple[Tensor, ...], shapes: dict[str, dict[int, object]]
) -> torch.export.ExportedProgram:
    """The program, for any number of samples and of query points, and of points where they are an argument.

    Raises:
        UserError: a part of the model does what torch cannot trace.
    """
    try:
        with torch.no_grad():
            return torch.export.export(asked, examples, dynamic_shapes=shapes)
    except Exception as error:  # whatever a part of the model does that torch cannot trace
        parts = ", ".join(type(part).__name__ for part in asked.model.children())
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
        way = "use upt_core.load instead"
        if isinstance(asked, AtGivenPoints):
            way = f"fix the points of the input (--points FILE, coords=…), or {way}"
        raise UserError(f"torch cannot export this model ({parts}): {reason}; {way}") from error


def _examples(asked: Program) -> tuple[tuple[Tensor, ...], dict[str, dict[int, object]]]:
    """Arguments to trace with, and which of their axes may have any size.

    Where the program compares sizes itself, all axes may: what torch sees of an example it would note as a property
    and compare first. So no axis has its right size there, nor that of another.
    """
    given, data = isinstance(asked, AtGivenPoints), asked.data
    points, axes = asked.num_points, data.num_axes
    sizes = {"input_BNC": (2, points, data.input_channels), "query_QX": (11, axes)}
    free: dict[str, tuple[int, ...]] = {"input_BNC": (0, 1) if given else (0,), "query_QX": (0,), "coords_NX": (0,)}
    if given:
        sizes = {"input_BNC": sizes["input_BNC"], "coords_NX": (points, axes), "query_QX": sizes["query_QX"]}
    if data.condition:
        sizes["condition_BTP"], free["condition_BTP"] = (2, asked.steps, len(data.condition)), (0,)
    if asked.checked:
        used = itertools.count(points + 17)
        sizes = {name: tuple(next(used) for _ in shape) for name, shape in sizes.items()}
        free = {name: tuple(range(len(shape))) for name, shape in sizes.items()}
    shapes = {name: dict.fromkeys(free[name], torch.export.Dim.DYNAMIC) for name in sizes}
    return tuple(torch.rand(shape) for shape in sizes.values()), shapes


def _of_one_number(examples: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Arguments of the same shapes that hold one number each.

    A program that is read again makes its checks of sizes from them, and the traced ones would be most of the file.
    """
    return tuple(example.new_zeros(1).expand(example.shape) for example in examples)


def _least_points(traced: torch.export.ExportedProgram) -> int:
    """How many points the input must have at least, as torch found it: an encoder may ask for some."""
    coords = next(node for node in traced.graph.nodes if node.op == "placeholder" and node.name == "coords_nx")
    size = coords.meta["val"].shape[0]
    return max(1, int(traced.range_constraints[size.node.expr].lower))
