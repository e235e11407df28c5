"""Who may import whom, where import-linter cannot tell."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import upt_core

PACKAGES = ("upt_callbacks", "upt_data", "upt_losses", "upt_models", "upt_samplers", "upt_training")


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
            assert node.module == "upt_core", f"{node.module} is not public"
            assert names <= set(upt_core.__all__), f"not public: {names - set(upt_core.__all__)}"


def test_finding_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys; from upt_core.plugins import installed; r = installed(); assert not r.broken, r.broken;"
        "assert r.names('sampler');"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(upt_core, name) is not None for name in upt_core.__all__)
    assert set(upt_core.__all__) <= set(dir(upt_core))
    with pytest.raises(AttributeError, match="module 'upt_core' has no attribute 'nothing'"):
        _ = upt_core.nothing
