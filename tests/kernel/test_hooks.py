"""Lifecycle hooks: whoever raises is named, nothing changes its type, and nobody listening costs nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import optuna
import pluggy
import pytest

from upt_core import DataError, Experiment, hookimpl
from upt_core.registry.hook_errors import described
from upt_core.registry.hookspecs import run_hooks

Tiny = Callable[..., Experiment]
HERE = f"{__name__}."


class Quiet:
    """Listens to the same hook, and raises nothing."""

    @hookimpl
    def step_ended(self) -> None:
        pass


class Raises:
    """Raises what it is given at the end of a step."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @hookimpl
    def step_ended(self) -> None:
        raise self.error


class FailsAtTheEnd:
    """Raises when told that the run failed."""

    @hookimpl
    def run_failed(self) -> None:
        raise OSError("disk full")


class Around:
    """Wraps the hooks of the others, and lets through what they raise."""

    @hookimpl(wrapper=True)
    def step_ended(self) -> Any:
        return (yield)


class NeverYields:
    """A wrapper that forgets its part; pluggy raises, not its code."""

    @hookimpl(wrapper=True)
    def step_ended(self) -> Any:
        yield from ()


def step(hooks: pluggy.PluginManager) -> None:
    hooks.hook.step_ended(trainer=None, progress=None, scalars={})


def raised_by(*listeners: object) -> BaseException:
    """What leaves the hook."""
    try:
        step(run_hooks(listeners))
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


ERRORS = [RuntimeError("x"), DataError("x"), KeyboardInterrupt(), SystemExit(3), optuna.TrialPruned("x")]


class TestWhoRaised:
    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_is_a_note_on_the_same_object(self, error: BaseException) -> None:
        seen = raised_by(Quiet(), Raises(error), Quiet())
        assert seen is error
        assert seen.__notes__ == [f"raised by the hook step_ended of {HERE}Raises"]
        assert traceback.extract_tb(seen.__traceback__)[-1].name == "step_ended"

    def test_a_wrapper_that_lets_it_through_is_on_the_way(self) -> None:
        (note,) = raised_by(Raises(RuntimeError("x")), Around()).__notes__
        assert f"{HERE}Raises" in note

    def test_a_module_is_named_as_it_is_imported(self) -> None:
        module = ModuleType("listens")
        exec("from upt_core import hookimpl\n@hookimpl\ndef step_ended(): 1 / 0", module.__dict__)
        assert raised_by(module).__notes__ == ["raised by the hook step_ended of listens"]

    def test_the_distribution_is_named_where_an_entry_point_tells(self) -> None:
        from upt_callbacks.csv import Csv

        assert described(Csv()).startswith("upt_callbacks.csv.Csv (upt-core ")

    def test_who_is_not_on_the_traceback_is_one_of_those_who_listen(self) -> None:
        (note,) = raised_by(Quiet(), NeverYields()).__notes__
        assert note == f"raised by the hook step_ended of {HERE}Quiet or {HERE}NeverYields"


class TestRun:
    def test_ends_with_the_name_of_the_callback(self, tiny: Tiny, run_dir: Path) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            tiny(trainer={"epochs": 1}).train(run_dir, listeners=[Raises(ZeroDivisionError("by zero"))])
        assert f"raised by the hook step_ended of {HERE}Raises" in "".join(traceback.format_exception(caught.value))

    def test_a_hook_that_fails_on_failure_keeps_the_cause(self, tiny: Tiny, run_dir: Path) -> None:
        with pytest.raises(OSError, match="disk full") as caught:
            tiny(trainer={"epochs": 1}).train(run_dir, listeners=[Raises(RuntimeError("first")), FailsAtTheEnd()])
        assert caught.value.__notes__ == [f"raised by the hook run_failed of {HERE}FailsAtTheEnd"]
        assert str(caught.value.__context__) == "first"


class TestCost:
    def test_where_nobody_listens_a_call_runs_nothing(self) -> None:
        plain = pluggy.PluginManager("plain")
        hooks = run_hooks()
        assert hooks.hook.step_ended.get_hookimpls() == []
        assert hooks.hook.step_ended(trainer=None, progress=None, scalars={}) == []
        assert hooks._inner_hookexec is plain._inner_hookexec, "a call goes to pluggy itself, nothing around it"

    def test_a_hook_that_does_not_exist_is_refused(self) -> None:
        class Misspelt:
            @hookimpl
            def step_finished(self) -> None:
                pass

        with pytest.raises(pluggy.PluginValidationError, match="unknown hook 'step_finished'"):
            run_hooks([Misspelt()])
