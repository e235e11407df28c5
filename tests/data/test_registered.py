"""Every data set that is registered: found by name, its settings described, its class importable."""

from __future__ import annotations

import inspect

import pytest

import upt_data
from upt_core import Dataset
from upt_core.config.schema import plugin_model
from upt_core.registry import Distribution, Entry

TARGETS: dict[str, str] = {}
upt_data.register_datasets(lambda name, target: TARGETS.update({name: target}))


def entry(name: str) -> Entry:
    return Entry("dataset", name, TARGETS[name], Distribution("upt-core", "0"))


@pytest.mark.parametrize("name", TARGETS)
def test_settings_have_a_schema_and_a_description_each(name: str) -> None:
    cls = entry(name).load()
    assert issubclass(cls, Dataset)
    assert inspect.getdoc(cls)
    model = plugin_model(entry(name))
    undescribed = [field for field in model.model_fields if not model.model_fields[field].description]
    assert undescribed == []


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in TARGETS
        if not {"path", "base", "targets", "scenario"} & set(inspect.signature(entry(name).load()).parameters)
    ],
)
def test_generated_data_sets_are_usable_without_any_setting(name: str) -> None:
    config = plugin_model(entry(name)).model_validate({})
    assert config.build().spec().num_axes >= 1


def test_a_range_can_be_written_as_a_list() -> None:
    config = plugin_model(entry("burgers1d")).model_validate({"viscosity": [0.01, 0.02]})
    assert config.build().spec().condition == ("viscosity",)
