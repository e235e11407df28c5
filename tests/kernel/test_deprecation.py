"""What is deprecated works on, and says at the place that uses it what to write instead."""

from __future__ import annotations

import pytest

from upt_core.registry.deprecation import UptDeprecationWarning, deprecated, renamed_parameter


@deprecated(removed="0.4", instead="draw()")
def pick(count: int) -> int:
    """An old name."""
    return count


@renamed_parameter("size", "count", removed="0.4")
def draw(count: int) -> int:
    return count


def test_a_function_that_goes() -> None:
    with pytest.warns(
        UptDeprecationWarning, match=r"pick\(\) is deprecated and will be removed in .* 0\.4; use draw\(\)"
    ):
        assert pick(3) == 3
    assert pick.__doc__ == "An old name."


def test_the_warning_points_at_the_user() -> None:
    with pytest.warns(UptDeprecationWarning) as caught:
        assert pick(1) == draw(size=1)
    assert [warning.filename for warning in caught] == [__file__, __file__]


def test_a_parameter_that_has_a_new_name() -> None:
    assert draw(count=2) == draw(2) == 2
    with pytest.warns(UptDeprecationWarning, match=r"the parameter 'size' of draw\(\) is deprecated .*; use 'count'"):
        assert draw(size=4) == 4
    with pytest.raises(TypeError, match=r"draw\(\) got 'count' and its old name 'size'; give 'count' alone"):
        draw(size=4, count=4)
