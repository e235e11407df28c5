"""Starting from what was trained: weights and scales of another operator, as far as they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upt_core.config.document import Document
from upt_core.config.merge import merge
from upt_core.config.sections import OF_THE_START, ExperimentSettings, ModelSettings
from upt_core.data.normalize import TIME_STEP, Normalization
from upt_core.errors import CheckpointError, ConfigError, Problem
from upt_core.model import Upt
from upt_core.operator import file
from upt_core.operator.load import chosen, operators_of, place, weights_of
from upt_core.operator.rebuilt import known_of
from upt_core.processes import current
from upt_core.specs import DataSpec

OF_THE_MODEL = ("latent", "encoder", "approximator", "decoder")

WHAT_STARTS = "name a run folder, or a file that Operator.save wrote"


@dataclass(frozen=True)
class Source:
    """A trained operator that another model starts from.

    Args:
        place: the file.
        plain: all that it says of itself, see ``Operator.plain``.
        weights: of its model, the moving average where there is one.
        digest: of the file, as hexadecimal digits.
    """

    place: str
    plain: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    digest: str


@dataclass(frozen=True)
class Start:
    """What a model took from another operator.

    Args:
        loaded: part → how many of its tensors were taken, and how many it has.
        left: a sentence for each tensor that keeps its new value, and for each of the operator's that has no place.
        scales: where the scales of fields and conditions come from, and whether the box is another.
        chain: the operators that this one comes from, the oldest first, as plain data.
    """

    loaded: dict[str, tuple[int, int]]
    left: list[str]
    scales: str
    chain: list[dict[str, Any]]

    def sentences(self, most: int = 8) -> list[str]:
        """For people to read."""
        parts = ", ".join(f"{part} {taken} of {all_}" for part, (taken, all_) in self.loaded.items())
        more = [f"and {len(self.left) - most} more, listed in start.json of the run"] if len(self.left) > most else []
        told = [f"not taken: {text}" for text in self.left[:most]]
        return [f"weights of {self.chain[-1]['source']}: {parts} tensors", *told, *more, self.scales]

    def plain(self) -> dict[str, Any]:
        """As plain data, for a JSON file beside the run."""
        loaded = {part: {"taken": taken, "of": all_} for part, (taken, all_) in self.loaded.items()}
        return {"loaded": loaded, "left": self.left, "scales": self.scales, "chain": self.chain}


def with_its_model(document: Document) -> Document:
    """A document whose ``model.from`` brings the parts that the document leaves out.

    Raises:
        ConfigError: there is no operator to take them from.
    """
    model = document.data.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("from"), str | Path):
        return document
    missing = [key for key in OF_THE_MODEL if key not in model]
    if not missing:
        return document
    try:
        source = _read(Path(model["from"]), model.get("from_task"), "")
    except CheckpointError as error:
        raise _problem(document, "from", str(error), WHAT_STARTS) from error
    own = {key: source.plain["settings"][key] for key in missing}
    own["predict"] = source.plain["settings"].get("predict", "state")  # files of before do not say it
    base: dict[str, Any] = {"model": own}
    origins: dict[tuple[Any, ...], str] = {("model", key): source.place for key in missing}
    return Document(*merge(base, origins, document.data, document.origins))


def source_of(settings: ExperimentSettings, document: Document, task: str) -> Source:
    """The operator that a model starts from; of several processes the first reads it.

    Raises:
        ConfigError: it cannot be read, or holds several tasks and none is chosen.
    """
    model = settings.model
    assert model.from_ is not None
    path = model.from_
    try:
        return current().of_first(lambda: _read(path, model.from_task, task))
    except CheckpointError as error:
        raise _problem(document, "from", str(error), WHAT_STARTS) from error


def take(
    model: Upt, source: Source, settings: ModelSettings, normalization: Normalization, keep: bool, document: Document
) -> tuple[Normalization, Start]:
    """Loads what fits of the source into a new model, part by part.

    Args:
        normalization: measured on the data at hand.
        keep: use the source's scales for the channels and conditions that it knows.

    Returns:
        The scales to train with, and what was taken.

    Raises:
        ConfigError: a part is of another kind than the source's, or nothing of it fits.
    """
    loaded: dict[str, tuple[int, int]] = {}
    left: list[str] = []
    for part in settings.parts:
        ours, theirs = getattr(settings, part).name, source.plain["settings"][part]["name"]
        if ours != theirs:
            message = (
                f"the {part} of {source.place} is {theirs!r}, not {ours!r}; use that one, or leave this part out of "
                "parts"
            )
            raise _problem(document, part, message)
        taken, whole, sentences = _take_part(getattr(model, part), part, source.weights)
        if whole and not taken:
            message = f"nothing of the {part} of {source.place} fits: {'; '.join(sentences[:3])}; leave it out of parts"
            raise _problem(document, "parts", message)
        loaded[part] = (taken, whole)
        left += sentences
    scales, said = _scales(normalization, source, keep)
    told = [said, *_boxes(normalization.data, source), *_meaning(settings, source)]
    return scales, Start(loaded, left, "; ".join(told), _chain(source, settings.parts))


def _meaning(settings: ModelSettings, source: Source) -> list[str]:
    """That a decoder's answer is now taken for something else, if it is."""
    there = source.plain["settings"].get("predict", "state")
    if "decoder" not in settings.parts or there == settings.predict:
        return []
    return [
        f"the decoder was trained to predict the {there} and now predicts the {settings.predict}; if you did not "
        f"intend this, write model.predict: {there}"
    ]


def without_start(model: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``model`` as an operator keeps it: what the model is, not where its weights began."""
    return {key: value for key, value in model.items() if f"{key}_" not in OF_THE_START and key not in OF_THE_START}


def _read(path: Path, task: str | None, own_task: str) -> Source:
    where = place(path.expanduser())
    content = file.read(where)
    operators = operators_of(content, where)
    task = task if task is not None else own_task if own_task in operators else None
    name = chosen(operators, task, where, "model.from_task")
    prefix = f"models.{name}." if name else ""
    weights = {key.removeprefix(prefix): value for key, value in weights_of(content).items() if key.startswith(prefix)}
    return Source(str(path), operators[name], weights, file.digest(where))


def _take_part(part: torch.nn.Module, name: str, weights: Mapping[str, Tensor]) -> tuple[int, int, list[str]]:
    """How many of the part's tensors were taken, of how many; a sentence for each of the others, on either side."""
    own, left = part.state_dict(), []
    for key, value in own.items():
        other = weights.get(f"{name}.{key}")
        if other is None:
            left.append(f"{name}.{key} is not there")
        elif other.shape != value.shape:
            left.append(f"{name}.{key} has shape {tuple(value.shape)} here, {tuple(other.shape)} there")
        else:
            value.copy_(other)  # state_dict shares memory with the part
    taken, there = len(own) - len(left), [key for key in weights if key.startswith(f"{name}.")]
    left += [f"{key} is only there" for key in there if key.removeprefix(f"{name}.") not in own]
    return taken, len(own), left


def _scales(own: Normalization, source: Source, keep: bool) -> tuple[Normalization, str]:
    """The source's scales of the fields and conditions that it knows by name and width; the others as measured.

    What never changed where the source was trained has no scale there, so its scale is measured, too.
    """
    if not keep:
        return own, "scales of all fields are measured on these data"
    other, training = known_of(source.plain)
    mean_C, std_C = own.mean_C.clone(), own.std_C.clone()
    mean_P, std_P = own.condition_mean_P.clone(), own.condition_std_P.clone()
    known, new = [], []
    theirs = {field.name: field for field in other.data.fields}
    for field in own.data.fields:
        if theirs.get(field.name) != field:
            new.append(field.name)
            continue
        here, there = own.data.channels_of(field.name), other.data.channels_of(field.name)
        if torch.any(training.low_C[there] == training.high_C[there]):
            new.append(field.name)
            continue
        known.append(field.name)
        mean_C[here], std_C[here] = other.mean_C[there], other.std_C[there]
    for number, name in enumerate(own.data.condition):
        low, high = training.time_step or (0.0, 0.0) if name == TIME_STEP else training.condition.get(name, (0.0, 0.0))
        if name not in other.data.condition or low == high:
            new.append(name)
            continue
        known.append(name)
        there_P = other.data.condition.index(name)
        mean_P[number], std_P[number] = other.condition_mean_P[there_P], other.condition_std_P[there_P]
    said = [f"scales of {', '.join(known)} are those of {source.place}"] if known else []
    said += [f"scales of {', '.join(new)} are measured on these data"] if new else []
    return Normalization(own.data, mean_C, std_C, mean_P, std_P), "; ".join(said)


def _boxes(data: DataSpec, source: Source) -> list[str]:
    """A sentence where the box is another: weights know coordinates as parts of it, so lengths change their meaning."""
    other = known_of(source.plain)[0].data
    if (data.extent, data.periodic) == (other.extent, other.periodic):
        return []
    return [
        f"the box is {_box(data)} here, {_box(other)} there: the weights use coordinates relative to the box, so "
        "lengths have changed for the operator"
    ]


def _box(data: DataSpec) -> str:
    axes = zip(data.extent, data.periodic, strict=True)
    return " x ".join(f"{length:g}{' periodic' if wraps else ''}" for length, wraps in axes)


def _chain(source: Source, parts: Sequence[str]) -> list[dict[str, Any]]:
    provenance = source.plain["provenance"]
    here = {
        "source": source.place,
        "digest": source.digest,
        "name": provenance.get("name", ""),
        "started": provenance.get("started", ""),
        "data": source.plain["training"]["content"],
        "parts": list(parts),
    }
    return [*provenance.get("parents", []), here]


def _problem(document: Document, key: str, message: str, hint: str = "") -> ConfigError:
    path = ("model", key)
    return ConfigError([Problem(path, message, document.origin(path), hint)])
