"""Which axis the components of a vector are along, by their names and those of the axes."""

from __future__ import annotations

import pytest

from upt_core import FieldSpec
from upt_core.directions import along_axes


@pytest.mark.parametrize(
    ("components", "axes", "along"),
    [
        (("u", "v"), ("lat", "lon"), (1, 0)),
        (("v", "u"), ("lat", "lon"), ()),
        (("u", "v"), ("lon", "lat"), ()),
        (("U10", "V10"), ("/grid/Latitude", "/grid/Longitude"), (1, 0)),
        (("vx", "vy"), ("y", "x"), (1, 0)),
        (("x_wind", "y_wind"), ("y", "x"), (1, 0)),
        (("wind_x", "wind_y"), ("lat", "lon"), (1, 0)),
        (("zonal_wind", "meridional_wind"), ("lat", "lon"), (1, 0)),
        (("northward_wind", "eastward_wind"), ("lon", "lat"), (1, 0)),
        (("u", "v", "w"), ("level", "lat", "lon"), (2, 1, 0)),
        (("u", "v10"), ("lat", "lon"), ()),
        (("a", "b"), ("lat", "lon"), ()),
        (("u", "v"), ("r", "theta"), ()),
        (("u", "v"), (), ()),
        (("u", "v", "w"), ("lat", "lon"), ()),
        (("u",), ("x",), ()),
    ],
)
def test_names(components: tuple[str, ...], axes: tuple[str, ...], along: tuple[int, ...]) -> None:
    assert along_axes(components, axes) == along


def test_a_field_with_other_components_stays() -> None:
    assert FieldSpec("wind", 3).of_components(("u", "v"), ("lat", "lon")).along == ()
    assert FieldSpec("wind", 2).of_components(("u", "v"), ("lat", "lon")).in_order_of_axes == [1, 0]
    assert FieldSpec("wind", 2).in_order_of_axes == [0, 1]
