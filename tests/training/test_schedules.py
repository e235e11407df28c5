from __future__ import annotations

import math

import pytest

from upt_core import Progress
from upt_schedules.constant import Constant
from upt_schedules.cosine import Cosine
from upt_schedules.curriculum import Curriculum
from upt_schedules.linear import Linear
from upt_schedules.warmup_cosine import WarmupCosine
from upt_schedules.warmup_stable_decay import WarmupStableDecay


def over_epochs(schedule, num_epochs: int) -> list[float]:
    return [schedule(Progress(epoch=epoch, num_epochs=num_epochs)) for epoch in range(num_epochs)]


def over_positions(schedule, num_epochs: int, *positions: float) -> list[float]:
    return [schedule(Progress(int(p), num_epochs, position=p)) for p in positions]


def test_constant():
    assert over_epochs(Constant(0.3), 3) == [0.3, 0.3, 0.3]


def test_linear_reaches_its_end_in_the_last_epoch():
    assert over_epochs(Linear(1.0, 0.0), 5) == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_linear_between_two_epochs():
    assert over_epochs(Linear(2.0, 4.0, start_epoch=1, end_epoch=3), 6) == [2.0, 2.0, 3.0, 4.0, 4.0, 4.0]


def test_cosine_reaches_its_end_in_the_last_epoch():
    values = over_epochs(Cosine(1.0, 0.2, start_epoch=10), 31)
    assert values[:11] == [1.0] * 11
    assert values[20] == pytest.approx(0.6)
    assert values[15] == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2)
    assert values[30] == 0.2


def test_cosine_with_an_end_epoch():
    assert over_epochs(Cosine(0.0, 1.0, 1, 3), 5) == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("schedule", [Linear, Cosine])
def test_a_jump_and_a_run_too_short(schedule):
    assert over_epochs(schedule(1.0, 0.0, 2, 2), 4) == [1.0, 1.0, 0.0, 0.0]
    assert over_epochs(schedule(1.0, 0.0, 10), 3) == [1.0, 1.0, 1.0]
    assert over_epochs(schedule(1.0, 0.0), 1) == [0.0]


@pytest.mark.parametrize("schedule", [Linear, Cosine])
def test_an_end_before_the_start_is_refused(schedule):
    with pytest.raises(ValueError, match=r"end_epoch is 3, before start_epoch 5; it must not be earlier"):
        schedule(1.0, 0.0, 5, 3)
    with pytest.raises(ValueError, match=r"start_epoch must be at least 0; got -1"):
        schedule(1.0, 0.0, -1)


def test_curriculum_is_nothing_then_a_ramp_then_constant():
    values = over_epochs(Curriculum(0.01, warmup_epochs=5), 13)
    assert values[:6] == [0.0] * 6
    assert values[6:10] == pytest.approx([0.002, 0.004, 0.006, 0.008])
    assert values[10:] == [0.01] * 3


def test_curriculum_is_capped_on_the_ramp_and_after():
    values = over_epochs(Curriculum(0.1, warmup_epochs=4, max_weight=0.05), 10)
    assert values == pytest.approx([0, 0, 0, 0, 0, 0.025, 0.05, 0.05, 0.05, 0.05])


def test_curriculum_has_the_documents_defaults_and_works_without_warm_up():
    curriculum = Curriculum(0.2)
    assert (curriculum.warmup_epochs, curriculum.max_weight) == (15, 0.05)
    assert over_epochs(Curriculum(0.01, warmup_epochs=0), 2) == [0.01, 0.01]


@pytest.mark.parametrize("name", ["base", "warmup_epochs", "max_weight"])
def test_curriculum_refuses_negative_values(name):
    with pytest.raises(ValueError, match=rf"Curriculum: {name} must be at least 0(.0)?; got -1"):
        Curriculum(**{"base": 0.01, name: -1})


def test_warmup_cosine():
    values = over_positions(WarmupCosine(2.0, final=0.1), 10, 0.0, 0.5, 1.9999, 2.0, 6.0, 10.0)
    assert values == pytest.approx([0.0, 0.25, 1.0, 1.0, 0.55, 0.1], abs=1e-4)
    assert over_positions(WarmupCosine(0.0), 4, 0.0, 2.0, 4.0) == pytest.approx([1.0, 0.5, 0.0])


def test_the_warm_up_may_be_a_share_of_the_run():
    assert over_positions(WarmupCosine(warmup_share=0.5), 4, 1.0, 2.0, 3.0) == pytest.approx([0.5, 1.0, 0.5])
    with pytest.raises(ValueError, match=r"warmup_share must be less than 1.0; got 1"):
        WarmupCosine(warmup_share=1)


def test_a_run_shorter_than_the_warm_up_only_rises():
    assert over_positions(WarmupCosine(4.0), 2, 0.0, 1.0, 2.0) == [0.0, 0.25, 0.5]


def test_warmup_stable_decay():
    values = over_positions(WarmupStableDecay(2.0, 4.0, 0.2), 20, 0.0, 1.0, 2.0, 16.0, 18.0, 20.0)
    assert values == pytest.approx([0.0, 0.5, 1.0, 1.0, 0.6, 0.2])
    overlap = over_positions(WarmupStableDecay(4.0, 4.0), 4, 0.0, 1.0, 2.0, 3.0, 4.0)
    assert overlap == pytest.approx([0.0, 0.25, 0.5, 0.25, 0.0])


@pytest.mark.parametrize("schedule", [WarmupCosine, WarmupStableDecay])
def test_wrong_factors_are_refused(schedule):
    with pytest.raises(ValueError, match=r"warmup_epochs must be at least 0.0; got -1"):
        schedule(warmup_epochs=-1)
    with pytest.raises(ValueError, match=r"final must be at most 1.0; got 1.5"):
        schedule(final=1.5)
    with pytest.raises(ValueError, match=r"decay_epochs must be greater than 0.0; got 0"):
        WarmupStableDecay(decay_epochs=0)
