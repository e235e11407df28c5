"""Which trajectories train, validate and test: whole trajectories, never windows of one."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from upt_core import DataError, Split, split_indices

Fraction = Annotated[float, Field(gt=0, lt=1)]


def split_of(num: int, split: Split, valid_fraction: float, test_fraction: float, seed: int, where: str) -> list[int]:
    """Numbers of the trajectories of a split, by a fixed shuffle.

    Raises:
        DataError: there are too few trajectories; the message begins with ``where``.
    """
    try:
        return split_indices(num, split, valid_fraction, test_fraction, seed)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def split_with_own_test(num: int, split: Split, valid_fraction: float, seed: int, where: str) -> list[int]:
    """Numbers of the training or validation trajectories of data whose test split is elsewhere.

    Raises:
        DataError: there are too few trajectories.
    """
    num_valid = max(1, round(num * valid_fraction))
    if num <= num_valid:
        raise DataError(
            f"{where}: {num} trajectories cannot be split into {num_valid} for validation and at least one for "
            f"training; use more data or a smaller valid_fraction"
        )
    order = torch.randperm(num, generator=torch.Generator().manual_seed(seed)).tolist()
    return sorted(order[num_valid:] if split == "train" else order[:num_valid])


def check_fractions(valid_fraction: float, test_fraction: float) -> None:
    """Refuses fractions outside (0, 1), and fractions that leave nothing to train on."""
    for name, value in (("valid_fraction", valid_fraction), ("test_fraction", test_fraction)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}; give a fraction between 0 and 1, for example 0.1")
    if valid_fraction + test_fraction >= 1:
        raise ValueError(
            f"valid_fraction {valid_fraction} and test_fraction {test_fraction} together leave nothing to train on; "
            f"their sum must be below 1"
        )
