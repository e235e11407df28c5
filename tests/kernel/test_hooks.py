"""Lifecycle hooks: a listener that fails is named and reported once, and never ends a run that has begun."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from upt_core import DataError, EndRun, Experiment, PluginError, hookimpl
from upt_core.training.listeners import Listeners, UnknownHookError, described

Tiny = Callable[..., Experiment]
HERE = f"{__name__}."


class Notes:
    """Notes the hooks that it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @hookimpl
    def step_ended(self) -> None:
        self.heard.append("step_ended")

    @hookimpl
    def run_finished(self) -> None:
        self.heard.append("run_finished")


class Raises:
    """Raises what it is given at the end of a step."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @hookimpl
    def step_ended(self) -> None:
        raise self.error


class RaisesAtTheStart(Raises):
    """Raises before the first step."""

    @hookimpl
    def run_started(self) -> None:
        raise self.error


class FailsAtTheEnd:
    """Raises when told that the run failed."""

    @hookimpl
    def run_failed(self) -> None:
        raise OSError("disk full")


class Around:
    """Wraps its own hooks alone."""

    @hookimpl(wrapper=True)
    def step_ended(self) -> Any:
        return (yield)


class Enough(EndRun):
    """Meant to end the run."""


def step(*listeners: object) -> None:
    told = Listeners(listeners)
    for _ in range(3):
        told.tell("step_ended", trainer=None, progress=None, scalars={})


class TestWhoFails:
    @pytest.mark.parametrize("error", [RuntimeError("x"), DataError("x"), OSError(28, "x"), MemoryError("x")])
    def test_is_reported_once_and_the_others_are_told(
        self, error: Exception, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, last = Notes(), Notes()
        step(first, Raises(error), Around(), last)
        assert first.heard == last.heard == ["step_ended"] * 3
        told = capsys.readouterr().err
        assert told.count("remark: ") == 1
        assert f"{HERE}Raises failed in step_ended: {type(error).__name__}: {error}; training continues" in told

    @pytest.mark.parametrize("error", [Enough("x"), KeyboardInterrupt(), SystemExit(3)])
    def test_what_is_meant_to_end_the_run_goes_through_as_it_is(self, error: BaseException) -> None:
        with pytest.raises(type(error)) as caught:
            step(Raises(error))
        assert caught.value is error

    def test_a_module_is_named_as_it_is_imported(self, capsys: pytest.CaptureFixture[str]) -> None:
        module = ModuleType("listens")
        exec("from upt_core import hookimpl\n@hookimpl\ndef step_ended(): 1 / 0", module.__dict__)
        step(module)
        assert "remark: listens failed in step_ended: ZeroDivisionError" in capsys.readouterr().err

    def test_the_distribution_is_named_where_an_entry_point_tells(self) -> None:
        from upt_callbacks.csv import Csv

        assert described(Csv()).startswith("upt_callbacks.csv.Csv (upt-core ")

    def test_order_is_that_of_pluggy(self) -> None:
        heard: list[str] = []

        class Last:
            @hookimpl(trylast=True)
            def step_ended(self) -> None:
                heard.append("last")

        class First:
            @hookimpl
            def step_ended(self) -> None:
                heard.append("first")

        Listeners([First(), Last()]).tell("step_ended", trainer=None, progress=None, scalars={})
        assert heard == ["first", "last"]


class TestRun:
    def test_goes_on_to_its_end(self, tiny: Tiny, run_dir: Path) -> None:
        notes = Notes()
        tiny(trainer={"epochs": 1}).train(run_dir, listeners=[Raises(ZeroDivisionError("by zero")), notes])
        assert notes.heard[-1] == "run_finished"
        assert (run_dir / "results.json").is_file()

    def test_is_refused_by_a_listener_that_cannot_start(self, tiny: Tiny, run_dir: Path) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            tiny(trainer={"epochs": 1}).train(run_dir, listeners=[RaisesAtTheStart(ZeroDivisionError("by zero"))])
        assert caught.value.__notes__ == [f"raised by the hook run_started of {HERE}RaisesAtTheStart"]

    def test_a_hook_that_fails_on_failure_keeps_the_cause(
        self, tiny: Tiny, run_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(Enough, match="first"):
            tiny(trainer={"epochs": 1}).train(run_dir, listeners=[Raises(Enough("first")), FailsAtTheEnd()])
        assert f"{HERE}FailsAtTheEnd failed in run_failed: OSError: disk full" in capsys.readouterr().err

    def test_output_that_nobody_reads_any_more_ends_nothing(self, tmp_path: Path) -> None:
        """As in ``upt train … | head -1``: the reading end of the pipe is closed before anything is written."""
        reader, writer = os.pipe()
        os.close(reader)
        code = (
            "from upt_core import hookimpl\n"
            "from upt_core.training.listeners import Listeners\n"
            "class Says:\n"
            "    @hookimpl\n"
            "    def step_ended(self):\n"
            "        print('a line', flush=True)\n"
            "listeners = Listeners([Says()])\n"
            "for _ in range(3):\n"
            "    listeners.tell('step_ended', trainer=None, progress=None, scalars={})\n"
            "print('at the end', flush=True)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(writer)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("BrokenPipeError") == 1


class TestRegistration:
    def test_where_nobody_listens_nothing_is_called(self) -> None:
        Listeners().tell("step_ended", trainer=None, progress=None, scalars={})

    def test_a_hook_that_does_not_exist_is_refused(self) -> None:
        class Misspelt:
            @hookimpl
            def step_finish(self) -> None:
                pass

        with pytest.raises(
            UnknownHookError, match="unknown hook 'step_finish'.*did you mean '(step_ended|run_finished)'"
        ):
            Listeners([Misspelt()])

    def test_where_no_hook_is_near_all_are_listed(self) -> None:
        class Elsewhere:
            @hookimpl
            def zzz(self) -> None:
                pass

        with pytest.raises(UnknownHookError, match="unknown hook 'zzz'.*expected one of: .*run_failed, run_f"):
            Listeners([Elsewhere()])

    def test_a_hook_without_its_mark_is_refused(self) -> None:
        class Unmarked(Notes):
            def epoch_ended(self) -> None:
                pass

        with pytest.raises(PluginError, match=r"Unmarked: epoch_ended would never be called; mark each hook with @hoo"):
            Listeners([Unmarked()])

    @pytest.mark.parametrize("listener", [object(), print])
    def test_what_listens_to_nothing_is_refused(self, listener: object) -> None:
        with pytest.raises(PluginError, match=r"implements no hook; give an object with .*: run_started, step_ended, "):
            Listeners([listener])

    def test_a_class_instead_of_an_object_is_refused(self) -> None:
        with pytest.raises(PluginError, match=r"Notes is a class; give an object of it: Notes\(\)"):
            Listeners([Notes])
