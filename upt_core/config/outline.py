"""A plugin's constructor from the text of its module, without importing it.

Importing a plugin imports torch, which takes a second or more; a misspelt key is found without. Only what the text says
plainly is read: one class at the top of a module, one undecorated constructor, annotations of names that can be had
without importing the module. Everything else is left to ``signature.read_signature``, which imports the class.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence

from upt_core.config.signature import Constructor, Signature, described, signature_of
from upt_core.config.source_names import NotPlainError, SourceModule, source_module
from upt_core.errors import PluginError
from upt_core.registry import Entry, class_name


def outline(entry: Entry, reserved: Sequence[str]) -> Signature | None:
    """The signature of a plugin as its source text has it; None where the class has to be imported for it."""
    if not isinstance(entry.target, str):
        return None
    module_name, _, name = entry.target.partition(":")
    try:
        module = source_module(module_name)
        cls = module.class_named(name)
        home, function = _constructor(module, cls)
        return signature_of(entry, _read(home, cls, function), reserved)
    except (NotPlainError, PluginError):
        return None


def _read(module: SourceModule, cls: ast.ClassDef, function: ast.FunctionDef | None) -> Constructor:
    if function is None:
        return Constructor({}, {}, described([ast.get_docstring(cls)]))
    found = {parameter.name: parameter for parameter in _parameters(module, function)}
    annotated = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    hints = {arg.arg: module.type_of(arg.annotation) for arg in annotated if arg.annotation is not None}
    return Constructor(found, hints, described([ast.get_docstring(cls), ast.get_docstring(function)]))


def _parameters(module: SourceModule, function: ast.FunctionDef) -> list[inspect.Parameter]:
    """The parameters without the first, which is ``self``."""
    args = function.args
    if args.vararg or args.kwarg or args.posonlyargs or not args.args:
        raise NotPlainError
    names = [arg.arg for arg in args.args[1:]]
    missing: list[ast.expr | None] = [None] * (len(names) - len(args.defaults))
    both = [
        *zip(names, [*missing, *args.defaults], strict=True),
        *zip([arg.arg for arg in args.kwonlyargs], args.kw_defaults, strict=True),
    ]
    empty, kind = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, default=empty if value is None else module.value_of(value))
        for name, value in both
    ]


def _constructor(module: SourceModule, cls: ast.ClassDef) -> tuple[SourceModule, ast.FunctionDef | None]:
    """The constructor of a class, or of those that it is derived from, and the module that it is in."""
    _refuse_unusual(module, cls)
    own = [item for item in cls.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    if len(own) == 1 and not own[0].decorator_list:
        return module, own[0]
    if own or len(cls.bases) != 1 or not isinstance(cls.bases[0], ast.Name):
        raise NotPlainError
    base = cls.bases[0].id
    if module.imports.get(base) in _WITHOUT_CONSTRUCTOR:
        return module, None
    return _constructor(*module.class_behind(base))


_WITHOUT_CONSTRUCTOR = {
    (package, class_name(kind))
    for kind in ("dataset", "sampler", "loss", "schedule", "metric", "optimizer", "callback")
    for package in ("upt_core", "upt_core.kinds")
}


def _refuse_unusual(module: SourceModule, cls: ast.ClassDef) -> None:
    """What may change a constructor: decorators, metaclasses, statements other than definitions."""
    decorators = [item.id if isinstance(item, ast.Name) else "" for item in cls.decorator_list]
    usual = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Expr, ast.Pass)
    assigned = [ast.unparse(target) for item in cls.body if isinstance(item, ast.Assign) for target in item.targets]
    if (
        any(module.imports.get(name) != ("typing", "final") for name in decorators)
        or cls.keywords
        or not all(isinstance(item, usual) for item in cls.body)
        or "__init__" in assigned
    ):
        raise NotPlainError
