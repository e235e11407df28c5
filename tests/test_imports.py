"""Who may import whom, where import-linter cannot tell."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import upt_core
from upt_core import commands

PACKAGES = (
    "upt_bench",
    "upt_callbacks",
    "upt_convert",
    "upt_data",
    "upt_losses",
    "upt_metrics",
    "upt_models",
    "upt_optimizers",
    "upt_samplers",
    "upt_schedules",
    "upt_sweep",
)
COMMANDS = ("upt_bench", "upt_convert", "upt_data/commands", "upt_sweep")
"""Packages that bring commands and converters: they may import what upt_core.commands offers, too."""


def plugin_files() -> list[Path]:
    import importlib.util

    files: list[Path] = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        files += sorted(Path(spec.origin).parent.rglob("*.py"))
    return files


@pytest.mark.parametrize("path", plugin_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_plugins_import_only_public_names_of_the_kernel(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("upt_core.") for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("upt_core"):
            names = {alias.name for alias in node.names}
            if node.module == "upt_core.commands":
                assert any(f"/{package}/" in path.as_posix() for package in COMMANDS), (
                    "for commands and converters only"
                )
                assert names <= set(commands.__all__), f"not public: {names - set(commands.__all__)}"
                continue
            assert node.module == "upt_core", f"{node.module} is not public"
            assert names <= set(upt_core.__all__), f"not public: {names - set(upt_core.__all__)}"


def test_finding_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys; from upt_core.registry.discovery import installed; r = installed(); assert not r.broken, r.broken;"
        "assert r.names('sampler');"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(upt_core, name) is not None for name in upt_core.__all__)
    assert set(upt_core.__all__) <= set(dir(upt_core))
    assert all(getattr(commands, name) is not None for name in commands.__all__)
    assert set(commands.__all__) <= set(dir(commands))
    with pytest.raises(AttributeError, match=r"module 'upt_core\.commands' has no attribute 'nothing'"):
        _ = commands.nothing
    with pytest.raises(AttributeError, match="module 'upt_core' has no attribute 'nothing'"):
        _ = upt_core.nothing
