"""JSON Schema of what is put on top of something else: a file that extends another, a stage, a task.

There nothing is required, and a plugin may be given by parameters alone. So the schema is written without what is
required; what a whole experiment requires is one more schema, for files that extend none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upt_core.config.schema import KIND_KEY, PluginConfig
from upt_core.registry import KINDS, Kind

Schema = dict[str, Any]

PARTIAL = "partial:"
"""Before the name of a kind: the plugin, or parameters for the one that is there."""
OVERLAID = ("StageSettings", "TaskSettings")
"""Sections whose keys lie over those of the experiment."""
NAMED: Schema = {"if": {"type": "object"}, "then": {"required": ["name"]}}
"""A plugin that is not given by parameters alone."""


def required(schema: Schema, definitions: Schema) -> Schema:
    """What a schema requires: keys, items and the names of plugins."""
    found: Schema = {word: schema[word] for word in ("required", "minProperties") if word in schema}
    if KIND_KEY in schema or any(KIND_KEY in option for option in schema.get("anyOf", [])):
        return NAMED
    target = schema.get("$ref", "").removeprefix("#/$defs/")
    if target in definitions:
        return required(definitions[target], definitions)
    properties = {key: required(item, definitions) for key, item in schema.get("properties", {}).items()}
    if any(properties.values()):
        found["properties"] = {key: item for key, item in properties.items() if item}
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict) and KIND_KEY in schema[word]:
            found[word] = {**NAMED, "not": {"type": "null"}}
    return found


def loosen(root: Schema, definitions: Schema) -> None:
    """Takes out what is required, in place; the keys of stages and tasks become those that they lie over."""
    for name, definition in definitions.items():
        if name not in OVERLAID:
            definitions[name] = _loose(definition)
    root.update(_loose({key: root[key] for key in ("properties", "required")}))
    root.pop("required", None)
    for name in OVERLAID:
        own = definitions.get(name, {}).get("properties", {})
        for key in [key for key in own if key in root["properties"]]:
            own[key] = _laid_over(key, root["properties"][key], own[key].get("description", ""))


def partial_choice(kind: Kind, models: Mapping[str, type[PluginConfig]], definitions: Schema) -> Schema:
    """A plugin of a kind, or parameters without a name for the plugin that is there."""
    parameters: Schema = {}
    for name in models:
        for key, schema in definitions[f"{kind}:{name}"]["properties"].items():
            parameters[key] = schema if parameters.get(key, schema) == schema else {}
    parameters.pop("name", None)
    nameless = {
        "type": "object",
        "properties": parameters,
        "additionalProperties": False,
        "not": {"required": ["name"]},
        "description": "parameters of the plugin that is already set",
    }
    return {"anyOf": [{"$ref": f"#/$defs/{kind}"}, nameless]}


def _laid_over(key: str, schema: Schema, description: str) -> Schema:
    """The schema of one key of a stage or task."""
    own = {**schema, "description": description}
    own.pop("default", None)
    return own


def _loose(schema: Any) -> Any:
    """A copy in which nothing is required, plugins may be given by parameters alone, and entries be taken away."""
    if isinstance(schema, list):
        return [_loose(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _loose(item) for key, item in schema.items() if key not in ("required", "minProperties")}
    if isinstance(kept.get("additionalProperties"), dict):  # entries named by the user, which null takes away
        kept["additionalProperties"] = {"anyOf": [kept["additionalProperties"], {"type": "null"}]}
    if kept.get(KIND_KEY) in KINDS:
        kept[KIND_KEY] = PARTIAL + kept[KIND_KEY]
    return kept
