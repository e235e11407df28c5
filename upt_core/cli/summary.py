"""The first line of a plugin's documentation, read from its source: listing plugins imports none of them."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from upt_core.registry import Entry


def summary(entry: Entry) -> str:
    """One line on what a plugin is; what is wrong, where its module cannot be found or read."""
    if isinstance(entry.target, type):
        return _first_line(entry.target.__doc__)
    module, _, name = entry.target.partition(":")
    try:
        found = importlib.util.find_spec(module)
    except Exception as error:  # a parent package is imported, and may raise anything
        return f"broken: {type(error).__name__}: {error}"
    if found is None or found.origin is None:
        return f"broken: there is no module {module}"
    return _from_source(Path(found.origin), name)


def _from_source(path: Path, name: str) -> str:
    if path.suffix != ".py":
        return ""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError) as error:
        return f"broken: {type(error).__name__}: {error}"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _first_line(ast.get_docstring(node))
    return ""


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0] if lines else ""
