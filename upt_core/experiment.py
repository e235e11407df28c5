"""The only place that builds: a validated configuration → objects, in the order in which tensors flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy
import torch

from upt_core import checkpoint, config, plugins, run_folder
from upt_core.batch import DataSpec, LatentSpec
from upt_core.built import Built, Results
from upt_core.config import Document
from upt_core.errors import CheckpointError, ConfigError, Problem, UserError
from upt_core.evaluate import baselines, evaluate, model_predictor
from upt_core.hookspecs import run_hooks
from upt_core.kinds import FixedValue, Metric, Sampler, Schedule, Split
from upt_core.loader import Batches
from upt_core.loss_bundle import LossBundle, WeightedTerm
from upt_core.model import Upt
from upt_core.normalize import Normalization
from upt_core.precision import check_precision, resolve_device
from upt_core.prepared import PreparedData
from upt_core.registry import Registry
from upt_core.runner import Runner
from upt_core.schema import PluginConfig
from upt_core.settings import ExperimentSettings, as_plain, plugins_of, validate
from upt_core.stages import Stage, stages_of
from upt_core.trainer import Plan, Trainer


class Experiment:
    """One YAML file: everything that ``upt`` does with it, in Python.

    Example:
        Experiment.from_yaml("configs/burgers.yaml", ["trainer.epochs=3"]).train()
    """

    def __init__(
        self, settings: ExperimentSettings, document: Document, name: str, stages: Sequence[Stage] = ()
    ) -> None:
        self.settings = settings
        self.document = document
        self.name = name
        self.stages = tuple(stages) or (Stage("", (), False, settings, document),)

    @classmethod
    def from_yaml(cls, path: Path | str, overrides: Sequence[str] = (), registry: Registry | None = None) -> Experiment:
        """Reads and validates a file, with ``key.path=value`` overrides.

        Raises:
            ConfigError: with every problem and its place.
        """
        return cls._validated(config.read(path, overrides), Path(path).stem, registry)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], name: str = "experiment", registry: Registry | None = None
    ) -> Experiment:
        """Validates plain data."""
        return cls._validated(Document(dict(data)), name, registry)

    @classmethod
    def _validated(cls, document: Document, name: str, registry: Registry | None) -> Experiment:
        registry = registry or plugins.installed()
        settings = validate(document, registry)
        return cls(settings, document, name, stages_of(settings, document, registry))

    def prepare(self, normalization: Normalization | None = None) -> PreparedData:
        """The data set, opened, checked and measured.

        Raises:
            ConfigError: its constructor refuses the configuration.
            DataError: files are missing, of another layout, or hold values that are not finite.
        """
        dataset = self._build(("data",), self.settings.data)
        return PreparedData(dataset, self.settings.normalize, normalization)

    def build(self, prepared: PreparedData | None = None, model: Upt | None = None) -> Built:
        """Model, loss terms and batches. Weights depend only on the seed.

        Args:
            prepared: the data set, where it is open already.
            model: train this one on, instead of a new one.

        Raises:
            UserError: model, losses and data do not fit together.
        """
        prepared = prepared or self.prepare()
        settings, device = self.settings, resolve_device(self.settings.trainer.device)
        check_precision(settings.trainer.precision, device)
        model = model or self.build_model(prepared.data)
        terms = self._terms(prepared.data)
        bundle = LossBundle(model, terms, prepared.data, settings.seed, prepared.normalization).to(device)
        with_order = any(sampler.needs_order for sampler in bundle.samplers.values())
        train = prepared.batches("train", bundle.horizon, settings.trainer.batch_size, settings.seed, with_order)
        if settings.trainer.batch_size > len(train.windows):
            raise self._problem(
                ("trainer", "batch_size"),
                f"is {settings.trainer.batch_size}, but the training split has only {len(train.windows)} samples",
            )
        valid = self.validation_batches(prepared, "valid")
        return Built(prepared, bundle, train, valid, device)

    def build_model(self, data: DataSpec) -> Upt:
        """The model; its initial weights are a function of the seed, and the global random state is left alone."""
        parts = self.settings.model
        runtime = {DataSpec: data, LatentSpec: parts.latent.spec()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return Upt(
                self._build(("model", "encoder"), parts.encoder, runtime),
                self._build(("model", "approximator"), parts.approximator, runtime),
                self._build(("model", "decoder"), parts.decoder, runtime),
            )

    def validation_batches(self, prepared: PreparedData, split: Split, steps: int | None = None) -> Batches:
        """The batches that metrics are computed on: every window, or for rollouts those from t = 0 only."""
        steps = steps or self.settings.validation.rollout
        batch_size = self.settings.validation.batch_size or self.settings.trainer.batch_size
        return prepared.batches(split, steps, batch_size, first_only=steps > 1)

    def metrics(self) -> dict[str, Metric]:
        """The metrics, by name."""
        return {name: metric.build() for name, metric in self.settings.validation.metrics.items()}

    def train(self, run_dir: Path | None = None, resume: bool = False, listeners: Sequence[object] = ()) -> Results:
        """Trains, and leaves everything in the run folder.

        Args:
            run_dir: the run's folder; None: a new one in the experiment's ``output``.
            resume: go on from the folder's last checkpoint.
            listeners: objects with ``@hookimpl`` methods, beside the experiment's callbacks.

        Returns:
            Metrics on the test split: of the best checkpoint as "model", and of the baselines.
        """
        return Runner(self, run_dir, resume, listeners).run()

    def compare(self, built: Built, batches: Batches) -> Results:
        """Metrics of the model, as it is now, and of the baselines."""
        predictors = {"model": model_predictor(built.bundle.model, batches, self.settings.trainer.precision)}
        predictors.update(baselines(built.prepared, batches))
        metrics = self.metrics()
        return {name: evaluate(predict, batches, metrics, built.device) for name, predict in predictors.items()}

    def trainer(
        self,
        built: Built,
        run_dir: Path,
        hooks: pluggy.PluginManager | None = None,
        checkpoints: Path | None = None,
        plan: Plan | None = None,
    ) -> Trainer:
        """The trainer of built objects.

        Args:
            hooks: from ``upt_core.hookspecs.run_hooks``; None: nobody listens.
            checkpoints: None: ``run_dir/checkpoints``.
            plan: None: that of the settings.
        """
        settings = self.settings.trainer
        if settings.compile:
            for part in (built.bundle.model.encoder, built.bundle.model.approximator, built.bundle.model.decoder):
                part.compile()
        metrics = self.metrics()
        predict = model_predictor(built.bundle.model, built.valid, settings.precision)
        return Trainer(
            built.bundle,
            built.train,
            self._optimizers(built),
            self._schedule(),
            plan or self.plan(),
            lambda: evaluate(predict, built.valid, metrics, built.device),
            hooks or run_hooks(),
            run_dir,
            checkpoints or run_dir / "checkpoints",
            {"config": as_plain(self.settings), "plugins": run_folder.plugin_versions(plugins_of(self.settings))},
        )

    def plan(self) -> Plan:
        """How long and how precisely the trainer trains."""
        trainer, validation = self.settings.trainer, self.settings.validation
        return Plan(
            epochs=trainer.epochs,
            accumulate=trainer.accumulate,
            clip_norm=trainer.clip_norm,
            precision=trainer.precision,
            ema=trainer.ema,
            workers=trainer.workers,
            log_every=trainer.log_every,
            validate_every=validation.every,
            patience=validation.patience,
            monitor=validation.monitored,
            lower_is_better=validation.metrics[validation.monitored].plugin.lower_is_better,
        )

    def of_stage(self, stage: Stage) -> Experiment:
        """The experiment that one stage is."""
        return Experiment(stage.settings, stage.document, self.name, [stage])

    def load_weights(self, built: Built, path: Path) -> None:
        """Weights of a checkpoint, the moving average where there is one.

        Raises:
            CheckpointError: unreadable, or of another architecture.
        """
        state = checkpoint.load(path)
        weights = dict(state["model"])
        if state.get("ema"):
            weights.update(state["ema"]["average"])
        checkpoint.load_model(built.bundle.model, weights, path)

    def output_dir(self) -> Path:
        """The folder in which run folders are made, relative to where upt was started."""
        return Path(self.settings.output)

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

    def _optimizers(self, built: Built) -> list[torch.optim.Optimizer]:
        try:
            found: list[torch.optim.Optimizer] = self.settings.trainer.optimizer.build().build(built.bundle.model)
        except ValueError as error:
            raise self._problem(("trainer", "optimizer"), str(error)) from error
        return found

    def _schedule(self) -> Schedule:
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


def evaluate_run(
    run_dir: Path, split: Split = "test", which: str = "best", steps: int | None = None, device: str | None = None
) -> Results:
    """Metrics of a run's checkpoint and of the baselines on a split: name of the predictor → metric → value.

    Args:
        which: "best" or "last".
        steps: time steps of the rollout; None: as in the run's validation.

    Raises:
        CheckpointError: the folder is not a run, or has no such checkpoint.
    """
    experiment = load_run(run_dir, [f"trainer.device={device}"] if device else [])
    experiment = experiment.of_stage(experiment.stages[-1])
    built = experiment.build()
    experiment.load_weights(built, run_dir / "checkpoints" / f"{which}.pt")
    batches = experiment.validation_batches(built.prepared, split, steps)
    built.bundle.eval()
    return experiment.compare(built, batches)


def load_run(run_dir: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a run folder.

    Raises:
        CheckpointError: the folder is not a run.
    """
    path = run_dir / run_folder.CONFIG
    if not path.is_file():
        raise CheckpointError(f"{run_dir}: this is not the folder of a run; it has no {run_folder.CONFIG}")
    return Experiment.from_yaml(path, overrides)
