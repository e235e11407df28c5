"""Every built-in sampler passes the conformance kit, with what it declares."""

from __future__ import annotations

from typing import Any

import pytest

import upt_samplers
from upt_core import Sampler
from upt_core.registry import Distribution, Entry
from upt_core.testing import check_sampler
from upt_samplers.importance import Importance
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

EVERY_POINT = {"growth": 2}

CASES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "uniform": [({}, {})],
    "stratified": [({}, {}), ({"coupling": "independent"}, {})],
    "sobol": [({}, {"distinct": False}), ({"coupling": "independent"}, {"distinct": False})],
    "ratio": [({"ratio": 0.3}, {}), ({"ratio": 1.0, "base": Stratified()}, {})],
    "cosine": [({"base": Stratified()}, {})],
    "linear": [({}, {})],
    "importance": [
        ({}, {}),
        ({"metric": "error", "block": 32}, {"growth": 0.05}),
        ({"metric": "target_gradient", "block": 4}, {"growth": 0.3}),
        ({"metric": "variance"}, {"takes": ("grid", "scattered")}),
    ],
    "mixture": [({"samplers": [Uniform(), Importance()], "shares": [1, 2]}, {"distinct": False})],
    "boundary": [({"share": 0.5, "width": 0.1}, EVERY_POINT)],
}


def registered() -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    own = Distribution("upt-core", "0")
    upt_samplers.register_samplers(lambda name, target: entries.setdefault(name, Entry("sampler", name, target, own)))
    return entries


def test_every_registered_sampler_is_tried() -> None:
    elsewhere = {"jittered"}  # points off the grid: tests/conformance and test_jittered.py
    assert set(CASES) | elsewhere == set(registered())


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in CASES.items() for case in cases])
def test_conformance(name: str, case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Chance that a right sampler fails: 1e-6 each."""
    keywords, declared = case
    sampler = registered()[name].load()(**keywords)
    assert isinstance(sampler, Sampler)
    check_sampler(sampler, **declared)
