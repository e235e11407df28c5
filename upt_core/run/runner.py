"""A run from the first stage to the results: what ``Experiment.train`` does once everything is validated."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from upt_core.config.document import read
from upt_core.config.sections import ExperimentSettings, as_plain, plugins_of
from upt_core.config.settings import Stage
from upt_core.data.latent_cache import LatentCache, fingerprint
from upt_core.data.prepared import PreparedData
from upt_core.data.windows import Windows
from upt_core.errors import CheckpointError, UserError
from upt_core.interrupt import at_once
from upt_core.operator.evaluate import predictor_of
from upt_core.processes import current
from upt_core.remarks import remark
from upt_core.run import folder as run_folder
from upt_core.run import resume
from upt_core.run.assemble_all import WholeAssembler
from upt_core.run.built import Built, BuiltTasks, Results
from upt_core.run.earlier import check_free, remove_run
from upt_core.run.examples import write_examples
from upt_core.run.latest import LatestExamples
from upt_core.run.lock import locked
from upt_core.run.metrics_log import METRICS, MetricsLog
from upt_core.run.observation import Observation
from upt_core.run.remarks_log import RemarksLog
from upt_core.run.resume import Resumed
from upt_core.run.strategy import check_strategy
from upt_core.run.written_config import CONFIG
from upt_core.seeding import stream_seed
from upt_core.shards import whole_state
from upt_core.training import checkpoint
from upt_core.training.gradients import check_reach
from upt_core.training.listeners import Listeners
from upt_core.training.plan import Plan
from upt_core.training.saver import newest
from upt_core.trajectory import cache_dir
from upt_core.whole_file import replacing


class Runner:
    """Trains the stages of an experiment one after the other, in one run folder.

    Everything that can be refused is refused before the first step: all stages are built and checked first.

    Of several processes that train together the first alone writes, and tells the others what it reads: they need not
    see the run folder.

    Args:
        experiment: with its stages.
        run_dir: the run's folder; None: a new one, made when everything is checked.
        resume: go on from the folder's last checkpoint.
        listeners: objects with ``@hookimpl`` methods, beside the experiment's callbacks.
        said: what is remarked; written into the folder once that is this process's.
        replace: an earlier run in the folder gives way to this one; otherwise such a folder is refused.
    """

    def __init__(
        self,
        experiment: WholeAssembler,
        run_dir: Path | None,
        resume: bool,
        listeners: Sequence[object],
        said: RemarksLog,
        replace: bool = False,
    ) -> None:
        self.experiment = experiment
        self.processes = current()
        if resume and replace:
            raise UserError("resume continues a run, and replace overwrites it; give only one of them")
        self._replaces, self._began = replace, False
        if run_dir is not None and not resume and not replace:
            self.processes.of_first(lambda: check_free(run_dir))
        if resume and run_dir is None:
            raise CheckpointError("name the folder of the run to resume")
        self.resumed = self.processes.of_first(lambda: self._read(run_dir) if resume and run_dir else None)
        self.built = self._build_stages(run_dir)
        with self.processes.agreed():
            self._listeners = self._checked(listeners) if self.processes.is_first else []
        create = run_folder.create
        self.run_dir = self.processes.of_first(lambda: run_dir or create(experiment.output_dir(), experiment.name))
        self._said = said
        self._heard_by = Listeners()
        self._gathered: Callable[[], AbstractContextManager[None]] = nullcontext
        self._latest = LatestExamples(self.run_dir, self.processes)
        self.goes_on = self.resumed is not None and self.resumed.operators is not None

    @property
    def saved(self) -> bool:
        """Whether this run, which has begun, has a checkpoint to go on from."""
        found = (f"checkpoints/**/{name}" for name in ("last.pt", "last/state.pt"))
        return self._began and any(any(self.run_dir.glob(pattern)) for pattern in found)

    def run(self) -> Results:
        """Metrics on the test split: of the best checkpoint of the last stage as "model", and of the baselines.

        Raises:
            UserError: another process trains in the folder.
        """
        with ExitStack() as stack:
            with self.processes.agreed():
                if self.processes.is_first:
                    stack.enter_context(locked(self.run_dir))
                    self._began = True
                    if self._replaces:
                        remove_run(self.run_dir)
                    self._said.write_to(self.run_dir)
                    self._heard_by = Listeners([MetricsLog(self.run_dir / METRICS), Observation(), *self._listeners])
            return self._run()

    def _run(self) -> Results:
        self.processes.of_first(self._describe if self.resumed is None else self._record_changes)
        if not self.goes_on:
            seed, rank = self.experiment.settings.seed, self.processes.rank
            torch.manual_seed(stream_seed(seed, "process", rank) if rank else seed)  # of dropout; nothing else asks it
        for number in range(len(self.built)):
            self._train_stage(number)
        with at_once(), self._gathered():
            return self._conclude()

    def _checked(self, listeners: Sequence[object]) -> list[object]:
        """The experiment's callbacks and the caller's listeners, before a folder is made or an earlier run removed.

        Raises:
            PluginError: one of them has a hook that does not exist, or none.
        """
        found = [*(callback.build() for callback in self.experiment.settings.callbacks), *listeners]
        Listeners(found)
        return found

    def _read(self, run_dir: Path) -> Resumed:
        """What a run that goes on brings with it."""
        before = type(self.experiment).from_document(read(run_dir / CONFIG), run_dir.name)
        folders = [self._checkpoints(number, run_dir) for number in range(len(self.experiment.stages))]
        return resume.read(run_dir, before, self.experiment, folders)

    def _build_stages(self, run_dir: Path | None) -> list[tuple[Stage, Built | BuiltTasks]]:
        """Every stage, on one model; refuses a stage of which a term trains nothing."""
        known = self.resumed.known if self.resumed is not None else None
        with self.processes.agreed(), self.processes.in_turns():
            prepared = self.experiment.prepare_all(known)
            for data in prepared.values():
                data.training  # noqa: B018 (reads the data now, in turns)
        with self.processes.agreed():
            check_strategy(self.experiment.stages, self.processes)
            if run_dir is not None and known is not None:
                resume.check_same_data(run_dir, prepared)
            built = self._build_on(prepared)
            if run_dir is not None and self.resumed is not None:
                lengths = [(stage.settings.trainer.epochs, part.train.per_epoch) for stage, part in built]
                resume.check_lengths(run_dir, self.resumed.states, lengths)
        return built

    def _build_on(self, prepared: Mapping[str, PreparedData]) -> list[tuple[Stage, Built | BuiltTasks]]:
        found: list[tuple[Stage, Built | BuiltTasks]] = []
        for stage in self.experiment.stages:
            model = found[0][1].bundle.model if found else None
            built = self.experiment.of_stage(stage).build_all(prepared, model)
            built.bundle.model.freeze(stage.freeze)
            for task, part in built.parts.items():
                batch = replace(part.train[0], task=task).to(built.device)
                check_reach(built.bundle, batch, stage.settings.trainer.precision)
            found.append((stage, built))
        return found

    def _train_stage(self, number: int) -> None:
        stage, built = self.built[number]
        built.bundle.model.freeze(stage.freeze)
        folder = self._checkpoints(number)
        if stage.cache_latents:
            weights = {t: whole_state(part.bundle.model.encoder.state_dict()) for t, part in built.parts.items()}
            with self._gathered(), self.processes.agreed(), self.processes.in_turns():
                for task, part in built.parts.items():
                    part.train.latents = self._latents(self.experiment.parts[task].settings, part, weights[task])
        experiment = self.experiment.of_stage(stage)
        trainer = experiment.trainer(
            built, self.run_dir, self._heard_by, folder, self._placed(experiment.plan(), number)
        )
        self._gathered = trainer.gathered
        found = self.processes.of_first(lambda: newest(folder) if self.goes_on else None)
        if found is not None:
            with self.processes.agreed():
                trainer.load_state_dict(*found)
        trainer.validate = self._latest.after(trainer.validate, experiment.shown(built), built.device)
        if not trainer.finished:
            self.processes.of_first(lambda: (self.run_dir / run_folder.RESULTS).unlink(missing_ok=True))  # of before
            trainer.train()
        elif trainer.out_of_patience and self.processes.is_first:
            remark(
                f"patience of {trainer.plan.patience} ended training after epoch "
                f"{trainer.state.step // trainer.batches.per_epoch} of {trainer.plan.epochs}; raise "
                "validation.patience to continue"
            )
        best = folder / "best.pt"
        if not self.processes.of_first(best.is_file):
            monitor = experiment.plan().monitor
            raise UserError(
                f"training ended, but {monitor}, which decides which state is the best, was NaN or infinite in every "
                f"validation, so there is no best state. The last state is in {folder}; check the validation split, "
                "or choose another metric (validation.monitor)"
            )
        # The next stage, or the test, goes on from the best state, not from the last one.
        checkpoint.load_model(built.bundle.model, self.processes.of_first(lambda: checkpoint.weights(best)), best)

    def _placed(self, plan: Plan, number: int) -> Plan:
        """The plan of a stage, with its place in the run."""
        before = self.built[:number]
        return replace(
            plan,
            stage=self.built[number][0].name,
            epochs_before=sum(stage.settings.trainer.epochs for stage, _ in before),
            steps_before=sum(stage.settings.trainer.epochs * built.train.per_epoch for stage, built in before),
            epochs_of_run=sum(stage.settings.trainer.epochs for stage, _ in self.built),
        )

    def _checkpoints(self, number: int, run_dir: Path | None = None) -> Path:
        folder = (run_dir or self.run_dir) / "checkpoints"
        name = self.experiment.stages[number].name
        return folder / f"{number + 1:02d}-{name}" if name else folder

    def _latents(self, settings: ExperimentSettings, built: Built, weights: Mapping[str, Tensor]) -> LatentCache:
        """Latents of the training split of a task, from the cache or encoded now."""
        model = built.bundle.model
        states = Windows(built.prepared.trajectories("train"), built.prepared.data, 0, built.prepared.data.condition)
        precision = settings.trainer.precision
        parts = {"encoder": as_plain(settings.model.encoder), "latent": as_plain(settings.model.latent)}
        data = as_plain(settings.data)
        key = fingerprint(model.encoder, built.prepared.normalization, data, "train", precision, parts, weights)
        cache = LatentCache(cache_dir("latents"), key, states, settings.model.latent.spec())
        size = self.processes.share.largest(settings.trainer.batch_size)
        cache.fill(
            model.encoder,
            built.prepared.normalization,
            size,
            built.device,
            precision,
            point_sets=built.prepared.point_sets,
        )
        return cache

    def _record_changes(self) -> None:
        assert self.resumed is not None
        resume.record(self.run_dir, self.resumed)
        if self.resumed.changes:
            run_folder.write_config(self.run_dir, as_plain(self.experiment.settings, Path.cwd()))

    def _describe(self) -> None:
        settings, built = self.experiment.settings, self.built[0][1]
        run_folder.write_config(self.run_dir, as_plain(settings, Path.cwd()))
        environment = run_folder.environment(plugins_of(settings), built.device, self.processes.size)
        run_folder.write_json(self.run_dir, run_folder.ENVIRONMENT, environment)
        scales = {task: part.prepared.normalization.plain() for task, part in built.parts.items()}
        run_folder.write_json(self.run_dir, run_folder.NORMALIZATION, scales.get("", scales))
        starts = {task: part.start for task, part in built.parts.items() if part.start is not None}
        if starts:
            plain = {task: start.plain() for task, start in starts.items()}
            run_folder.write_json(self.run_dir, run_folder.START, plain)
        for start in starts.values():
            remark("; ".join(start.sentences()))

    def _conclude(self) -> Results:
        """Metrics and examples of the best checkpoint of the last stage, as files; all processes do it together."""
        self.processes.of_first(self._keep_last_stage)
        stage, built = self.built[-1]
        experiment = self.experiment.of_stage(stage)
        results = experiment.compare(built, "test")
        self.processes.of_first(lambda: self._write_results(results, experiment.plan().monitor))
        settings, operators = experiment.settings, experiment.operators(built)
        for task, part in built.parts.items():
            with self.processes.agreed():
                batches = experiment.parts[task].validation_batches(part.prepared, "test")
            predict = predictor_of(operators[task], settings.trainer.precision, settings.validation.space)
            write_examples(self.run_dir, predict, batches, built.device, task, processes=self.processes)
        return results

    def _keep_last_stage(self) -> None:
        """The checkpoints of the last stage are those of the run."""
        folder = self.run_dir / "checkpoints"
        own = self._checkpoints(len(self.built) - 1)
        for path in own.iterdir() if own != folder else ():
            if path.name == "last":
                shutil.copytree(path, folder / path.name, dirs_exist_ok=True)
            elif path.name in ("best.pt", "last.pt"):
                with replacing(folder / path.name) as part:
                    shutil.copyfile(path, part)

    def _write_results(self, results: Results, monitor: str) -> None:
        state = checkpoint.load(self.run_dir / "checkpoints" / "best.pt")["state"]
        best = {"metric": monitor, "value": state["best"], "epoch": state["best_epoch"] + 1}
        content = {"split": "test", "best": best, "predictors": results}
        run_folder.write_json(self.run_dir, run_folder.RESULTS, content)
