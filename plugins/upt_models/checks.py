"""Checks at the door of the model parts: bounds that hold also where no YAML was involved."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def check_positive(**values: float) -> None:
    """Refuses numbers that are not above zero, by their parameter's name.

    Raises:
        ValueError: a number is zero or negative.
    """
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be greater than 0")


def check_not_negative(**values: float) -> None:
    """Refuses negative numbers, by their parameter's name.

    Raises:
        ValueError: a number is negative.
    """
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} is {value}; it must not be negative")


def check_heads(width: int, heads: int) -> None:
    """Refuses attention heads that do not share the width evenly.

    Raises:
        ValueError: the width is not a multiple of the number of heads.
    """
    check_positive(width=width, heads=heads)
    if width % heads:
        choices = ", ".join(str(number) for number in range(1, min(width, 16) + 1) if width % number == 0)
        raise ValueError(
            f"width {width} cannot be shared by {heads} attention heads; use a number that divides it: {choices}"
        )


def check_frequencies(frequencies: Sequence[int]) -> None:
    """Refuses an empty list of frequencies, and frequencies that are no whole numbers above zero.

    Raises:
        ValueError: there are none, or one would break the periodicity.
    """
    if not frequencies or any(frequency != int(frequency) or frequency < 1 for frequency in frequencies):
        raise ValueError(f"frequencies are {list(frequencies)}; give whole numbers from 1 on, for example [1, 2, 4, 8]")


def check_axes(what: str, expected: int, found: int) -> None:
    """Refuses coordinates with another number of axes than the part was built for.

    Raises:
        ValueError: the numbers differ.
    """
    if expected != found:
        raise ValueError(f"the {what} was built for points with {expected} axes, but was given points with {found}")


def check_channels(what: str, expected: int, found: int) -> None:
    """Refuses fields with another number of channels than the part was built for.

    Raises:
        ValueError: the numbers differ.
    """
    if expected != found:
        raise ValueError(f"the {what} was built for {expected} input channels, but was given {found}")


def check_condition(what: str, names: Sequence[str], condition_BP: Tensor | None) -> Tensor:
    """The conditioning values, which must be those that the part was built for.

    Raises:
        ValueError: there are none, or more or fewer.
    """
    found = 0 if condition_BP is None else condition_BP.shape[-1]
    if condition_BP is None or found != len(names):
        raise ValueError(
            f"the {what} was built for the conditioning values {', '.join(names)}, but was given {found}; give all of "
            "them, or build it with condition=False"
        )
    return condition_BP
