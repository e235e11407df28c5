"""A data set made ready for training: its domain, conditions and statistics, measured on the training split."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from upt_core.data.checks import check_split
from upt_core.data.disk import Files
from upt_core.data.loader import Batches
from upt_core.data.normalize import TIME_STEP, Normalization
from upt_core.data.point_sets import Over, PointSets
from upt_core.data.survey import Survey
from upt_core.data.training_data import TrainingData
from upt_core.data.windows import Windows
from upt_core.errors import DataError
from upt_core.kinds import Dataset, Split
from upt_core.processes import Share, current
from upt_core.remarks import remark
from upt_core.specs import DataSpec
from upt_core.trajectory import Trajectories, are_held


class PreparedData:
    """A data set with everything that must be known before the model is built.

    Args:
        dataset: where trajectories come from.
        normalize: "standard" scales by statistics of the training split, "none" leaves values as they are.
        normalization: reuse these statistics (of an operator) instead of measuring them. The box and the conditions are
            those of the operator, too; the grid is that of the data at hand.
        training: what is known of the data that the operator was trained on; None: these data.
        over: what means are over: space, where the data set knows the cells of its points, or points.

    Raises:
        DataError: the data set cannot be read, holds values that are not finite, or has not the fields or conditions of
            the operator.
    """

    def __init__(
        self,
        dataset: Dataset,
        normalize: Literal["standard", "none"] = "standard",
        normalization: Normalization | None = None,
        training: TrainingData | None = None,
        over: Over = "space",
    ) -> None:
        self.dataset = dataset
        self._files = Files(dataset.files())
        self._said_of_files = False
        self._training = training
        self._remarks: list[str] = []
        self._splits: dict[Split, Trajectories] = {}
        if normalization is not None:
            spec = dataset.spec()
            check_fits(spec, normalization.data)
            self.data, self.normalization = replace(normalization.data, grid_shape=spec.grid_shape), normalization
            self.point_sets = PointSets(self.data, over=over)
            return
        survey = Survey(self.trajectories("train"), dataset.spec())
        self.data = survey.data()
        self._remarks = survey.remarks()
        self.point_sets = PointSets(self.data, over=over)
        self.normalization = survey.normalization() if normalize == "standard" else Normalization.identity(self.data)

    def remarks(self) -> list[str]:
        """What the data set decided for its user, and what its values do not tell."""
        return [*self.dataset.remarks(), *self._remarks]

    @property
    def training(self) -> TrainingData:
        """What is known of the data that the model is, or was, trained on."""
        if self._training is None:
            self._training = self.fingerprint()
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
            check_split(self.trajectories(split), self.data, split)

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
                f"the data changed during the run: {found}. Values read before and from now on would be of two data "
                f"sets: give the files back as they were and resume the run, or begin a new run"
            )
        if not self._said_of_files and current().is_first:
            remark(
                f"the data changed during the run: {found}. All values are in memory, so training goes on with those "
                f"that it began with; but a resume needs the files as they were"
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
    ) -> Batches:
        """The batches of a split; see ``Batches`` and ``Windows`` for the arguments."""
        windows = Windows(self.trajectories(split), self.data, horizon, self.data.condition, first_only)
        return Batches(windows, self.normalization, batch_size, seed, share=share, point_sets=self.point_sets)


def check_fits(spec: DataSpec, stored: DataSpec) -> None:
    """Refuses data that a trained operator cannot take in."""
    if (spec.inputs, spec.targets) != (stored.inputs, stored.targets):
        raise DataError(
            f"the operator was trained on the fields {_named(stored)}, but the data set has {_named(spec)}; "
            f"use data with the fields of its run"
        )
    missing = [name for name in stored.condition if name not in (*spec.condition, TIME_STEP)]
    if missing:
        raise DataError(
            f"the operator is told {', '.join(missing)}, which the data set does not have as a condition; name it in "
            f"the data set's 'conditions'"
        )
    if (spec.num_axes, spec.steady) != (stored.num_axes, stored.steady):
        raise DataError(
            f"the operator was trained on {_kind(stored)}, but the data set has {_kind(spec)}; use other data"
        )


def _kind(spec: DataSpec) -> str:
    return f"{'steady fields' if spec.steady else 'fields that move in time'} in {spec.num_axes} dimensions"


def _named(spec: DataSpec) -> str:
    return ", ".join(f"{field.name} ({field.channels})" for field in spec.fields)
