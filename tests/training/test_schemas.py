"""Every built-in schedule, metric, optimizer and loss term has a schema, and each parameter a help text."""

from __future__ import annotations

import inspect

import pytest

from upt_core.config.schema import parameter_descriptions, plugin_model
from upt_core.registry.discovery import installed

ENTRIES = [
    claims[0]
    for claims in installed().entries.values()
    if str(claims[0].target).startswith(("upt_training.", "upt_losses."))
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind} {entry.name}")
def test_schema_and_help(entry):
    cls = entry.load()
    plugin_model(entry)
    names = list(inspect.signature(cls).parameters)
    described = parameter_descriptions(cls)
    assert set(described) == set(names)
    assert all(described.values())
    assert cls.__doc__.splitlines()[0].endswith((".", ":", ".)"))
