"""The JSON Schema of this installation, third-party plugins included: what editors complete and check by.

Each plugin is a definition ``kind:name``; each kind is a choice among its plugins, by their names. What only the
constructors know (rules across arguments) is not in it: ``upt check`` has the last word.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from upt_core.config.document import EXTENDS
from upt_core.config.partial_schema import PARTIAL, loosen, partial_choice, required
from upt_core.config.schema import KIND_KEY, PluginConfig, plugin_model
from upt_core.config.sections import ExperimentSettings, as_plain
from upt_core.config.signature import summary
from upt_core.errors import PluginError
from upt_core.registry import KINDS, Kind, Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def json_schema(registry: Registry) -> Schema:
    """JSON Schema (draft 2020-12) of an experiment. Plugins that are broken or claimed twice are left out.

    A file that extends another may leave out what is required elsewhere, and so may stages and tasks.
    """
    root = ExperimentSettings.model_json_schema(schema_generator=_Generator)
    definitions: Schema = root.pop("$defs")
    whole = {**required(root, definitions), **_DATA_OR_TASKS}
    _from_elsewhere(whole["properties"]["model"])
    loosen(root, definitions)
    root.update({"if": {"required": [EXTENDS]}, "then": True, "else": whole})
    root["properties"] = {EXTENDS: _EXTENDS_SCHEMA, **root["properties"]}
    for kind in KINDS:
        models = usable(registry, kind)
        definitions.update({f"{kind}:{name}": _plugin_schema(name, model) for name, model in models.items()})
        definitions[kind] = _choice(kind, models)
        definitions[PARTIAL + kind] = partial_choice(kind, models, definitions)
    schema: Schema = _with_references({**root, "$defs": definitions})
    return {"$schema": DIALECT, **schema, "title": "upt experiment"}


def _from_elsewhere(model: Schema) -> None:
    """A model that starts from an operator takes from there the parts that it leaves out."""
    model.update({"if": {"required": ["from"]}, "then": True, "else": {"required": model.pop("required")}})


def usable(registry: Registry, kind: Kind) -> dict[str, type[PluginConfig]]:
    """The models of a kind's plugins, by name, without those that cannot be used."""
    found = {}
    for name in registry.names(kind):
        try:
            found[name] = plugin_model(registry.find(kind, name))
        except PluginError:
            continue
    return found


_DATA_OR_TASKS: Schema = {
    "oneOf": [
        {"required": ["data"], "properties": {"data": {"not": {"type": "null"}}}},
        {"required": ["tasks"], "properties": {"tasks": {"minProperties": 1}}},
    ]
}
"""An experiment has a data set, or tasks, each with a data set."""
_EXTENDS_SCHEMA: Schema = {
    "description": "files that this one extends, relative to it; later ones override earlier ones",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}


class _Generator(GenerateJsonSchema):
    """Defaults as a configuration has them, and no titles made of field names."""

    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(as_plain(dft))

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _plugin_schema(name: str, model: type[PluginConfig]) -> Schema:
    schema = model.model_json_schema(schema_generator=_Generator)
    schema["description"] = f"{summary(model.plugin)} ({model.entry.distribution})"
    schema["properties"]["name"] = {"const": name, "description": summary(model.plugin)}
    schema["required"] = ["name", *schema.get("required", [])]
    return schema


def _choice(kind: Kind, models: dict[str, type[PluginConfig]]) -> Schema:
    """A plugin of a kind: a mapping with its name, the bare name where that is enough, a number for a schedule."""
    options: list[Schema] = [{"$ref": f"#/$defs/{kind}:{name}"} for name in models]
    options += [
        {"const": name, "description": summary(model.plugin)}
        for name, model in models.items()
        if not any(field.is_required() for field in model.model_fields.values())
    ]
    if kind == "schedule":
        options.append({"type": "number", "description": "a value that does not change"})
    if not options:
        return {"not": {}, "description": f"no plugin of the kind {kind} is installed"}
    names = {"name": {"enum": list(models)}}  # beside the options: editors offer every name while one is typed
    return {"properties": names, "anyOf": options}


def _with_references(schema: Any) -> Any:
    """References to kinds where the pydantic schema has their marks."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get(KIND_KEY)
    rest = {key: _with_references(value) for key, value in schema.items() if key != KIND_KEY}
    return {"$ref": f"#/$defs/{kind}", **rest} if isinstance(kind, str) else rest
