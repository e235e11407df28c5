"""The messages of checks at the door."""

from __future__ import annotations

import pytest

from upt_models.checks import (
    check_axes,
    check_channels,
    check_frequencies,
    check_heads,
    check_not_negative,
    check_positive,
)


def test_numbers_must_be_positive() -> None:
    check_positive(depth=1)
    with pytest.raises(ValueError, match="depth is 0; it must be greater than 0"):
        check_positive(depth=0)
    with pytest.raises(ValueError, match="mlp_ratio is nan"):
        check_positive(mlp_ratio=float("nan"))


def test_numbers_must_not_be_negative() -> None:
    check_not_negative(depth=0)
    with pytest.raises(ValueError, match="depth is -1; it must not be negative"):
        check_not_negative(depth=-1)


def test_heads_must_divide_the_width() -> None:
    check_heads(12, 4)
    with pytest.raises(
        ValueError, match=r"width 12 cannot be shared by 5 attention heads; .* divides it: 1, 2, 3, 4, 6, 12"
    ):
        check_heads(12, 5)


@pytest.mark.parametrize("frequencies", [[], [0], [1, 1.5]])
def test_frequencies_must_be_whole(frequencies: list[int]) -> None:
    with pytest.raises(ValueError, match="give whole numbers from 1 on"):
        check_frequencies(frequencies)


def test_axes_and_channels_must_match() -> None:
    with pytest.raises(ValueError, match="the model was built for points with 2 axes, but was given points with 3"):
        check_axes("model", 2, 3)
    with pytest.raises(ValueError, match="the encoder was built for 1 input channels, but was given 2"):
        check_channels("encoder", 1, 2)
