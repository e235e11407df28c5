"""What APEBench's scenarios are and solve, for the data set ``apebench``; runs in a process of its own.

jax takes threads, and on a GPU most of the memory, so it stays out of the process that trains.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import sys
from typing import Any

import numpy as np

from upt_data.cache import Arrays

REFUSED, FAILED = 3, 4
"""Exit status where the question makes no sense, or cannot be answered; the reason is on the standard output."""
NOT_OF_DATA = (
    *("num_spatial_dims", "num_channels", "coarse_proportion", "optim_config", "batch_size", "num_trjs_returned"),
    *("record_loss_every", "vlim", "report_metrics", "callbacks"),
)
"""Attributes of scenarios that are of APEBench's training and plots, or that the number of axes determines."""
LEAST = {"num_points": 4, "num_train_samples": 2, "num_warmup_steps": 0, "train_temporal_horizon": 1}
LEAST |= {"test_temporal_horizon": 1}
"""Least values of whole numbers; others that begin with ``num_`` are at least 1."""


def scenario_of(name: str, dims: int, options: dict[str, Any]) -> Any:
    """APEBench's scenario with the given attributes.

    Raises:
        ValueError: there is none of this name or attribute, or the scenario refuses a value.
    """
    from apebench.scenarios import scenario_dict  # late: an extra

    if name not in scenario_dict:
        raise ValueError(f"scenario: APEBench has no {name!r}{_near(name, list(scenario_dict))}")
    default = {field.name: field.default for field in dataclasses.fields(scenario_dict[name])}
    known = {
        key: value for key, value in default.items() if key not in NOT_OF_DATA and value is not dataclasses.MISSING
    }
    given = {key: _fitting(name, key, value, known) for key, value in options.items()}
    scenario = scenario_dict[name](num_spatial_dims=dims, **given)
    for key, value in given.items():
        if getattr(scenario, key) != value:
            raise ValueError(f"options.{key}: {name} computes it from its other attributes; set one of those instead")
    return scenario


def _near(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(sorted(names))}"


def _fitting(scenario: str, key: str, value: Any, known: dict[str, Any]) -> Any:
    """A value of the type of the attribute's default; lists become tuples of numbers."""
    if key not in known:
        raise ValueError(f"options: {scenario} has no {key!r} that its data depend on{_near(key, list(known))}")
    default = known[key]
    if isinstance(default, tuple) and isinstance(value, list) and all(_is_number(one) for one in value):
        return tuple(float(one) for one in value)
    if isinstance(default, float) and _is_number(value):
        return float(value)
    if type(value) is type(default):
        least = LEAST.get(key, 1 if key.startswith("num_") else None)
        if least is not None and value < least:
            raise ValueError(f"options.{key}: got {value}; it must be at least {least}")
        return value
    shown = list(default) if isinstance(default, tuple) else default
    raise ValueError(f"options.{key}: got {value!r}; expected {_kind_of(default)}, such as the default {shown!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind_of(value: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list of numbers"}
    return names[type(value)]


def about(scenario: Any) -> Arrays:
    """Channels, points along an axis, length of an axis, time between states, and whether there is time at all.

    ``vector`` is 1 where the channels are the components of a velocity.
    """
    stepper = scenario.get_ref_stepper()
    dims, channels = scenario.num_spatial_dims, scenario.num_channels
    steady = not hasattr(stepper, "dt")
    numbers = {
        "channels": channels,
        "points": scenario.num_points,
        "extent": float(stepper.domain_extent),
        "interval": 0.0 if steady else float(stepper.dt),
        "steady": steady,
        "vector": channels == dims > 1 and any(hasattr(scenario, name) for name in CONVECTION),
    }
    return {key: np.asarray(value) for key, value in numbers.items()}


CONVECTION = ("convection_delta", "convection_coef", "convection_beta")
"""Attributes of scenarios whose channels are the components of a velocity."""


def solved(scenario: Any, split: str) -> Arrays:
    """``u``: the training or test trajectories, (B, T, N, C) float32.

    Raises:
        ValueError: values grow without bound.
    """
    data_BTC = np.asarray(scenario.get_train_data() if split == "train" else scenario.get_test_data(), dtype=np.float32)
    u_BTNC = np.moveaxis(data_BTC.reshape(*data_BTC.shape[:3], -1), 2, 3)
    finite_T = np.isfinite(u_BTNC).all(axis=(0, 2, 3))
    if not finite_T.all():
        raise ValueError(
            f"the solution of {scenario.get_scenario_name()} is not finite from time step {int(np.argmin(finite_T))} "
            f"on; set options.num_substeps (where there is one) or num_points higher, or use less difficult numbers"
        )
    return {"u": np.ascontiguousarray(u_BTNC)}


def main() -> int:
    """Reads a question from the standard input, and writes the answer to the path that is the argument."""
    asked = json.load(sys.stdin)
    try:
        scenario = scenario_of(asked["scenario"], asked["dims"], asked["options"])
        answer = about(scenario) if asked["what"] == "about" else solved(scenario, asked["what"])
    except ValueError as error:  # also what scenarios say of their values
        print(error)
        return REFUSED
    except Exception as error:  # whatever jax and exponax raise
        print(f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}")
        return FAILED
    np.savez(sys.argv[1], allow_pickle=False, **answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
