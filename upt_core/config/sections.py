"""The sections of an experiment's YAML, from the root down, and a validated experiment as plain data again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, BaseModel, Field, NonNegativeInt, PositiveInt, Strict

from upt_core.config.schema import Plugin, PluginConfig, Section
from upt_core.kinds import FixedValue
from upt_core.specs import LatentSpec

AnyPlugin = Any
StrictBool = Annotated[bool, Strict()]
StrictPositiveInt = Annotated[PositiveInt, Strict()]
Precision = Literal["fp32", "bf16", "fp16"]


class LatentSettings(Section):
    """Shape of the latent state."""

    tokens: StrictPositiveInt | Annotated[list[StrictPositiveInt], Field(min_length=1)] = Field(
        64,
        description="number of latent tokens, 16 to 512; or a list, the number along each axis, for parts whose "
        "tokens have a fixed place in space, for example [64] or [16, 16]",
    )
    dim: StrictPositiveInt = Field(128, description="width of a latent token; 64 to 512, on a lattice 4 to 32")

    def spec(self) -> LatentSpec:
        """As model parts take it."""
        if isinstance(self.tokens, int):
            return LatentSpec(self.tokens, self.dim)
        return LatentSpec.on_lattice(self.tokens, self.dim)


OF_THE_START = ("from_", "parts", "from_task", "normalization")
"""Fields that say where a model's weights start, and nothing of what it is."""


class ModelSettings(Section):
    """The three parts of the model, the latent state between them, and the operator that they start from."""

    from_: Path | None = Field(
        None,
        alias="from",
        description="a run folder or an operator's file; the model starts from its weights. Its encoder, "
        "approximator, decoder and latent are used if they are not given here",
    )
    parts: list[Literal["encoder", "approximator", "decoder"]] = Field(
        ["encoder", "approximator", "decoder"],
        min_length=1,
        description="parts that take their weights from the operator",
    )
    from_task: str | None = Field(
        None, description="the task of an operator with several tasks; default: the task of the same name"
    )
    normalization: Literal["keep", "measure"] = Field(
        "keep", description="scales of fields and conditions: those of the operator (keep), or measured on these data"
    )
    predict: Literal["state", "change"] = Field(
        "state",
        description="state: the decoder predicts the state; change: the decoder predicts the change of the given "
        "state, so structures too fine for the latent are kept. Good if fields change little in a step",
    )
    latent: LatentSettings = Field(default_factory=lambda: LatentSettings.model_validate({}))
    encoder: Annotated[AnyPlugin, Plugin("encoder")]
    approximator: Annotated[AnyPlugin, Plugin("approximator")]
    decoder: Annotated[AnyPlugin, Plugin("decoder")]


class BudgetSettings(Section):
    """Length of training in seconds. The run ends with this or with the epochs, whichever comes first."""

    seconds: Annotated[float, AllowInfNan(False), Field(gt=0)] = Field(
        description="seconds of training; validation and checkpoints do not count"
    )
    clock: Literal["wall", "process"] = Field(
        "wall",
        description="wall: elapsed time; process: processor time of this process, which varies less on a busy machine",
    )


class CheckpointSettings(Section):
    """When checkpoints are written, in addition to the one at the end of a run; whichever comes first."""

    every_steps: StrictPositiveInt | None = Field(
        None, description="optimizer steps between checkpoints; null: no limit"
    )
    every_minutes: Annotated[float, AllowInfNan(False), Field(gt=0)] | None = Field(
        5.0, description="minutes between checkpoints; a killed run loses at most this much; null: no limit"
    )
    keep_last: StrictPositiveInt = Field(
        2, description="number of last checkpoints to keep; with 2 a run survives a damaged file"
    )
    keep_best: StrictPositiveInt = Field(
        1, description="number of best checkpoints to keep: the best, and those before it"
    )


Part = Literal["encoder", "approximator", "decoder"]


class TrainerSettings(Section):
    """Length, precision and optimizer of training."""

    epochs: StrictPositiveInt = Field(description="passes over the training split")
    budget: BudgetSettings | None = Field(
        None,
        description="length of training in seconds, at the end of which the learning-rate schedule ends; null: only "
        "epochs count",
    )
    batch_size: StrictPositiveInt = Field(16, description="samples of a batch, over all processes together")
    accumulate: StrictPositiveInt = Field(1, description="batches whose gradients are averaged for one optimizer step")
    optimizer: Annotated[AnyPlugin, Plugin("optimizer")]
    lr_schedule: Annotated[AnyPlugin, Plugin("schedule")] = Field(
        FixedValue(1.0), description="factor of the learning rate"
    )
    clip_norm: Annotated[float, Strict(), AllowInfNan(False), Field(gt=0)] | None = Field(
        1.0, description="largest norm of the gradient; null: not clipped"
    )
    ema: Annotated[float, Strict(), Field(gt=0, lt=1)] | None = Field(
        None,
        description="decay of the moving average of the weights, which is then validated and saved as the best; "
        "0.99 to 0.9999; null: none",
    )
    precision: Precision = Field("fp32", description="bf16 and fp16 use autocast; fp16 needs CUDA")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = Field(
        "auto", description="auto: CUDA if available"
    )
    strategy: Literal["auto", "ddp", "fsdp"] = Field(
        "auto",
        description="for several processes: ddp holds the whole model in each; fsdp divides parameters, gradients "
        "and optimizer state among them; auto: ddp",
    )
    workers: Annotated[NonNegativeInt, Strict()] = Field(0, description="processes that read data ahead; 0: none")
    log_every: StrictPositiveInt = Field(10, description="optimizer steps between logged steps")
    gradient_share_every: Annotated[NonNegativeInt, Strict()] = Field(
        250,
        description="optimizer steps between measurements of each term's share of the gradient, at the ends of "
        "epochs; 0: never",
    )
    sampling_share_every: Annotated[NonNegativeInt, Strict()] = Field(
        2500,
        description="optimizer steps between measurements of the share of the gradient noise that is due to query "
        "points, at the ends of epochs; no sampler can save more than this share; 0: never",
    )
    checkpoint: CheckpointSettings = Field(default_factory=lambda: CheckpointSettings.model_validate({}))
    max_time: Annotated[str, Field(pattern=r"^\d+(\.\d+)?[smhd]$")] | None = Field(
        None,
        description="training ends after this time, and the test follows; a number and s, m, h or d: 90m, 11.5h; "
        "null: no limit",
    )
    on_nan: Literal["stop", "skip", "rewind"] = Field(
        "stop",
        description="if a loss or gradient is NaN or infinite: end the run (stop), leave out the step (skip), or "
        "continue from the last checkpoint with half the learning rate (rewind)",
    )
    max_gradient_spike: Annotated[float, Strict(), AllowInfNan(False), Field(gt=1)] | None = Field(
        None,
        description="steps whose gradient norm exceeds this multiple of its usual value are left out; 5 to 20; "
        "null: none",
    )
    activation_checkpointing: list[Part] = Field(
        [],
        description="parts of the model that are computed again in the backward pass instead of being kept in "
        "memory; this costs one more forward pass of each",
    )
    decode_chunk: StrictPositiveInt | None = Field(
        None,
        description="largest number of query points of a sample that are decoded at once; each chunk is computed "
        "again in the backward pass. This bounds the decoder's memory; null: all at once",
    )
    compile: StrictBool = Field(False, description="torch.compile the model's parts; worthwhile on CUDA")


class ValidationSettings(Section):
    """Metrics on the validation split, and the one that chooses the best checkpoint."""

    metrics: dict[str, Annotated[AnyPlugin, Plugin("metric")]] = Field(min_length=1, description="name → metric")
    monitor: str | None = Field(
        None, description="the metric that decides which checkpoint is the best; default: the first"
    )
    every: StrictPositiveInt = Field(1, description="epochs between validations")
    rollout: StrictPositiveInt = Field(1, description="time steps predicted from each first state")
    space: Literal["latent", "physical"] = Field(
        "latent",
        description="rollouts advance the latent (latent), or encode each prediction again (physical: slower, often "
        "more stable)",
    )
    patience: StrictPositiveInt | None = Field(
        None, description="validations without improvement before training stops"
    )
    batch_size: StrictPositiveInt | None = Field(None, description="samples of a batch; default: that of the trainer")

    @property
    def monitored(self) -> str:
        """The name of the metric that decides."""
        return self.monitor or next(iter(self.metrics))


class StageSettings(Section):
    """One stage of a run: its differences from the experiment. It continues with the weights of the stage before."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = Field(description="letters, digits, _ and -")
    freeze: list[Part] = Field([], description="parts whose weights are kept fixed")
    cache_latents: StrictBool = Field(
        False, description="encode every state once and train on the latents; needs a frozen encoder"
    )
    sampler: Any = Field(None, description="replaces the experiment's sampler")
    losses: dict[str, Any] = Field({}, description="merged over the experiment's losses; null removes a term")
    trainer: dict[str, Any] = Field({}, description="merged over the experiment's trainer: epochs, optimizer, …")
    validation: dict[str, Any] = Field({}, description="merged over the experiment's validation")


class TaskSettings(Section):
    """One of several tasks: its differences from the experiment. It has its own encoder and decoder."""

    weight: Annotated[float, Strict(), AllowInfNan(False), Field(gt=0)] = Field(
        1.0, description="share of the batches, relative to the other tasks"
    )
    data: Any = Field(None, description="the task's data set")
    normalize: Any = Field(None, description="replaces the experiment's")
    mean: Any = Field(None, description="replaces the experiment's")
    model: dict[str, Any] = Field({}, description="merged over the experiment's model: encoder, decoder")
    sampler: Any = Field(None, description="replaces the experiment's sampler")
    losses: dict[str, Any] = Field({}, description="merged over the experiment's losses; null removes a term")
    validation: dict[str, Any] = Field({}, description="merged over the experiment's validation: metrics, rollout")


class ExperimentSettings(Section):
    """A whole experiment."""

    seed: Annotated[NonNegativeInt, Strict(), Field(lt=2**63)] = Field(
        0, description="seed of weights, batches and query points"
    )
    output: str = Field("runs", description="folder for the run folders")
    data: Annotated[AnyPlugin, Plugin("dataset")] | None = Field(
        None, description="the data set; with several tasks, each task has its own"
    )
    normalize: Literal["standard", "field", "none"] = Field(
        "standard",
        description="scale channels to mean 0 and standard deviation 1 over the training split; field: one standard "
        "deviation for all channels of a field, such as the components of a vector",
    )
    mean: Literal["space", "points"] = Field(
        "space",
        description="losses and metrics are means over space, if the cells of the points are known, or over points",
    )
    model: ModelSettings
    sampler: Annotated[AnyPlugin, Plugin("sampler")] | None = Field(
        None, description="sampler of every loss term without its own sampler; null: all points"
    )
    losses: dict[str, Annotated[AnyPlugin, Plugin("loss")]] = Field(
        min_length=1,
        description="name → loss term, at least one; tasks and stages merge their terms over these",
    )
    trainer: TrainerSettings
    validation: ValidationSettings
    callbacks: list[Annotated[AnyPlugin, Plugin("callback")]] = Field([], description="callbacks of the run")
    tasks: dict[str, TaskSettings] = Field({}, description="name → task, for several data sets in one experiment")
    stages: list[StageSettings] = Field(
        [], description="stages that are trained one after the other; empty: the run is one stage"
    )


def as_plain(value: Any, folder: Path | None = None) -> Any:
    """A configuration as plain data, defaults filled in: what is written beside a run and read back.

    Args:
        folder: what relative paths of data files are relative to; they are written as absolute. None: left as they are.
    """
    if isinstance(value, FixedValue):
        return value.value
    if isinstance(value, BaseModel):
        return {key: as_plain(item, folder) for key, item in _items(value)}
    if isinstance(value, Mapping):
        return {key: as_plain(item, folder) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item, folder) for item in value]
    if isinstance(value, Path):
        return str(value if folder is None else folder / value.expanduser())
    return value


def plugins_of(value: Any) -> list[PluginConfig]:
    """Every plugin that a configuration uses, nested ones included."""
    found = [value] if isinstance(value, PluginConfig) else []
    if isinstance(value, BaseModel):
        inside: list[Any] = [item for _, item in _items(value)]
    elif isinstance(value, Mapping):
        inside = list(value.values())
    else:
        inside = list(value) if isinstance(value, list | tuple) else []
    for item in inside:
        found += plugins_of(item)
    return found


def _items(config: BaseModel) -> Iterator[tuple[str, Any]]:
    """The keys of a section or plugin, as YAML has them."""
    for name, field in type(config).model_fields.items():
        inherits = isinstance(config, StageSettings | TaskSettings) or (name == "sampler" and _is_loss(config))
        if inherits and name not in config.model_fields_set:
            continue  # left out means that of the experiment, null means none
        if isinstance(config, ModelSettings) and config.from_ is None and name in OF_THE_START:
            continue  # they say nothing where weights are new
        yield field.alias or name, getattr(config, name)


def _is_loss(config: BaseModel) -> bool:
    return isinstance(config, PluginConfig) and config.kind == "loss"
