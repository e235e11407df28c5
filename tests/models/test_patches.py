"""Patches: an exact rearrangement in any number of dimensions; messages name grid, patch and cure."""

from __future__ import annotations

import pytest
import torch

from upt_models.patches import check_patch, to_patches


def test_patches_of_two_axes() -> None:
    value = torch.arange(4 * 6).view(1, 24, 1)
    patches = to_patches(value, (4, 6), (2, 3))
    assert patches.shape == (1, 4, 6, 1)
    assert patches[0, 0, :, 0].tolist() == [0, 1, 2, 6, 7, 8]
    assert patches[0, 1, :, 0].tolist() == [3, 4, 5, 9, 10, 11]
    assert patches[0, 2, :, 0].tolist() == [12, 13, 14, 18, 19, 20]


@pytest.mark.parametrize(("shape", "patch"), [((12,), (3,)), ((4, 6), (2, 3)), ((4, 2, 6), (2, 1, 3))])
def test_no_value_is_lost(shape: tuple[int, ...], patch: tuple[int, ...]) -> None:
    num_points = torch.Size(shape).numel()
    value = torch.randn(2, num_points, 3)
    patches = to_patches(value, shape, patch)
    assert torch.equal(patches.flatten(1, 2).sort(dim=1).values, value.sort(dim=1).values)


def test_patch_must_tile_the_grid() -> None:
    with pytest.raises(
        ValueError,
        match=r"a grid of \[16, 10\] points cannot be cut into patches of \[4, 4\]: axis 1 has 10 points, "
        r"which is not a multiple of 4; use a patch of 1, 2, 5, 10 there",
    ):
        check_patch((16, 10), (4, 4))


def test_patch_must_have_the_grids_axes() -> None:
    with pytest.raises(ValueError, match=r"patch \[4, 4\] has 2 axes, but the grid \[16\] has 1; give one number"):
        check_patch((16,), (4, 4))
