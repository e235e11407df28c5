"""The sections of an experiment's YAML, and the validation of a whole document against them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Strict,
    ValidationError,
    model_validator,
)

from upt_core.batch import LatentSpec
from upt_core.config import Document, Keys
from upt_core.errors import ConfigError, PluginError, Problem
from upt_core.kinds import Encoder, FixedValue, LossTerm
from upt_core.registry import Registry
from upt_core.schema import Plugin, PluginConfig, Section, plugin_model

AnyPlugin = Any
StrictBool = Annotated[bool, Strict()]
StrictPositiveInt = Annotated[PositiveInt, Strict()]
Precision = Literal["fp32", "bf16", "fp16"]


class LatentSettings(Section):
    """Shape of the latent state."""

    tokens: StrictPositiveInt = Field(64, description="number of latent tokens; 16 to 512")
    dim: StrictPositiveInt = Field(128, description="width of a latent token; 64 to 512")

    def spec(self) -> LatentSpec:
        """As model parts take it."""
        return LatentSpec(self.tokens, self.dim)


class ModelSettings(Section):
    """The three parts of the model and the latent state between them."""

    latent: LatentSettings = Field(default_factory=lambda: LatentSettings.model_validate({}))
    encoder: Annotated[AnyPlugin, Plugin("encoder")]
    approximator: Annotated[AnyPlugin, Plugin("approximator")]
    decoder: Annotated[AnyPlugin, Plugin("decoder")]


class TrainerSettings(Section):
    """How long, in which precision, with which optimizer."""

    epochs: StrictPositiveInt = Field(description="passes over the training split")
    batch_size: StrictPositiveInt = Field(16, description="samples of a batch")
    accumulate: StrictPositiveInt = Field(1, description="batches whose gradients are averaged for one optimizer step")
    optimizer: Annotated[AnyPlugin, Plugin("optimizer")]
    lr_schedule: Annotated[AnyPlugin, Plugin("schedule")] = Field(
        FixedValue(1.0), description="factor of the learning rate"
    )
    clip_norm: Annotated[PositiveFloat, Strict()] | None = Field(
        1.0, description="largest norm of the gradient; null: not clipped"
    )
    ema: Annotated[float, Strict(), Field(gt=0, lt=1)] | None = Field(
        None,
        description="decay of the moving average of weights that is validated and kept; 0.99 to 0.9999; null: none",
    )
    precision: Precision = Field("fp32", description="bf16 and fp16 use autocast; fp16 needs CUDA")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = Field(
        "auto", description="auto: CUDA where there is one"
    )
    workers: Annotated[NonNegativeInt, Strict()] = Field(0, description="processes that read data ahead; 0: none")
    log_every: StrictPositiveInt = Field(10, description="optimizer steps between logged steps")
    compile: StrictBool = Field(False, description="torch.compile the model's parts; worthwhile on CUDA")


class ValidationSettings(Section):
    """Which figures are computed on the validation split, and which of them decides."""

    metrics: dict[str, Annotated[AnyPlugin, Plugin("metric")]] = Field(min_length=1, description="name → metric")
    monitor: str | None = Field(None, description="the metric that chooses the best checkpoint; left out: the first")
    every: StrictPositiveInt = Field(1, description="epochs between validations")
    rollout: StrictPositiveInt = Field(1, description="time steps predicted from each first state")
    patience: StrictPositiveInt | None = Field(
        None, description="validations without improvement before training stops"
    )
    batch_size: StrictPositiveInt | None = Field(None, description="left out: that of the trainer")

    @model_validator(mode="after")
    def _monitor_exists(self) -> ValidationSettings:
        if self.monitor is not None and self.monitor not in self.metrics:
            raise ValueError(f"monitor is {self.monitor!r}, which is none of the metrics: {', '.join(self.metrics)}")
        return self

    @property
    def monitored(self) -> str:
        """The name of the metric that decides."""
        return self.monitor or next(iter(self.metrics))


class ExperimentSettings(Section):
    """A whole experiment."""

    seed: Annotated[NonNegativeInt, Strict()] = Field(0, description="of weights, batches and query points")
    output: str = Field("runs", description="folder in which run folders are made")
    data: Annotated[AnyPlugin, Plugin("dataset")]
    normalize: Literal["standard", "none"] = Field(
        "standard", description="scale fields to mean 0 and deviation 1 over the training split"
    )
    model: ModelSettings
    sampler: Annotated[AnyPlugin, Plugin("sampler")] | None = Field(
        None, description="query points of every loss term that names no sampler; null: all points"
    )
    losses: dict[str, Annotated[AnyPlugin, Plugin("loss")]] = Field(min_length=1, description="name → loss term")
    trainer: TrainerSettings
    validation: ValidationSettings
    callbacks: list[Annotated[AnyPlugin, Plugin("callback")]] = Field([], description="listeners of the run")


def validate(document: Document, registry: Registry) -> ExperimentSettings:
    """The experiment of a document.

    Raises:
        ConfigError: with every problem that was found, each with its place.
    """
    try:
        settings = ExperimentSettings.model_validate(document.data, context={"registry": registry})
    except ValidationError as error:
        raise ConfigError([_problem(document, registry, dict(item)) for item in error.errors()]) from error
    problems = list(_cross_problems(settings, document))
    if problems:
        raise ConfigError(problems)
    return settings


def _cross_problems(settings: ExperimentSettings, document: Document) -> list[Problem]:
    """Rules that look at more than one section."""
    problems = []
    encoder: type[Encoder] = settings.model.encoder.plugin
    for name, config in settings.losses.items():
        path: Keys = ("losses", name)
        term: LossTerm = config.build()
        own_sampler = config.sampler.build() if config.sampler is not None else None
        try:
            if own_sampler is not None and not term.pointwise:
                raise ValueError("this term looks at all points; remove its sampler")
            term.check_parts(encoder, own_sampler)
        except ValueError as error:
            problems.append(Problem(path, str(error), document.origin(path)))
    if settings.trainer.precision == "fp16" and settings.trainer.device == "cpu":
        path = ("trainer", "precision")
        problems.append(Problem(path, "fp16 needs CUDA", document.origin(path), "use bf16 or fp32 on the CPU"))
    return problems


_MESSAGES = {
    "missing": "is missing",
    "int_type": "expected a whole number; got {input}",
    "int_from_float": "expected a whole number; got {input}",
    "float_type": "expected a number; got {input}",
    "bool_type": "expected true or false; got {input}",
    "string_type": "expected text; got {input}",
    "dict_type": "expected a mapping of keys; got {input}",
    "list_type": "expected a list; got {input}",
    "model_type": "expected a mapping of keys; got {input}",
    "greater_than": "must be greater than {gt}; got {input}",
    "greater_than_equal": "must be at least {ge}; got {input}",
    "less_than": "must be less than {lt}; got {input}",
    "less_than_equal": "must be at most {le}; got {input}",
    "literal_error": "expected {expected}; got {input}",
    "too_short": "must not be empty",
}


def _problem(document: Document, registry: Registry, item: dict[str, Any]) -> Problem:
    path = _path_in(document.data, item["loc"], item["type"])
    shown = repr(item["input"])
    values = {"input": shown if len(shown) <= 60 else shown[:57] + "...", **item.get("ctx", {})}
    if item["type"] == "extra_forbidden":
        return _unknown_key(document, registry, path)
    template = _MESSAGES.get(item["type"])
    message = template.format(**values) if template else re.sub(r"^Value error, ", "", item["msg"])
    hint = ""
    owner = _model_at(document.data, path[:-1], registry)
    if owner is not None and path and path[-1] in owner.model_fields:
        hint = owner.model_fields[str(path[-1])].description or ""
    return Problem(path, message, document.origin(path), hint)


def _unknown_key(document: Document, registry: Registry, path: Keys) -> Problem:
    owner = _model_at(document.data, path[:-1], registry)
    known = list(owner.model_fields) if owner is not None else []
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    of = f" of {owner.kind} {owner.entry.name!r}" if owner is not None and issubclass(owner, PluginConfig) else ""
    hint = f"did you mean {near[0]!r}? " if near else ""
    return Problem(path, f"unknown key{of}", document.origin(path), f"{hint}known keys: {', '.join(known)}")


def _path_in(data: Any, loc: tuple[str | int, ...], kind: str) -> Keys:
    """The keys of a pydantic location that exist in the data: unions add labels of their own."""
    path: list[str | int] = []
    for i, key in enumerate(loc):
        inside = (isinstance(data, Mapping) and key in data) or (isinstance(data, list) and isinstance(key, int))
        if inside:
            path.append(key)
            data = data[key]
        elif i == len(loc) - 1 and kind == "missing":
            path.append(key)
    return tuple(path)


def _model_at(data: Any, path: Keys, registry: Registry) -> type[BaseModel] | None:
    """The model that governs the mapping at a path: sections by their field, plugins by their name."""
    annotation: Any = ExperimentSettings
    model = _resolve(annotation, data, registry)
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else data[int(key)]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(key))
            annotation = None if field is None else _with_metadata(field)
        else:
            annotation = get_args(annotation)[-1] if get_args(annotation) else None
        model = _resolve(annotation, data, registry)
        annotation = model or annotation
    return model


def _with_metadata(field: Any) -> Any:
    plugins = [item for item in field.metadata if isinstance(item, Plugin)]
    return Annotated[Any, plugins[0]] if plugins else field.annotation


def _resolve(annotation: Any, data: Any, registry: Registry) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is Annotated:
        for item in get_args(annotation)[1:]:
            if isinstance(item, Plugin) and isinstance(data, Mapping) and "name" in data:
                try:
                    return plugin_model(registry.find(item.kind, str(data["name"])))
                except PluginError:
                    return None
        return None
    for option in get_args(annotation) if get_origin(annotation) not in (dict, list, tuple) else ():
        found = _resolve(option, data, registry)
        if found is not None:
            return found
    return None


def as_plain(value: Any) -> Any:
    """A configuration as plain data, defaults filled in: what is written beside a run and read back."""
    if isinstance(value, FixedValue):
        return value.value
    if isinstance(value, PluginConfig):
        fields = {key: as_plain(getattr(value, key)) for key in type(value).model_fields}
        if value.kind == "loss" and "sampler" not in value.model_fields_set:
            del fields["sampler"]  # left out means the experiment's sampler, null means all points
        return fields
    if isinstance(value, BaseModel):
        return {key: as_plain(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def plugins_of(value: Any) -> list[PluginConfig]:
    """Every plugin that a configuration uses, nested ones included."""
    found = [value] if isinstance(value, PluginConfig) else []
    if isinstance(value, BaseModel):
        for key in type(value).model_fields:
            found += plugins_of(getattr(value, key))
    elif isinstance(value, Mapping):
        for item in value.values():
            found += plugins_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            found += plugins_of(item)
    return found
