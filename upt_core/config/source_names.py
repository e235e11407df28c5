"""What the names at the top of a Python module stand for, from its text and without importing it.

Known are the module's own classes and constants, what it imports from modules of its own package (read in the same
way), and what it imports from a few modules that are quick to import and have no part in what a plugin does.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from upt_core.registry import KINDS, class_name

_QUICK = ("typing", "typing_extensions", "collections.abc", "pathlib", "pydantic", "annotated_types")
_OURS = ("DataSpec", "LatentSpec", *map(class_name, KINDS))
_BUILTINS = ("bool", "int", "float", "str", "list", "dict", "tuple")


class NotPlainError(Exception):
    """The text does not say it plainly."""


class SourceModule:
    """The names at the top of a module.

    Args:
        name: dotted name of the module.
        text: its source.

    Raises:
        NotPlainError: the text is not Python.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._package = name.partition(".")[0]
        self._classes: dict[str, ast.ClassDef] = {}
        self._constants: dict[str, ast.expr] = {}
        self.imports: dict[str, tuple[str, str]] = {}
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError) as error:
            raise NotPlainError from error
        self._bound: list[str] = []
        for statement in body:
            self._bound += self._bind(statement)

    def class_named(self, name: str) -> ast.ClassDef:
        """A class of the module; it must be what the name stands for without doubt."""
        if name not in self._classes or self._bound.count(name) != 1:
            raise NotPlainError
        return self._classes[name]

    def class_behind(self, name: str) -> tuple[SourceModule, ast.ClassDef]:
        """A class by the name that it has in this module, here or where it is imported from."""
        module, name = self._followed(name)
        return module, module.class_named(name)

    def type_of(self, annotation: ast.expr) -> Any:
        """An annotation as a type."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            raise NotPlainError  # a forward reference
        return self.value_of(annotation)

    def value_of(self, expression: ast.expr) -> Any:
        """The value of an expression of constants, types and bounds."""
        if any(isinstance(node, _ACTIVE) for node in ast.walk(expression)):
            raise NotPlainError
        code = compile(ast.Expression(expression), self.name, "eval")
        try:
            return eval(code, {"__builtins__": {}}, _Names(self))
        except NotPlainError:
            raise
        except Exception as error:  # a stranger's expressions
            raise NotPlainError from error

    def named(self, name: str) -> Any:
        """What a name stands for in annotations and defaults."""
        if self._bound.count(name) > 1:
            raise NotPlainError
        if name in self._constants:
            return self.value_of(self._constants[name])
        if name in self.imports:
            return self._imported(name)
        if name in _BUILTINS and name not in self._bound:
            return getattr(builtins, name)
        raise NotPlainError

    def _imported(self, name: str) -> Any:
        module, attribute = self.imports[name]
        if module in _QUICK or (module.partition(".")[0] == "upt_core" and attribute in _OURS):
            return getattr(importlib.import_module(module), attribute)
        home, original = self._followed(name)
        return home.named(original)

    def _followed(self, name: str) -> tuple[SourceModule, str]:
        """The module of the same package in which a name is bound, and its name there."""
        if name not in self.imports:
            return self, name
        module, attribute = self.imports[name]
        if self._bound.count(name) != 1 or module.partition(".")[0] != self._package:
            raise NotPlainError
        return source_module(module)._followed(attribute)

    def _bind(self, statement: ast.stmt) -> Iterator[str]:
        """Takes note of what a statement binds; of what it might bind, in a branch or a loop, the names alone."""
        if isinstance(statement, ast.ClassDef):
            self._classes[statement.name] = statement
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            self.imports |= {item.asname or item.name: (statement.module, item.name) for item in statement.names}
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            if isinstance(statement.targets[0], ast.Name):
                self._constants[statement.targets[0].id] = statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            self._constants[statement.target.id] = statement.value
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name
        else:
            yield from _names_bound(statement)


_ACTIVE = (ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.ListComp, ast.GeneratorExp)


class _Names(Mapping[str, Any]):
    """A module's names for ``eval``."""

    def __init__(self, module: SourceModule) -> None:
        self._module = module

    def __getitem__(self, name: str) -> Any:
        return self._module.named(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield ast.unparse(node.value)  # what changes a class may change its constructor
        elif isinstance(node, ast.alias):
            if node.name == "*":
                raise NotPlainError
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


@lru_cache(maxsize=256)
def source_module(name: str) -> SourceModule:
    """The text of a module, found by its name; nothing but its outermost package is asked where it is.

    Raises:
        NotPlainError: there is no such file of Python source.
    """
    path = _file_of(name)
    try:
        return SourceModule(name, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise NotPlainError from error


def _file_of(name: str) -> Path:
    root, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError) as error:
        raise NotPlainError from error
    if spec is None:
        raise NotPlainError
    if not rest:
        return Path(spec.origin or "")
    for folder in spec.submodule_search_locations or ():
        file = Path(folder, *rest)
        for path in (file.with_suffix(".py"), file / "__init__.py"):
            if path.is_file():
                return path
    raise NotPlainError
