"""JSON Schema of stages and tasks: parts of an experiment that are put on top of it, so nothing in them is required."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upt_core.registry import KINDS, Kind
from upt_core.schema import KIND_KEY, PluginConfig

Schema = dict[str, Any]

PARTIAL = "partial:"
"""Before the name of a definition: the same without what is required."""
PLACES: dict[str, dict[str, str]] = {
    "StageSettings": {
        "sampler": "",
        "losses": "",
        "trainer": "TrainerSettings",
        "validation": "ValidationSettings",
    },
    "TaskSettings": {
        "data": "",
        "normalize": "",
        "model": "ModelSettings",
        "sampler": "",
        "losses": "",
        "validation": "ValidationSettings",
    },
}
"""Definition → its keys that lie over those of the experiment, and the section that they lie over."""


def add_partial(root: Schema, definitions: Schema) -> None:
    """Describes the keys of stages and tasks by those of the experiment that they lie over, in place."""
    for definition, keys in PLACES.items():
        properties = definitions.get(definition, {}).get("properties", {})
        for key, section in keys.items():
            if key in properties:
                own = {word: properties[key][word] for word in ("description",) if word in properties[key]}
                properties[key] = {**_laid_over(key, section, root, definitions), **own}


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
        "description": "parameters of the plugin that is there",
    }
    return {"anyOf": [{"$ref": f"#/$defs/{kind}"}, nameless]}


def _laid_over(key: str, section: str, root: Schema, definitions: Schema) -> Schema:
    """The schema of one key of a stage or task."""
    if section:
        if PARTIAL + section not in definitions:
            definitions[PARTIAL + section] = _without_required(definitions[section])
        return {"$ref": f"#/$defs/{PARTIAL}{section}"}
    schema: Schema = _without_required(root["properties"][key])
    if key == "losses":
        schema["additionalProperties"] = {"anyOf": [schema["additionalProperties"], {"type": "null"}]}
    return schema


def _without_required(schema: Any) -> Any:
    """A copy in which nothing is required, and plugins may be given by parameters alone."""
    if isinstance(schema, list):
        return [_without_required(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_required(item) for key, item in schema.items() if key not in ("required", "minProperties")}
    kept.pop("default", None)
    if kept.get(KIND_KEY) in KINDS:
        kept[KIND_KEY] = PARTIAL + kept[KIND_KEY]
    return kept
