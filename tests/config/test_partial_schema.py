"""The JSON Schema knows that stages and tasks lie over the experiment: nothing is required in them, all is checked."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from upt_core.config.document import parse
from upt_core.config.json_schema import json_schema
from upt_core.registry.discovery import installed


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema(installed()))


def stage(text: str) -> str:
    return f"stages: [{{name: one, {text}}}]"


def task(text: str) -> str:
    return f"tasks: {{one: {{data: {{name: burgers1d}}, {text}}}}}"


GOOD = [
    stage("freeze: [encoder], cache_latents: true"),
    stage("trainer: {epochs: 3}"),
    stage("trainer: {optimizer: {lr: 1e-4}}"),
    stage("trainer: {optimizer: {name: muon, momentum: 0.9}, lr_schedule: warmup_cosine}"),
    stage("sampler: {num_queries: 4}"),
    stage("sampler: null"),
    stage("losses: {forward: null}"),
    stage("losses: {inverse: {weight: 0.1, every: 2}}"),
    stage("losses: {smooth: {name: spectral, sobolev: 1}}"),
    stage("validation: {rollout: 4, metrics: {rmse: rmse}}"),
    task("weight: 2"),
    task("model: {encoder: {patch: 4}, decoder: perceiver}"),
    task("losses: {inverse: null}, normalize: none"),
]
BAD = [
    stage("trainr: {epochs: 3}"),
    stage("trainer: {epoch: 3}"),
    stage("trainer: {epochs: 0}"),
    stage("trainer: {optimizer: {learning_rate: 1e-4}}"),
    stage("trainer: {optimizer: {name: muon, beta3: 0.9}}"),
    stage("trainer: {optimizer: adamm}"),
    stage("sampler: {num_querys: 4}"),
    stage("sampler: unifrom"),
    stage("losses: {inverse: {weigth: 0.1}}"),
    stage("losses: {inverse: {every: 0}}"),
    stage("losses: {smooth: {name: spectral, sobolov: 1}}"),
    stage("validation: {rollout: 0}"),
    stage("freeze: [encodr]"),
    "stages: [{freeze: [encoder]}]",
    task("wight: 2"),
    task("model: {encoder: {pach: 4}}"),
    task("model: {encodr: {patch: 4}}"),
    task("normalize: nothing"),
    task("validation: {metrics: {rmse: rms}}"),
]


def document(experiment: str, part: str) -> Any:
    text = experiment if part.startswith("stages") else experiment.partition("\n")[2]
    return parse(f"{text}{part}\n", "exp.yaml").data


@pytest.mark.parametrize("part", GOOD)
def test_what_lies_over_the_experiment_may_be_partial(
    experiment: str, validator: Draft202012Validator, part: str
) -> None:
    assert [error.message for error in validator.iter_errors(document(experiment, part))] == []


@pytest.mark.parametrize("part", BAD)
def test_misspellings_in_it_are_found(experiment: str, validator: Draft202012Validator, part: str) -> None:
    assert not validator.is_valid(document(experiment, part))


def test_a_file_on_top_of_another_takes_entries_away(validator: Draft202012Validator) -> None:
    text = "losses: {forward: null}\nvalidation: {metrics: {rmse: null}}\ntasks: {one: null}\n"
    assert [error.message for error in validator.iter_errors(parse(f"extends: base.yaml\n{text}", "x").data)] == []
    assert not validator.is_valid(parse(text, "x").data)


def test_null_is_no_entry_of_a_whole_file(experiment: str, validator: Draft202012Validator) -> None:
    data = parse(experiment, "exp.yaml").data
    for section in (data["losses"], data["validation"]["metrics"]):
        section["new"] = None
        assert not validator.is_valid(data)
        del section["new"]
        assert validator.is_valid(data)


def test_a_data_set_or_tasks(experiment: str, validator: Draft202012Validator) -> None:
    without = experiment.partition("\n")[2]
    assert not validator.is_valid(parse(without, "exp.yaml").data)
    assert not validator.is_valid(parse(experiment + "tasks: {a: {data: burgers1d}}\n", "exp.yaml").data)
    assert validator.is_valid(parse(without + "data: null\ntasks: {a: {data: burgers1d}}\n", "exp.yaml").data)
    assert validator.is_valid(parse(experiment + "tasks: {}\n", "exp.yaml").data)
