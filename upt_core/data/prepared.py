"""A data set made ready for training: its domain, conditions and statistics, measured on the training split."""

from __future__ import annotations

from typing import Literal

from upt_core.data.loader import Batches
from upt_core.data.normalize import Normalization
from upt_core.data.point_sets import PointSets
from upt_core.data.survey import Survey
from upt_core.data.windows import Windows
from upt_core.errors import DataError
from upt_core.kinds import Dataset, Split
from upt_core.processes import Share
from upt_core.specs import DataSpec
from upt_core.trajectory import Trajectories


class PreparedData:
    """A data set with everything that must be known before the model is built.

    Args:
        dataset: where trajectories come from.
        normalize: "standard" scales by statistics of the training split, "none" leaves values as they are.
        normalization: reuse these statistics (of a checkpoint) instead of measuring them.

    Raises:
        DataError: the data set cannot be read, or holds values that are not finite.
    """

    def __init__(
        self,
        dataset: Dataset,
        normalize: Literal["standard", "none"] = "standard",
        normalization: Normalization | None = None,
    ) -> None:
        self.dataset = dataset
        self._splits: dict[Split, Trajectories] = {}
        if normalization is not None:
            _check_same_fields(dataset.spec(), normalization.data)
            self.data, self.normalization = normalization.data, normalization
            self.point_sets = PointSets(self.data)
            return
        survey = Survey(self.trajectories("train"), dataset.spec())
        self.data = survey.data()
        self.point_sets = PointSets(self.data)
        self.normalization = survey.normalization() if normalize == "standard" else Normalization.identity(self.data)

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


def _check_same_fields(spec: DataSpec, stored: DataSpec) -> None:
    if (spec.inputs, spec.targets) != (stored.inputs, stored.targets):
        raise DataError(
            f"the checkpoint was trained on the fields {_named(stored)}, but the data set has {_named(spec)}; "
            f"use the data set of the run"
        )


def _named(spec: DataSpec) -> str:
    return ", ".join(f"{field.name} ({field.channels})" for field in spec.fields)
