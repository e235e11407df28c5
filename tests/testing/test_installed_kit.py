"""``check_installed`` refuses names that are missing, lead elsewhere, or whose parameters are not described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from upt_core import Progress, Schedule
from upt_core.registry import Distribution, Entry
from upt_core.registry import discovery as plugins
from upt_core.testing import ConformanceError, check_installed
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform


class Bare(Schedule):
    """No word about its parameter."""

    def __init__(self, value: float = 1.0) -> None:
        self.value = value

    def __call__(self, progress: Progress) -> float:
        return self.value


class Unannotated(Bare):
    def __init__(self, value=1.0) -> None:  # type: ignore[no-untyped-def]
        self.value = value


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    entries = plugins.installed().entries
    for name, cls in (("bare", Bare), ("unannotated", Unannotated)):
        entries["schedule", name] = [Entry("schedule", name, cls, Distribution("upt-bare", "1"))]
    yield
    plugins.installed.cache_clear()


def test_what_is_installed_passes() -> None:
    check_installed("sampler", "uniform", Uniform)


def test_a_missing_name() -> None:
    with pytest.raises(
        ConformanceError, match=r"installed: no sampler is called 'unifrom'; did you mean(.|\n)*pip ins"
    ):
        check_installed("sampler", "unifrom", Uniform)


def test_another_class() -> None:
    with pytest.raises(ConformanceError, match=r"class: .* is upt_samplers.uniform:Uniform\n.*stratified:Stratified"):
        check_installed("sampler", "uniform", Stratified)


def test_a_parameter_without_a_word() -> None:
    with pytest.raises(ConformanceError, match=r"descriptions: value of Bare is not described"):
        check_installed("schedule", "bare", Bare)


def test_a_parameter_that_yaml_cannot_name() -> None:
    with pytest.raises(ConformanceError, match=r"installed: .* parameter 'value' has no type annotation"):
        check_installed("schedule", "unannotated", Unannotated)


def test_a_kind_that_is_none() -> None:
    with pytest.raises(ConformanceError, match=r"kind: 'samplers'\n    expected: one of dataset, sampler"):
        check_installed("samplers", "uniform", Uniform)  # type: ignore[arg-type]


MOVED = '''
from upt_core import Schedule

class Moved(Schedule):
    def __init__(self, value: float = 1.0) -> None:
        """Args:
            value: the value.
        """
    def __call__(self, progress):
        return 1.0

def other(self, speed: int = 2) -> None: ...
setattr(Moved, "__init__", other)
'''


def test_a_class_that_is_changed_behind_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strange_moved.py").write_text(MOVED)
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry("schedule", "moved", "strange_moved:Moved", Distribution("upt-moved", "1"))
    plugins.installed().entries["schedule", "moved"] = [entry]
    with pytest.raises(ConformanceError, match=r"source text: .* declares value: .*float(.|\n)*of its class: speed"):
        check_installed("schedule", "moved", entry.load())
