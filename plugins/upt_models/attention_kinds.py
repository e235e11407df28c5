"""Which latent tokens look at which: all at all, those of a window at each other, or all through one sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from torch import nn

from upt_core import DataSpec, LatentSpec
from upt_models.attention import Core
from upt_models.lattice import lattice_of
from upt_models.lattice_approximator import per_axis
from upt_models.linear_attention import linear_attention
from upt_models.rotary import Rotary, RotaryWaves
from upt_models.windows import WindowedAttention

Attention = Literal["full", "windowed", "linear"]
WINDOW = {1: 16, 2: 8, 3: 4}
"""Number of axes → tokens of a window along each axis, where none are given."""


def window_of(
    what: str, attention: Attention, window: int | Sequence[int] | None, data: DataSpec, latent: LatentSpec
) -> tuple[int, ...] | None:
    """Tokens of a window along each axis; None: there are no windows.

    Args:
        what: how messages call the part.
        window: as given.

    Raises:
        ValueError: a window is given without windowed attention, or windowed attention meets tokens without a place.
    """
    if attention != "windowed":
        if window is None:
            return None
        raise ValueError(
            f"the {what} was given a window of {window} tokens, but attention: {attention} has no windows; write "
            f"attention: windowed, or leave window out"
        )
    if latent.lattice is None:
        raise ValueError(
            f"the {what} was given attention: windowed, but latent.tokens is {latent.tokens}, so tokens have no place "
            f"and no neighbours; write the tokens of each axis as a list, or use attention: linear"
        )
    return per_axis("window", WINDOW[data.num_axes] if window is None else window, data.num_axes)


def rotary_of(what: str, attention: Attention, data: DataSpec, latent: LatentSpec, width: int, heads: int) -> nn.Module:
    """What turns queries and keys by the places of tokens on a lattice."""
    lattice = lattice_of(what, data, latent)
    if attention == "linear":
        return RotaryWaves(lattice, data.periodic, heads, width // heads)
    return Rotary(lattice, data.periodic, width // heads)


def cores_of(
    attention: Attention, window: tuple[int, ...] | None, data: DataSpec, latent: LatentSpec, depth: int
) -> Iterator[Core | None]:
    """The core of each block's attention; windows of every second block are shifted."""
    for number in range(depth):
        if window is not None and latent.lattice is not None:
            yield WindowedAttention(latent.lattice, data.periodic, window, shifted=number % 2 == 1)
        else:
            yield linear_attention if attention == "linear" else None


def window_remarks(window: tuple[int, ...] | None, data: DataSpec, latent: LatentSpec, depth: int) -> str:
    """What ``upt check`` says of windows that do not do what windows are for; empty: nothing."""
    if window is None or latent.lattice is None:
        return ""
    axes = list(zip(window, latent.lattice, data.periodic, strict=True))
    large = [axis for axis, (size, tokens, _) in enumerate(axes) if size > tokens]
    uneven = [axis for axis, (size, tokens, wraps) in enumerate(axes) if wraps and tokens % min(size, tokens)]
    of_axes = "windows of {} tokens on a lattice of {}: ".format(*(_times(x) for x in (window, latent.lattice)))
    found = []
    if all(size >= tokens for size, tokens, _ in axes):
        found.append("one window holds all tokens, so attention is full; use a smaller window, or attention: full")
    elif large:
        found.append(f"larger than the lattice along {_axes(large)}, where one window is the whole axis")
    if uneven:
        found.append(
            f"they do not divide the periodic {_axes(uneven)}, so one window is smaller there and tokens are not "
            f"treated alike; use a window that divides the tokens"
        )
    if depth == 1 and any(size < tokens for size, tokens, _ in axes):
        found.append(
            "depth is 1, so no windows are shifted and tokens of different windows never interact; use at least 2"
        )
    return of_axes + "; ".join(found) if found else ""


def _times(numbers: Sequence[int]) -> str:
    return " x ".join(map(str, numbers))


def _axes(numbers: Sequence[int]) -> str:
    return f"{'axis' if len(numbers) == 1 else 'axes'} {', '.join(map(str, numbers))}"
