"""Bounds of annotations guard calls by hand: class, parameter, value and bound are named."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from upt_core import Progress, Schedule
from upt_core.kinds import Bounded


class Bowl(Bounded):
    def __init__(
        self,
        size: Annotated[int, Field(ge=1)],
        shape: Literal["round", "square"] = "round",
        fill: Annotated[float, Field(gt=0, le=1)] | None = None,
        marks: list[Annotated[float, Field(ge=0)]] | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        self.given = (size, shape, fill, marks, schedule)


class Deep(Bowl):
    def __init__(self, depth: Annotated[int, Field(multiple_of=2)] = 2) -> None:
        super().__init__(depth)


def test_arguments_within_their_bounds_arrive_as_they_are() -> None:
    marks = [0.0, 2.0]
    bowl = Bowl(3, shape="square", fill=0.5, marks=marks)
    assert bowl.given == (3, "square", 0.5, marks, None)
    assert bowl.given[3] is marks


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Bowl(0), "Bowl: size must be at least 1; got 0"),
        (lambda: Bowl(size=0), "Bowl: size must be at least 1; got 0"),
        (lambda: Bowl(1, "flat"), "Bowl: shape expected 'round' or 'square'; got 'flat'"),
        (lambda: Bowl(1, fill=2.0), "Bowl: fill must be at most 1.0; got 2.0"),
        (lambda: Bowl(1, fill="much"), "Bowl: fill expected a number.*; got 'much'"),
        (lambda: Bowl(1, marks=[1.0, -1.0]), "Bowl: marks must be at least 0.0; got -1.0"),
        (lambda: Deep(3), "Deep: depth must be a multiple of 2; got 3"),
        (lambda: Deep(0), "Deep: size must be at least 1; got 0"),
    ],
)
def test_arguments_outside_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()


def test_wrong_calls_keep_pythons_own_message() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'size'"):
        Bowl()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Bowl(1, colour="blue")  # type: ignore[call-arg]


def test_copies_and_pickles_are_not_built_anew() -> None:
    assert copy.deepcopy(Bowl(1)).given == pickle.loads(pickle.dumps(Bowl(1))).given


def test_annotations_that_only_a_type_checker_sees_leave_the_call_alone() -> None:
    class Unresolved(Bounded):
        def __init__(self, size: NowhereToBeFound = 0) -> None:  # type: ignore[name-defined]  # noqa: F821
            self.size = size

    assert Unresolved(-1).size == -1


def test_plugins_are_guarded() -> None:
    class Ramp(Schedule):
        def __init__(self, epochs: Annotated[int, Field(ge=1)] = 1) -> None:
            self.epochs = epochs

        def __call__(self, progress: Progress) -> float:
            return min(1.0, progress.position / self.epochs)

    assert Ramp(2)(Progress(position=1.0)) == 0.5
    with pytest.raises(ValueError, match="Ramp: epochs must be at least 1; got 0"):
        Ramp(0)


def test_kinds_are_defined_without_pydantic() -> None:
    code = "import sys, upt_core.kinds; print([m for m in ('pydantic', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
