"""One plugin in full, for ``upt plugins show``: signature, documentation, parameters as YAML takes them, source."""

from __future__ import annotations

import inspect
import textwrap

from pydantic.fields import FieldInfo

from upt_core.cli.text import heading, indent, table
from upt_core.cli.types import readable
from upt_core.config.schema import PluginConfig, plugin_model
from upt_core.config.sections import as_plain
from upt_core.registry import Entry


def page(entry: Entry) -> str:
    """Signature, documentation, parameters, place and source of a plugin."""
    model = plugin_model(entry)
    cls = model.plugin
    parts = [
        heading(f"{entry.kind} {entry.name}") + f"   {entry.distribution}   {cls.__module__}:{cls.__qualname__}",
        _signature(cls),
        _documentation(cls),
        heading("Parameters"),
        indent(_parameters(model), 2),
        heading("Source") + f"   {_place(cls)}",
        _source(cls),
    ]
    return "\n\n".join(parts) + "\n"


def _signature(cls: type) -> str:
    """The constructor's signature, one parameter a line where it is long."""
    parameters = [_parameter(p) for p in inspect.signature(cls).parameters.values()]
    line = f"{cls.__name__}({', '.join(parameters)})"
    return line if len(line) <= 100 else f"{cls.__name__}(\n" + "".join(f"    {p},\n" for p in parameters) + ")"


def _parameter(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {text}{default}"


def _documentation(cls: type) -> str:
    """The docstring without its ``Args``, which the table of parameters has."""
    kept, inside = [], False
    for line in (inspect.getdoc(cls) or "(no documentation)").splitlines():
        inside = line == "Args:" or (inside and (not line or line.startswith(" ")))
        if not inside:
            kept.append(line)
    return "\n".join(kept).strip()


def _parameters(model: type[PluginConfig]) -> str:
    """Name, type, default and meaning of every key that the plugin takes in YAML."""
    rows = []
    for name, field in model.model_fields.items():
        if name != "name":
            lines = textwrap.wrap(field.description or "", 64) or [""]
            rows.append([name, readable(field.annotation, tuple(field.metadata)), _default(field), lines[0]])
            rows += [["", "", "", line] for line in lines[1:]]
    return table(rows) if rows else "none"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = as_plain(field.get_default(call_default_factory=True))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _place(cls: type) -> str:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return ""


def _source(cls: type) -> str:
    try:
        return inspect.getsource(cls).rstrip()
    except (OSError, TypeError):
        return "(the source is not available)"
