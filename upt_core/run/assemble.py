"""Builds the objects of one data set: a validated configuration → objects, in the order in which tensors flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from upt_core.change import check_changes
from upt_core.config.document import Document
from upt_core.config.schema import PluginConfig
from upt_core.config.sections import ExperimentSettings, as_plain
from upt_core.data.loader import Batches
from upt_core.data.normalize import Normalization
from upt_core.data.prepared import PreparedData
from upt_core.data.training_data import TrainingData
from upt_core.errors import ConfigError, Problem, UserError
from upt_core.kinds import FixedValue, Metric, Sampler, Schedule
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.model import Encoder, Upt
from upt_core.operator.selected import WrongSelection, build_metric
from upt_core.points import Need
from upt_core.precision import check_precision, resolve_device
from upt_core.processes import current
from upt_core.recompute import Recompute
from upt_core.run.built import Built
from upt_core.run.start import Start, source_of, take
from upt_core.specs import DataSpec, LatentSpec
from upt_core.training.budget import Budget
from upt_core.training.plan import Plan, seconds_of
from upt_core.training.saver import CheckpointPlan
from upt_core.trajectory import Split, grid_of

Known = tuple[Normalization, TrainingData]
"""What an operator knows of the data that it was trained on."""


class Assembler:
    """Builds what an experiment, or one of its tasks, is made of.

    Args:
        settings: validated.
        document: where the settings came from, for the places in errors.
    """

    def __init__(self, settings: ExperimentSettings, document: Document) -> None:
        self.settings = settings
        self.document = document

    def prepare(self, normalization: Normalization | None = None, training: TrainingData | None = None) -> PreparedData:
        """The data set, opened, and checked and measured where its statistics are not known.

        Args:
            normalization: of the operator that is to be used; None: it is measured.
            training: what is known of the data that operator was trained on; None: these data.

        Raises:
            ConfigError: its constructor refuses the configuration.
            DataError: files are missing, of another layout, or hold values that are not finite.
        """
        assert self.settings.data is not None, "each task has its own data set: see prepare_all"
        dataset = self._build(("data",), self.settings.data)
        plain = as_plain(self.settings.data)
        return PreparedData(dataset, self.settings.normalize, normalization, training, self.settings.mean, plain)

    def build(
        self, prepared: PreparedData | None = None, model: Upt | None = None, start: Start | None = None
    ) -> Built:
        """Model, loss terms and batches. Weights depend only on the seed, and on ``model.from`` where it is set.

        Args:
            prepared: the data set, where it is open already.
            model: train this one on, instead of a new one.
            start: what that model took from another operator, where it is new.

        Raises:
            UserError: model, losses and data do not fit together.
        """
        prepared = prepared or self.prepare()
        settings, processes = self.settings, current()
        device = resolve_device(settings.trainer.device, processes)
        check_precision(settings.trainer.precision, device)
        if model is None:
            model, start = self.new_model(prepared)
        terms = self._terms(prepared.data)
        scale = prepared.normalization.on(device)
        bundle = LossBundle(model, terms, prepared.data, settings.seed, scale, self._recompute())
        _move(bundle, device)
        prepared.point_sets.want(_needs(bundle, prepared.data))  # before the first batch, which is made with them
        self._check_grids(prepared, model.encoder)
        size = settings.trainer.batch_size
        train = prepared.batches(
            "train", bundle.horizon, size, settings.seed, share=processes.share, reference=bundle.needs_reference
        )
        self._check_batch_size(size, len(train.windows), processes.size)
        valid = self.validation_batches(prepared, "valid")
        return Built(prepared, bundle, train, valid, device, start)

    def _check_grids(self, prepared: PreparedData, encoder: Encoder) -> None:
        """Refuses an encoder that cannot take every grid of the data, before an epoch is spent."""
        splits: tuple[Split, ...] = ("train", "valid", "test")
        parts = [prepared.trajectories(split) for split in splits]
        grids = dict.fromkeys(grid_of(part, index) for part in parts for index in range(len(part)))
        for shape in grids:
            try:
                if shape not in (None, prepared.data.grid_shape):
                    encoder.check_grid(shape)
            except ValueError as error:
                raise self._problem(("model", "encoder"), str(error)) from error

    def _recompute(self) -> Recompute:
        trainer = self.settings.trainer
        return Recompute(frozenset(trainer.activation_checkpointing), trainer.decode_chunk)

    def _check_batch_size(self, size: int, samples: int, processes: int) -> None:
        where = ("trainer", "batch_size")
        if size > samples:
            raise self._problem(where, f"is {size}, but the training split has only {samples} samples")
        if size < processes:
            raise self._problem(
                where,
                f"is {size}, but {processes} processes train together, and batch_size counts the samples of all: "
                f"set it to {processes} or more, or start fewer processes",
            )

    def build_model(self, data: DataSpec) -> Upt:
        """The model; its initial weights are a function of the seed, and the global random state is left alone."""
        parts = self.settings.model
        runtime = {DataSpec: data, LatentSpec: parts.latent.spec()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            model = Upt(
                self._build(("model", "encoder"), parts.encoder, runtime),
                self._build(("model", "approximator"), parts.approximator, runtime),
                self._build(("model", "decoder"), parts.decoder, runtime),
                parts.predict,
            )
        try:
            if parts.predict == "change":
                check_changes(data)
        except ValueError as error:
            raise self._problem(("model", "predict"), str(error)) from error
        return model

    def new_model(self, prepared: PreparedData, task: str = "") -> tuple[Upt, Start | None]:
        """A model to be trained, and what it took from the operator that it starts from.

        Where the operator's scales are kept, they become those of the prepared data. Data whose scales are known belong
        to a model that exists already: its weights come from its own checkpoint, and nothing is read here.

        Raises:
            ConfigError: the operator cannot be read, or does not fit.
        """
        model, parts = self.build_model(prepared.data), self.settings.model
        if parts.from_ is None or not prepared.measured:
            return model, None
        source = source_of(self.settings, self.document, task)
        keep = parts.normalization == "keep" and self.settings.normalize != "none"
        scales, start = take(model, source, parts, prepared.normalization, keep, self.document)
        prepared.normalization = scales
        return model, start

    def validation_batches(self, prepared: PreparedData, split: Split, steps: int | None = None) -> Batches:
        """The batches that metrics are computed on: every window, or for rollouts those from t = 0 only.

        Of several processes each computes its own batches, so they are small enough that all have some.
        """
        steps, share = steps or self.settings.validation.rollout, current().share
        size = self.settings.validation.batch_size or share.largest(self.settings.trainer.batch_size)
        batches = prepared.batches(split, steps, size, first_only=steps > 1)
        batches.batch_size = min(size, share.largest(batches.num_samples)) if share.size > 1 else size
        return batches

    def metrics(self, data: DataSpec | None = None, steps: int | None = None) -> dict[str, Metric]:
        """The metrics, by name, each of the field and the time steps that it names.

        Args:
            data: what is known of the data set; metrics of one field need it.
            steps: time steps of the rollout; None: as in the settings' validation.

        Raises:
            ConfigError: a metric names a field that is not predicted, or time steps that the rollout does not reach.
        """
        steps = steps or self.settings.validation.rollout
        if data is not None:
            data, steps = data.of_frames(), steps * data.bundle
        return {
            name: self._metric(name, entry, data, steps) for name, entry in self.settings.validation.metrics.items()
        }

    def _metric(self, name: str, entry: Any, data: DataSpec | None, steps: int) -> Metric:
        try:
            return build_metric(entry, data, steps)
        except WrongSelection as error:
            raise self._problem(("validation", "metrics", name, error.key), str(error)) from error

    def plan(self) -> Plan:
        """How long and how precisely the trainer trains."""
        trainer, validation = self.settings.trainer, self.settings.validation
        return Plan(
            epochs=trainer.epochs,
            budget=None if trainer.budget is None else Budget(trainer.budget.seconds, trainer.budget.clock),
            accumulate=trainer.accumulate,
            clip_norm=trainer.clip_norm,
            precision=trainer.precision,
            ema=trainer.ema,
            workers=trainer.workers,
            log_every=trainer.log_every,
            gradient_share_every=trainer.gradient_share_every,
            sampling_share_every=trainer.sampling_share_every,
            checkpoint=CheckpointPlan(**trainer.checkpoint.model_dump()),
            max_seconds=None if trainer.max_time is None else seconds_of(trainer.max_time),
            on_nan=trainer.on_nan,
            max_gradient_spike=trainer.max_gradient_spike,
            validate_every=validation.every,
            patience=validation.patience,
            monitor=validation.monitored,
            lower_is_better=validation.metrics[validation.monitored].plugin.lower_is_better,
        )

    def _terms(self, data: DataSpec) -> list[WeightedTerm]:
        default = self.settings.sampler.build() if self.settings.sampler is not None else None
        terms = [self._term(name, entry, default, data) for name, entry in self.settings.losses.items()]
        active = [term for term in terms if not (isinstance(term.weight, FixedValue) and term.weight.value == 0)]
        if not active:
            raise self._problem(("losses",), "every loss term has weight 0, so nothing would be trained")
        return active

    def _term(self, name: str, entry: PluginConfig, default: Sampler | None, data: DataSpec) -> WeightedTerm:
        """A term with its weight, frequency and sampler: its own, else the experiment's where it can use one."""
        term, weight, own = entry.build(), entry.weight, entry.sampler  # type: ignore[attr-defined]
        try:
            term.check_data(data)
        except ValueError as error:
            raise self._problem(("losses", name), str(error)) from error
        sampler, stream = (None, "all") if not term.pointwise else (default, "sampler")
        if term.pointwise and "sampler" in entry.model_fields_set:
            sampler, stream = (own.build(), f"losses.{name}.sampler") if own is not None else (None, "all")
        elif sampler is not None:
            try:
                term.check_parts(self.settings.model.encoder.plugin, sampler)
            except ValueError:
                sampler, stream = None, "all"  # the experiment's sampler is a default for the terms that can use one
        schedule = weight if isinstance(weight, Schedule) else weight.build()
        every = entry.every  # type: ignore[attr-defined]
        return WeightedTerm(name, term, schedule, every, sampler, stream if sampler is not None else "all")

    def optimizers(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """The optimizers of a model's trainable parameters."""
        try:
            found: list[torch.optim.Optimizer] = self.settings.trainer.optimizer.build().build(model)
        except ValueError as error:
            raise self._problem(("trainer", "optimizer"), str(error)) from error
        return found

    def lr_schedule(self) -> Schedule:
        """The factor of the learning rate."""
        schedule = self.settings.trainer.lr_schedule
        return schedule if isinstance(schedule, Schedule) else schedule.build()

    def _build(self, path: tuple[str, ...], entry: PluginConfig, runtime: Mapping[type, Any] | None = None) -> Any:
        try:
            return entry.build(runtime)
        except UserError:
            raise
        except ValueError as error:
            raise self._problem(path, str(error)) from error

    def _problem(self, path: tuple[str, ...], message: str) -> ConfigError:
        return ConfigError([Problem(path, message, self.document.origin(path))])


def _move(module: nn.Module, device: torch.device) -> None:
    """To a device, where it is not there already: fake tensors, which ``upt estimate`` builds with, cannot be moved."""
    there = {tensor.device for tensor in (*module.parameters(), *module.buffers())}
    if any(own.type != device.type or device.index not in (None, own.index) for own in there):
        module.to(device)


def _needs(bundle: LossBundle, data: DataSpec) -> tuple[Need, ...]:
    """What the encoder, and at scattered points the samplers, need to know of points."""
    samplers = bundle.samplers.values() if None in (data.grid_shape, data.grid_of_targets) else ()
    return (*bundle.model.encoder.needs, *(need for sampler in samplers for need in sampler.needs))
