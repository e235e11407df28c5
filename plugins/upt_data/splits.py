"""Which trajectories train, validate and test: whole trajectories, whole files, or blocks of time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import torch
from pydantic import Field

from upt_core import DataError, Split, split_indices

Fraction = Annotated[float, Field(gt=0, lt=1)]


def split_of(
    num: int,
    split: Split,
    valid_fraction: float,
    test_fraction: float,
    seed: int,
    where: str,
    what: str = "trajectories",
) -> list[int]:
    """Numbers of the trajectories (or files) of a split, by a fixed shuffle.

    Raises:
        DataError: there are too few; the message begins with ``where``.
    """
    try:
        return split_indices(num, split, valid_fraction, test_fraction, seed)
    except ValueError as error:
        cure = "; one long simulation can be split by its time steps (split_by: time)" if num < 3 else ""
        raise DataError(f"{where}: {str(error).replace('trajectories', what, 1)}{cure}") from error


def split_with_own(
    num: int,
    split: Split,
    own: Collection[str],
    fractions: tuple[float, float],
    seed: int,
    where: str,
    what: str = "trajectories",
) -> list[int]:
    """Numbers of the trajectories of a split where other splits have files of their own.

    Args:
        num: how many there are to share.
        split: one without files of its own.
        own: the splits that have them, ``valid``, ``test`` or both.
        fractions: of ``num`` for validation and for test.

    Raises:
        DataError: there are too few.
    """
    shared = [name for name in ("valid", "test") if name not in own]
    sizes = {name: max(1, round(num * fractions[("valid", "test").index(name)])) for name in shared}
    if num <= sum(sizes.values()):
        asked = " and ".join(f"{size} for {'validation' if name == 'valid' else name}" for name, size in sizes.items())
        raise DataError(
            f"{where}: {num} {what} cannot be split into {asked or 'none'} and at least one for training; use more "
            f"data or a smaller fraction"
        )
    order = torch.randperm(num, generator=torch.Generator().manual_seed(seed)).tolist()
    kept = sizes[shared[0]] if shared else 0
    return sorted(order[kept:] if split == "train" else order[:kept])


def time_block(
    num: int, split: Split, valid_fraction: float, test_fraction: float, where: str, own: Collection[str] = ()
) -> tuple[int, int]:
    """The block of ``num`` time steps that belongs to a split; blocks follow each other: train, valid, test.

    Args:
        own: splits that have files of their own and take no block.

    Raises:
        DataError: there are too few time steps for at least 2 in each block.
    """
    num_valid = 0 if "valid" in own else max(2, round(num * valid_fraction))
    num_test = 0 if "test" in own else max(2, round(num * test_fraction))
    num_train = num - num_valid - num_test
    if num_train < 2:
        raise DataError(
            f"{where}: {num} frames cannot be split into {num_valid} for validation, {num_test} for test and at least "
            f"2 for training; use more frames, a smaller time_stride or smaller fractions"
        )
    bounds = {"train": (0, num_train), "valid": (num_train, num_train + num_valid), "test": (num - num_test, num)}
    return bounds[split]


def check_fractions(valid_fraction: float, test_fraction: float) -> None:
    """Refuses fractions that leave nothing to train on."""
    if valid_fraction + test_fraction >= 1:
        raise ValueError(
            f"valid_fraction {valid_fraction} and test_fraction {test_fraction} together leave no data to train on; "
            "their sum must be below 1"
        )
