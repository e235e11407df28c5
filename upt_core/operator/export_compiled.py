"""An operator's program compiled for the processor at hand, by torch's AOTInductor: one archive, no interpreter."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from upt_core.errors import UserError


def check_compiler() -> None:
    """Refuses, before anything is traced, where there is no C++ compiler.

    Raises:
        UserError: torch finds none.
    """
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise UserError(
            "--aot compiles C++, and there is no compiler: install g++ or clang++, name one in the variable CXX, or "
            "leave --aot out"
        ) from error


def write_compiled(program: torch.export.ExportedProgram, path: Path, note: Mapping[str, object]) -> None:
    """Writes the archive; ``get_metadata()`` of what ``torch._inductor.aoti_load_package`` returns has the note."""
    from torch._inductor import aoti_compile_and_package

    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    metadata = {"upt": json.dumps(note)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of parts of its own
        aoti_compile_and_package(
            program, package_path=str(path.resolve()), inductor_configs={"aot_inductor.metadata": metadata}
        )
