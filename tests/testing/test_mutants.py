"""The kits find wrong plugins: of fifty, made from right ones by one slip each, all."""

from __future__ import annotations

import pytest

from upt_core.testing import ConformanceError

from .mutants import MUTANTS, ROOT, Mutant, examine

pytestmark = pytest.mark.skipif(
    not (ROOT / "plugins").is_dir() or not (ROOT / "docs").is_dir(), reason="mutants are made from a checkout's files"
)


def label(mutant: Mutant) -> str:
    return f"{mutant.kind}-{MUTANTS.index(mutant)}"


def test_there_are_fifty_different_ones() -> None:
    assert len(set(MUTANTS)) == 50


@pytest.mark.parametrize("mutant", MUTANTS, ids=label)
def test_it_is_refused(mutant: Mutant) -> None:
    """Chance that one is refused by accident: 1e-6 for samplers, none for others."""
    with pytest.raises(ConformanceError):
        examine(mutant)
