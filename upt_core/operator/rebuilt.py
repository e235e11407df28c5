"""What an operator keeps of itself, as plain data → its model and what it knows of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from upt_core.config.document import Document
from upt_core.config.problems import problems_of
from upt_core.config.sections import ModelSettings
from upt_core.data.normalize import Normalization
from upt_core.data.training_data import TrainingData
from upt_core.errors import CheckpointError
from upt_core.model import Upt
from upt_core.registry import Registry
from upt_core.shards import cut_like
from upt_core.specs import DataSpec, FieldSpec, LatentSpec


def known_of(plain: Mapping[str, Any]) -> tuple[Normalization, TrainingData]:
    """What an operator, as plain data, knows of the data that it was trained on."""
    data, scale, training = (
        _data_spec(plain["data"]),
        plain["normalization"],
        TrainingData.from_plain(plain["training"]),
    )
    data = replace(data, margins=data.margins or training.ends)  # files of before margins were kept have them there
    buffers = [scale[name] for name, _ in Normalization.identity(data).named_buffers()]
    return Normalization(data, *buffers), training


def load_weights(model: torch.nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Loads weights, and says which differ where they belong to another architecture.

    Raises:
        CheckpointError: names or shapes differ.
    """
    own = model.state_dict()
    differences = [f"{name} is missing in the checkpoint" for name in own if name not in weights]
    differences += [f"{name} is not part of the model" for name in weights if name not in own]
    differences += [
        f"{name} has shape {tuple(weights[name].shape)}, the model {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if differences:
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise CheckpointError(
            f"{where}: belongs to another architecture: {'; '.join(differences[:3])}{more}; use the config.yaml in "
            "the folder of the checkpoint's run"
        )
    model.load_state_dict({name: cut_like(value, own[name]) for name, value in weights.items()})


def model_of(settings: Mapping[str, Any], data: DataSpec, registry: Registry, where: str) -> Upt:
    """The model of a section ``model``, with new weights.

    Raises:
        CheckpointError: it cannot be built from these settings.
    """
    try:
        parts = ModelSettings.model_validate(settings, context={"registry": registry})
        runtime = {DataSpec: data, LatentSpec: parts.latent.spec()}
        with torch.random.fork_rng(devices=[]):  # weights are overwritten; who loads keeps the random state
            encoder, approximator, decoder = (
                part.build(runtime) for part in (parts.encoder, parts.approximator, parts.decoder)
            )
            return Upt(encoder, approximator, decoder, parts.predict)
    except ValidationError as error:
        problems = "".join(f"\n    {problem}" for problem in problems_of(error, Document(dict(settings)), registry))
        raise CheckpointError(
            f"{where}: the model cannot be built from its description in the file{problems}"
        ) from error
    except ValueError as error:
        raise CheckpointError(
            f"{where}: the model cannot be built from its description in the file: {error}; use the versions of its run"
        ) from error


def _data_spec(plain: Mapping[str, Any]) -> DataSpec:
    fields = {name: tuple(_field(one) for one in plain[name]) for name in ("inputs", "targets")}
    return DataSpec(**{**plain, **fields})


def _field(plain: Mapping[str, Any]) -> FieldSpec:
    return FieldSpec(**{**plain, "along": tuple(plain.get("along", ()))})
