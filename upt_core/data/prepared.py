"""A data set made ready for training: every trajectory checked, its domain, conditions and statistics measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import torch
from torch import Tensor

from upt_core.data.blocks import Blocks
from upt_core.data.checks import check_split, check_trajectory, place, said
from upt_core.data.disk import Files
from upt_core.data.loader import Batches
from upt_core.data.normalize import TIME_STEP, Normalization, RunningMoments, condition_rows
from upt_core.data.point_sets import Over, PointSets
from upt_core.data.statistics_cache import StatisticsCache
from upt_core.data.training_data import TrainingData, check_fits
from upt_core.data.windows import Windows
from upt_core.errors import DataError
from upt_core.kinds import Dataset
from upt_core.points import ends_of
from upt_core.processes import Share, current
from upt_core.remarks import remark
from upt_core.specs import DataSpec
from upt_core.trajectory import Split, Trajectories, Trajectory, are_held

SAME = 1e-3
"""Time steps that differ by less than this fraction count as equal."""
COARSE = 100.0
"""Fewer roundings than this in a deviation are worth a remark: less than two digits are left."""


class PreparedData:
    """A data set with everything that must be known before the model is built.

    Args:
        dataset: where trajectories come from.
        normalize: "standard" scales each channel by statistics of the training split; "field" divides all channels of a
            field by one deviation, so that the components of a vector keep their proportions; "none" leaves values as
            they are.
        normalization: reuse these statistics (of an operator) instead of measuring them. The box and the conditions are
            those of the operator, too; the grid is that of the data at hand.
        training: what is known of the data that the operator was trained on; None: these data.
        over: what means are over: space, where the data set knows the cells of its points, or points.
        settings: of the data set, as plain data: statistics of data that are too large for memory are kept for the next
            run under them; None: they are measured.

    Raises:
        DataError: the data set cannot be read, holds values that are not finite, or has not the fields or conditions of
            the operator.
    """

    def __init__(
        self,
        dataset: Dataset,
        normalize: Literal["standard", "field", "none"] = "standard",
        normalization: Normalization | None = None,
        training: TrainingData | None = None,
        over: Over = "space",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.dataset = dataset
        self.measured = normalization is None
        self._files = Files(dataset.files())
        self._said_of_files = False
        self._training = training
        self._remarks: list[str] = []
        self._splits: dict[Split, Trajectories] = {}
        self._cache: StatisticsCache | None = None
        if normalization is not None:
            spec = dataset.spec()
            check_fits(spec, normalization.data)
            self.normalization = normalization
            self.data = replace(
                normalization.data,
                grid_shape=spec.grid_shape,
                targets_apart=spec.targets_apart,
                target_grid=spec.target_grid,
            )
            self.point_sets = PointSets(self.data, over=over)
            return
        if settings is not None:
            self._cache = StatisticsCache(settings, dataset.spec(), self._files)
        survey = self._survey()
        self.data = survey.data()
        self._remarks = survey.remarks()
        self.point_sets = PointSets(self.data, over=over)
        self.normalization = (
            Normalization.identity(self.data) if normalize == "none" else survey.normalization(normalize == "field")
        )

    def remarks(self) -> list[str]:
        """What the data set decided for its user, and what its values do not tell."""
        return [*self.dataset.remarks(), *self._remarks]

    @property
    def training(self) -> TrainingData:
        """What is known of the data that the model is, or was, trained on."""
        if self._training is None:
            train = self.trajectories("train")
            known = self._cache.find("ranges", train) if self._cache else None
            self._training = TrainingData.from_plain(known) if known else self.fingerprint()
            if self._cache and not known:
                self._cache.keep("ranges", train, self._training.plain())
        return self._training

    def fingerprint(self) -> TrainingData:
        """The splits that training sees, as they are now."""
        seen: tuple[Split, ...] = ("train", "valid")
        return TrainingData.of({split: self.trajectories(split) for split in seen}, self.data)

    def check_splits(self) -> None:
        """Reads validation and test splits (of large ones a part), so that a run does not meet bad values at its end.

        Raises:
            DataError: a trajectory cannot be used; the message says which and why.
        """
        for split in ("valid", "test"):
            trajectories = self.trajectories(split)
            if self._cache and self._cache.find(f"checked {split}", trajectories):
                continue
            check_split(trajectories, self.data, split)
            if self._cache:
                self._cache.keep(f"checked {split}", trajectories, {"sound": True})

    def _survey(self) -> Survey:
        """The survey of the training split, from the cache where it was made before."""
        train, spec = self.trajectories("train"), self.dataset.spec()
        known = self._cache.find("survey", train) if self._cache else None
        if known:
            return Survey.from_plain(spec, known)
        survey = Survey.of(train, spec)
        if self._cache:
            self._cache.keep("survey", train, survey.plain())
        return survey

    def check_files(self) -> None:
        """Looks whether the files are those that this data set began with; their values are not read.

        Where all values are in memory, a change is only told, once: what is trained on is what was measured.

        Raises:
            DataError: a file changed, and is to be read again; the message says which, and what changed.
        """
        changes = self._files.changes()
        if not changes:
            return
        more = f"; and {len(changes) - 3} more" if len(changes) > 3 else ""
        found = "; ".join(changes[:3]) + more
        if not all(are_held(trajectories) for trajectories in self._splits.values()):
            raise DataError(
                f"the data changed during the run: {found}. Values read earlier and later would belong to different "
                "data: restore the files and resume the run, or start a new run"
            )
        if not self._said_of_files and current().is_first:
            remark(
                f"the data changed during the run: {found}. All values are in memory, so training continues with the "
                "original values; but a resume needs the original files"
            )
        self._said_of_files = True

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split."""
        if split not in self._splits:
            self._splits[split] = self.dataset.trajectories(split)
            if len(self._splits[split]) == 0:
                raise DataError(f"the split {split!r} has no trajectories; change the data set's split fractions")
        return self._splits[split]

    def batches(
        self,
        split: Split,
        horizon: int,
        batch_size: int,
        seed: int | None = None,
        first_only: bool = False,
        share: Share = Share(),  # noqa: B008  it is frozen
        reference: bool = False,
    ) -> Batches:
        """The batches of a split; see ``Batches`` and ``Windows`` for the arguments."""
        windows = Windows(self.trajectories(split), self.data, horizon, self.data.condition, first_only, reference)
        return Batches(windows, self.normalization, batch_size, seed, share=share, point_sets=self.point_sets)


class Survey:
    """Moments of every field and condition, the smallest and largest time step, the points' bounding box.

    Args:
        spec: as the data set declares it.
    """

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec
        self._single = spec.of_frames().fields  # all time steps of a bundle have one scale
        self.fields = {field.name: RunningMoments() for field in self._single}
        self.names = spec.condition if spec.steady else (*spec.condition, TIME_STEP)
        self.conditions = RunningMoments()
        self.shortest, self.longest = float("inf"), 0.0
        self._low = torch.full((spec.num_axes,), float("inf"), dtype=torch.float64)
        self._high = -self._low
        self._point_sets: set[int] = set()
        self._target_sets: set[int] = set()
        self._grid_NX: Tensor | None = None
        self._margins: tuple[tuple[float, float], ...] | None = None

    @classmethod
    def of(cls, trajectories: Trajectories, spec: DataSpec) -> Self:
        """That of the trajectories of a split, each of which is read once.

        Raises:
            DataError: a trajectory cannot be trained on; see ``check_trajectory``.
        """
        survey, blocks = cls(spec), Blocks(trajectories)
        for number in said(range(len(trajectories)), "measuring the training split"):
            for start, block in blocks.of(number):
                check_trajectory(block, spec, place(number, "train"), start)
                survey._add(block, skip=int(start > 0))
        if spec.grid_shape is not None and survey._grid_NX is not None:
            survey._margins = ends_of(survey._grid_NX, survey.data())
            survey._grid_NX = None
        return survey

    def plain(self) -> dict[str, Any]:
        """As tensors and plain data."""
        return {
            "fields": {name: moments.plain() for name, moments in self.fields.items()},
            "conditions": self.conditions.plain(),
            "steps": [self.shortest, self.longest],
            "box": [self._low, self._high],
            "margins": self._margins,
        }

    @classmethod
    def from_plain(cls, spec: DataSpec, plain: Mapping[str, Any]) -> Self:
        """What ``plain`` gave."""
        survey = cls(spec)
        survey.fields = {name: RunningMoments.from_plain(moments) for name, moments in plain["fields"].items()}
        survey.conditions = RunningMoments.from_plain(plain["conditions"])
        survey.shortest, survey.longest = plain["steps"]
        survey._low, survey._high = plain["box"]
        survey._margins = plain["margins"]
        return survey

    def _add(self, trajectory: Trajectory, skip: int) -> None:
        """Takes a block of time steps, of which the first ``skip`` were in the block before."""
        for field in self._single:
            for value_TNC in trajectory.all_values(field.name):
                if len(value_TNC) > skip:
                    self.fields[field.name].add(value_TNC[skip:].reshape(-1, field.channels))
        if not self.spec.steady:
            steps = trajectory.time_T.double().diff()
            self.shortest, self.longest = min(self.shortest, float(steps.min())), max(self.longest, float(steps.max()))
        if self.names:
            self.conditions.add(condition_rows(trajectory.condition, trajectory.time_T, self.names, self.spec.steady))
        if trajectory.point_set not in self._point_sets:  # equal numbers are equal points: no need to look again
            self._point_sets.add(trajectory.point_set)
            coords_NX = trajectory.coords_NX.double()
            if self._grid_NX is None and trajectory.grid_shape in (None, self.spec.grid_shape):
                self._grid_NX = coords_NX
            self._add_to_box(coords_NX)
        if trajectory.targets is not None and trajectory.targets.point_set not in self._target_sets:
            self._target_sets.add(trajectory.targets.point_set)
            self._add_to_box(trajectory.targets.coords_NX.double())

    def _add_to_box(self, coords_NX: Tensor) -> None:
        self._low = torch.minimum(self._low, coords_NX.amin(0))
        self._high = torch.maximum(self._high, coords_NX.amax(0))

    def remarks(self) -> list[str]:
        """Channels that are constant, and those of which the values' own rounding leaves few digits."""
        found = []
        for field in self._single:
            moments = self.fields[field.name]
            for channel in range(field.channels):
                name = field.name if field.channels == 1 else f"{field.name}[{channel}]"
                steps = float(moments.roundings()[channel])
                if moments.constant()[channel]:
                    found.append(
                        f"{name} is constant over the training split, up to rounding, so it is shifted but not scaled"
                    )
                elif steps < COARSE:
                    found.append(
                        f"the standard deviation of {name} is only {steps:.2g} times the rounding of its largest "
                        "value, so most digits are lost in the file; store float64, or subtract the mean before storing"
                    )
        return found

    def data(self) -> DataSpec:
        """The data set's description with its domain, and with the time step as a condition where it varies."""
        extent = torch.tensor(self.spec.extent, dtype=torch.float64)
        origin = self.spec.origin or tuple(((self._low + self._high - extent) / 2).tolist())
        varies = not self.spec.steady and self.longest > self.shortest * (1 + SAME)
        condition = self.names if varies else self.spec.condition
        return replace(self.spec, origin=origin, condition=condition, margins=self._margins)

    def normalization(self, by_field: bool = False) -> Normalization:
        """Scales by the moments.

        Args:
            by_field: one deviation for all channels of a field, so that a vector keeps its proportions.
        """
        data = self.data()
        kept = len(data.condition)
        return Normalization(
            data,
            self._of_all([moments.mean for moments in self.fields.values()]),
            self._of_all([_one_scale(moments) if by_field else moments.std() for moments in self.fields.values()]),
            self.conditions.mean[:kept],
            self.conditions.std()[:kept],
        )

    def _of_all(self, parts: list[Tensor]) -> Tensor:
        """Values of the channels of each field at one time step, for every channel of a bundle."""
        pairs = zip(self.spec.fields, parts, strict=True)
        return torch.cat([part.repeat(field.channels // len(part)) for field, part in pairs])


def _one_scale(moments: RunningMoments) -> Tensor:
    """One deviation for all channels, (C,): the root of the mean variance of those that vary; 1 for constant ones."""
    constant = moments.constant()
    if bool(constant.all()):
        return moments.std()
    one = moments.deviation()[~constant].square().mean().sqrt()
    return torch.where(constant, 1.0, one)
