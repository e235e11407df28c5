"""Who may import whom, where import-linter cannot tell."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

import upt_core
from upt_core import commands

PACKAGES = (
    "upt_bench",
    "upt_callbacks",
    "upt_cluster",
    "upt_convert",
    "upt_data",
    "upt_estimate",
    "upt_losses",
    "upt_metrics",
    "upt_models",
    "upt_optimizers",
    "upt_samplers",
    "upt_schedules",
    "upt_sweep",
)
COMMANDS = ("upt_bench", "upt_cluster", "upt_convert", "upt_data/commands", "upt_estimate", "upt_sweep")
"""Packages that bring commands and converters: they may import what upt_core.commands offers, too."""


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def plugin_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted(folder_of(package).rglob("*.py"))]


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


def imports_of_each_file() -> dict[str, set[str]]:
    """Module → the modules that it names in an import, of the kernel and of the built-in plugins.

    Imports for a type checker alone and those inside functions count, too: who reads a file reads them as well. The
    lists of public names are left out, since they name what imports them.
    """
    roots = [folder_of(package) for package in ("upt_core", *PACKAGES)]
    files = {module_name(path, root): path for root in roots for path in root.rglob("*.py")}
    found = {name: named_in(path, files.keys()) - {name} for name, path in files.items()}
    return found | {"upt_core": set(), "upt_core.commands": set()}


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")


def named_in(path: Path, known: Collection[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else node.module for name in inside}
    return found.intersection(known)


def circle_in(imports: dict[str, set[str]]) -> list[str]:
    """The modules of a circle, in order; empty where there is none."""
    done: set[str] = set()

    def search(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module not in done:
            for other in sorted(imports[module]):
                found = search(other, [*way, module])
                if found:
                    return found
            done.add(module)
        return []

    return next((found for module in sorted(imports) if (found := search(module, []))), [])


def test_no_two_files_name_each_other_not_even_for_a_type_checker() -> None:
    circle = circle_in(imports_of_each_file())
    assert not circle, " → ".join(circle)


def test_the_search_for_circles_finds_one() -> None:
    assert circle_in({"a": {"b", "d"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
