"""Builds a whole experiment: the objects of all its tasks, the trainer of each stage, and what they are measured by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from upt_core.config.document import Document
from upt_core.config.sections import ExperimentSettings, as_plain, plugins_of
from upt_core.config.settings import Stage, stages_of, validate
from upt_core.data.loader import Batches
from upt_core.data.prepared import PreparedData
from upt_core.data.task_batches import TaskBatches
from upt_core.errors import UserError
from upt_core.model import Upt
from upt_core.operator.evaluate import Predictor, baselines, evaluate, predictor_of, say_remarks, unmergeable
from upt_core.operator.operator import Operator
from upt_core.operator.rollout import Space
from upt_core.processes import current
from upt_core.registry import Registry
from upt_core.registry import discovery as plugins
from upt_core.remarks import remark
from upt_core.run import folder as run_folder
from upt_core.run.assemble import Assembler, Known
from upt_core.run.built import Built, BuiltTasks, Results
from upt_core.run.compiled import compile_parts
from upt_core.run.start import Start, with_its_model, without_start
from upt_core.run.strategy import shard
from upt_core.task_bundle import TaskBundle, TaskModel, in_task
from upt_core.training import checkpoint
from upt_core.training.listeners import Listeners
from upt_core.training.measures import Scalars
from upt_core.training.plan import Plan
from upt_core.training.trainer import Trainer
from upt_core.trajectory import Split


class WholeAssembler(Assembler):
    """Builds what a whole experiment is made of; an experiment with one data set is its own only task.

    Args:
        settings: validated.
        document: where the settings came from, for the places in errors.
        name: of the experiment, by which run folders are called.
        stages: with the settings of each; none: the experiment is one stage.
    """

    def __init__(
        self, settings: ExperimentSettings, document: Document, name: str, stages: Sequence[Stage] = ()
    ) -> None:
        super().__init__(settings, document)
        self.name = name
        self.stages = tuple(stages) or (Stage("", (), False, settings, document),)
        self.tasks = self.stages[0].tasks

    @classmethod
    def from_document(cls, document: Document, name: str, registry: Registry | None = None) -> Self:
        """Validates a document, whose values know where they came from."""
        registry = registry or plugins.installed()
        document = with_its_model(document) if document.starts_elsewhere else document
        settings = validate(document, registry)
        return cls(settings, document, name, stages_of(settings, document, registry))

    @property
    def parts(self) -> dict[str, Assembler]:
        """What builds each task; an experiment with one data set is its own only task, without a name."""
        if not self.tasks:
            return {"": self}
        return {task.name: Assembler(task.settings, task.document) for task in self.tasks}

    def prepare_all(self, known: Mapping[str, Known] | None = None) -> dict[str, PreparedData]:
        """The data set of each task, opened; where its statistics are not known, measured, and all its splits checked.

        Args:
            known: of the operators that are to be used, by task; None: they are measured.
        """
        prepared = {name: part.prepare(*(known[name] if known else ())) for name, part in self.parts.items()}
        for part in prepared.values() if known is None else ():
            part.check_splits()
        return prepared

    def operators(self, built: Built | BuiltTasks, run_dir: Path | None = None) -> dict[str, Operator]:
        """The operator that each task trains, with the model as it is at any time.

        Args:
            run_dir: the run's folder, which knows what the models started from.
        """
        found = {}
        for name, part in built.parts.items():
            parents = run_folder.parents(run_dir, name) if run_dir is not None else []
            found[name] = self._operator(self.parts[name].settings, part, parents)
        return found

    def _operator(self, settings: ExperimentSettings, built: Built, parents: list[dict[str, Any]]) -> Operator:
        prepared = built.prepared
        provenance = run_folder.provenance(self.name, as_plain(settings, Path.cwd()), plugins_of(settings))
        provenance |= {"parents": parents} if parents else {}
        return Operator(
            built.bundle.model,
            prepared.normalization,
            prepared.training,
            without_start(as_plain(settings.model)),
            run_folder.plugin_versions(plugins_of(settings.model)),
            provenance,
        )

    def build_all(
        self, prepared: Mapping[str, PreparedData] | None = None, model: Upt | TaskModel | None = None
    ) -> Built | BuiltTasks:
        """Model, loss terms and batches of all tasks; their models share the approximator.

        Args:
            prepared: the data sets, where they are open already.
            model: train this one on, instead of a new one.

        Raises:
            UserError: model, losses and data do not fit together.
        """
        prepared = prepared or self.prepare_all()
        if not self.tasks:
            assert model is None or isinstance(model, Upt)
            return self.build(prepared[""], model)
        fresh = {} if isinstance(model, TaskModel) else self._new_models(prepared)
        models = dict(model.models.items()) if isinstance(model, TaskModel) else {n: m for n, (m, _) in fresh.items()}
        built: dict[str, Built] = {}
        for name, part in self.parts.items():
            own = models[name]
            assert isinstance(own, Upt)
            built[name] = part.build(prepared[name], own, fresh[name][1] if fresh else None)
        bundle = TaskBundle({name: part.bundle for name, part in built.items()})
        weights = {task.name: task.weight for task in self.tasks}
        train = TaskBatches({name: part.train for name, part in built.items()}, weights, self.settings.seed)
        return BuiltTasks(built, bundle, train, next(iter(built.values())).device)

    def _new_models(self, prepared: Mapping[str, PreparedData]) -> dict[str, tuple[Upt, Start | None]]:
        conditions = {name: data.data.condition for name, data in prepared.items()}
        if len(set(conditions.values())) > 1:
            found = "; ".join(f"{name}: {', '.join(names) or 'none'}" for name, names in conditions.items())
            raise UserError(
                f"tasks share the approximator, so their data sets must have the same conditions; they have {found}"
            )
        models = {name: part.new_model(prepared[name], name) for name, part in self.parts.items()}
        shared = next(iter(models.values()))[0].approximator
        for model, _ in models.values():
            model.approximator = shared
        return models

    def trainer(
        self,
        built: Built | BuiltTasks,
        run_dir: Path,
        listeners: Listeners | None = None,
        checkpoints: Path | None = None,
        plan: Plan | None = None,
    ) -> Trainer:
        """The trainer of built objects.

        Args:
            listeners: of the run; None: nobody listens.
            checkpoints: None: ``run_dir/checkpoints``.
            plan: None: that of the settings.
        """
        if self.settings.trainer.compile:
            for part in built.parts.values():
                compile_parts(part.bundle.model)
        trainer, processes = self.settings.trainer, current()
        fsdp = trainer.strategy == "fsdp" and processes.several
        sharding = shard(built.bundle, trainer.precision, processes) if fsdp else None
        return Trainer(
            built.bundle,
            built.train,
            self.optimizers(built.bundle.model),
            self.lr_schedule(),
            plan or self.plan(),
            self._validation(built),
            listeners or Listeners(),
            run_dir,
            checkpoints or run_dir / "checkpoints",
            {"operators": {task: operator.plain() for task, operator in self.operators(built, run_dir).items()}},
            processes,
            built.check_files,
            sharding,
        )

    def _validation(self, built: Built | BuiltTasks) -> Callable[[], Scalars]:
        """Computes the metrics of the validation split: of each task, and the mean of the one that decides.

        Several processes share its batches, and call it together.
        """
        processes = current()
        metrics = {name: self.parts[name].metrics(part.prepared.data) for name, part in built.parts.items()}
        shown = self.shown(built)
        alone = sorted({name for own in metrics.values() for name in unmergeable(own)})
        if processes.several and processes.is_first and alone:
            remark(
                f"validation.metrics: {', '.join(alone)} cannot be merged over several processes, so only the first "
                "process validates and the others wait; give the metric a method merge"
            )

        def validate_now() -> Scalars:
            found: Scalars = {}
            for name, (predict, batches) in shown.items():
                values = evaluate(predict, batches, metrics[name], built.device, processes)
                found |= {in_task(name, metric): value for metric, value in values.items()}
            return self._with_mean(found)

        return validate_now

    def shown(self, built: Built | BuiltTasks) -> dict[str, tuple[Predictor, Batches]]:
        """What pictures of a run show before it ends: of each task, what predicts, and the validation split."""
        precision, space = self.settings.trainer.precision, self.settings.validation.space
        operators = self.operators(built)
        return {
            name: (predictor_of(operators[name], precision, space), part.valid) for name, part in built.parts.items()
        }

    def compare(
        self, built: Built | BuiltTasks, split: Split, steps: int | None = None, space: Space | None = None
    ) -> Results:
        """Metrics of the model, as it is now, and of the baselines, on a split; see ``judge``."""
        built.bundle.eval()
        prepared = {name: part.prepared for name, part in built.parts.items()}
        return self.judge(self.operators(built), prepared, split, steps, space)

    def judge(
        self,
        operators: Mapping[str, Operator],
        prepared: Mapping[str, PreparedData],
        split: Split,
        steps: int | None = None,
        space: Space | None = None,
    ) -> Results:
        """Metrics of operators, and of the baselines, on a split. Several processes share it, and call it together.

        Args:
            operators: of each task, in evaluation mode.
            prepared: the data set of each task.
            steps: time steps of the rollout; None: as in the settings' validation.
            space: in which rollouts go on; None: as in the settings' validation.
        """
        space, precision = space or self.settings.validation.space, self.settings.trainer.precision
        results, processes = Results(), current()
        for name, operator in operators.items():
            own, data = self.parts[name], prepared[name]
            data.point_sets.want(operator.model.encoder.needs)
            with processes.agreed():
                batches = own.validation_batches(data, split, steps)
                data.check_files()
            predictors = {"model": predictor_of(operator, precision, space), **baselines(data, batches, processes)}
            metrics = own.metrics(data.data, steps)
            for predictor, predict in predictors.items():
                values = evaluate(predict, batches, metrics, operator.device, processes)
                row = predictor if predictor == "model" or not self.tasks else "baseline"
                if predictor == "model" and processes.is_first:
                    say_remarks(metrics, name)
                results.setdefault(row, {}).update({in_task(name, metric): v for metric, v in values.items()})
        return {row: self._with_mean(values) for row, values in results.items()}

    def _with_mean(self, figures: Scalars) -> Scalars:
        """Figures of several tasks, with the mean over the tasks of the metric that decides."""
        if not self.tasks:
            return figures
        monitored = self.settings.validation.monitored
        own = [figures[in_task(task.name, monitored)] for task in self.tasks]
        return {**figures, monitored: sum(own) / len(own)}

    def of_stage(self, stage: Stage) -> Self:
        """The experiment that one stage is."""
        return type(self)(stage.settings, stage.document, self.name, [stage])

    def load_weights(self, built: Built | BuiltTasks, path: Path) -> None:
        """Weights of a checkpoint, the moving average where there is one.

        Raises:
            CheckpointError: unreadable, or of another architecture.
        """
        checkpoint.load_model(built.bundle.model, checkpoint.weights(path), path)

    def output_dir(self) -> Path:
        """The folder in which run folders are made, relative to where upt was started."""
        return Path(self.settings.output)
