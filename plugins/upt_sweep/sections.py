"""The sections of a sweep's YAML."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, Field, NonNegativeInt, PositiveInt, Strict

from upt_core.commands import Section

Finite = Annotated[float, Strict(), AllowInfNan(False)]
Whole = Annotated[int, Strict()]


class DimensionSettings(Section):
    """The values that one key may have: exactly one of the four."""

    choice: list[Any] | None = Field(None, min_length=1, description="these values, of any type")
    uniform: list[Finite] | None = Field(None, min_length=2, max_length=2, description="[low, high]")
    log_uniform: list[Finite] | None = Field(
        None, min_length=2, max_length=2, description="[low, high], evenly in the logarithm; low > 0"
    )
    whole: list[Whole] | None = Field(
        None, alias="int", min_length=2, max_length=2, description="[low, high], whole numbers, both ends included"
    )


class SweepSettings(Section):
    """A whole sweep."""

    experiment: Annotated[str, Field(min_length=1)] = Field(
        description="the experiment's YAML file, relative to this file"
    )
    overrides: dict[str, Any] = Field({}, description="key.path → value, the same for all trials")
    space: dict[str, DimensionSettings] = Field(min_length=1, description="key.path → the values to try")
    search: Literal["grid", "random", "tpe"] = Field(
        "tpe", description="grid: every combination; random: random points; tpe learns from earlier trials"
    )
    trials: Annotated[PositiveInt, Strict()] | None = Field(
        None, description="number of runs; leave it out for a grid, where it follows from the values"
    )
    pruner: Literal["none", "median"] = Field(
        "none", description="median: ends runs that are worse than the median of the others at the same epoch"
    )
    seed: Annotated[NonNegativeInt, Strict()] = Field(
        0, description="seed of the search; the runs use the experiment's seed"
    )
