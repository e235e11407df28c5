"""An operator's program in ONNX, for runtimes that are not torch; it is compared with the operator as it is written."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_core.errors import UserError
from upt_core.operator.program import AtGivenPoints, Program

OPSET = 20
TOLERANCE = 1e-4
"""Most that a program of ONNX may differ from the operator, over the largest value: float32 in another order."""


def check_onnx() -> None:
    """Refuses where the libraries are missing.

    Raises:
        UserError: one of them is not installed.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(f"to write .onnx needs {name}: pip install 'upt-core[onnx]'") from error


def write_onnx(
    asked: Program,
    traced: torch.export.ExportedProgram,
    path: Path,
    examples: tuple[Tensor, ...],
    note: Mapping[str, object],
) -> None:
    """Writes the file, after its answers were compared with the operator's.

    Raises:
        UserError: ONNX lacks something that a part of the model does, or answers differ.
    """
    names = list(inspect.signature(asked.forward).parameters)[: len(examples)]
    program = _translated(asked, traced, names)
    program.model.metadata_props["upt"] = json.dumps(note)
    program.save(str(path))
    difference = _difference(asked, path, examples)
    if not difference <= TOLERANCE:
        path.unlink()
        raise UserError(
            f"{path}: the ONNX program differs from the operator by {difference:.2g} of the largest value "
            f"({TOLERANCE:g} is allowed), so it is not saved; use .pt2"
        )


def _translated(asked: Program, traced: torch.export.ExportedProgram, names: Sequence[str]) -> Any:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)  # it says which libraries it could also translate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of parts of its own
            return torch.onnx.export(
                traced,
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                input_names=names,  # torch would write them in small letters
                output_names=["target_BTQC"],
            )
    except Exception as error:  # whatever ONNX has no counterpart for
        raise UserError(
            f"ONNX cannot express this model ({', '.join(type(part).__name__ for part in asked.model.children())}): "
            f"{_reason(error)}; {_way(asked)}"
        ) from error
    finally:
        logger.setLevel(level)


def _way(asked: Program) -> str:
    if isinstance(asked, AtGivenPoints):
        return (
            "fix the points of the input (--points FILE, coords=…): what encoders compute from points alone is then "
            "computed here"
        )
    return "use .pt2"


def _reason(error: BaseException) -> str:
    """The innermost reason: torch wraps it in several reports."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _difference(asked: Program, path: Path, examples: tuple[Tensor, ...]) -> float:
    """The largest difference to the operator's answer, over the largest value that it has."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, (value.numpy() for value in examples), strict=True)))
    with torch.no_grad():
        expected = asked(*examples)
    return float((torch.from_numpy(found) - expected).abs().max() / expected.abs().max())
