"""Given fields, inputs that are not predicted: a rollout is told those of each step, by hand and from files."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.kernel.test_time import Carry, Integrate, Nearest
from upt_core import DataError, Operator, Upt
from upt_core.data.prepared import PreparedData
from upt_core.operator.cases import Request
from upt_core.run.inputs import of_file
from upt_data.npz import Npz
from upt_data.points import PointClouds

from .conftest import Array

TIMES = np.array([0.0, 0.05, 0.25, 0.3, 0.5])
POINTS, STEPS = 6, len(TIMES) - 1
RATES = np.array([1.0, -2.0, 0.5, 4.0, 9.0])
"""Of the force in each step; the last is of none."""


def forces(number: int, still: bool = False) -> Array:
    """Of a trajectory, (times, points)."""
    space = 1 + np.arange(POINTS) / 5
    return (number + 1) * (RATES[:1] if still else RATES)[:, None] * space * np.ones((len(TIMES), 1))


def integrated(force_TN: Array) -> Array:
    """u (times, points) of du/dt = force from 0 on, constant within each step."""
    change = force_TN[:-1] * np.diff(TIMES)[:, None]
    return np.concatenate([np.zeros((1, POINTS)), change.cumsum(0)])


def grid_file(path: Path, num: int = 12) -> Path:
    force = np.stack([forces(number) for number in range(num)])
    np.savez(path, u=np.stack([integrated(one) for one in force]), force=force, t=TIMES, x=np.arange(POINTS) / POINTS)
    return path


def points_file(path: Path, num: int = 12) -> Path:
    force = np.concatenate([forces(number).T for number in range(num)])
    u = np.concatenate([integrated(forces(number)).T for number in range(num)])
    coords = np.random.default_rng(0).random((POINTS, 2))
    np.savez(path, u=u, force=force, t=TIMES, pos=np.tile(coords, (num, 1)), ptr=POINTS * np.arange(num + 1))
    return path


@pytest.fixture(params=["grid", "points"])
def operator(request: pytest.FixtureRequest) -> Operator:
    """Exact for du/dt = force, where each step is told its own; ``train.npz`` has its data."""
    fields: dict[str, Any] = {"inputs": ["u", "force"], "targets": ["u"]}
    if request.param == "grid":
        data: Any = Npz(path=grid_file(Path("train.npz")), **fields)
    else:
        data = PointClouds(path=points_file(Path("train.npz")), **fields)
    prepared = PreparedData(data, "none")
    model = Upt(Carry(), Integrate(prepared.data.condition), Nearest(prepared.data))
    settings = {"name": "npz" if request.param == "grid" else "points", "path": "train.npz", **fields}
    provenance = {"config": {"data": settings}}
    return Operator(model, prepared.normalization, prepared.training, {}, provenance=provenance)


def places(operator: Operator) -> Any:
    return None if operator.data.grid_shape is not None else np.random.default_rng(0).random((POINTS, 2))


def asked(numbers: list[int]) -> dict[str, Array]:
    """The input fields of trajectories."""
    return {"u": np.zeros((len(numbers), POINTS)), "force": np.stack([forces(number)[0] for number in numbers])}


def test_each_step_is_told_its_own(operator: Operator) -> None:
    numbers = [2, 0, 5]
    given = np.stack([forces(number)[1:] for number in numbers])
    found = operator.predict(
        asked(numbers), places(operator), space="physical", times=TIMES, given={"force": given}, batch_size=2
    )
    expected = np.stack([integrated(forces(number))[1:] for number in numbers])
    np.testing.assert_allclose(found["u"], expected, rtol=1e-5, atol=1e-6)
    shorter = operator.predict(
        asked(numbers), places(operator), space="physical", times=TIMES, given={"force": given[:, :-1]}
    )
    np.testing.assert_array_equal(shorter["u"], found["u"], "the last step's is never seen")
    for number, force in enumerate(given):
        one = {name: value[number] for name, value in asked(numbers).items()}
        alone = operator.predict(one, places(operator), space="physical", times=TIMES, given={"force": force})
        np.testing.assert_allclose(alone["u"], found["u"][number], rtol=1e-6)


def test_left_out_it_stays_as_the_input_has_it(operator: Operator) -> None:
    for space in ("physical", "latent"):
        found = operator.predict(asked([3]), places(operator), space=space, times=TIMES)  # type: ignore[arg-type]
        np.testing.assert_allclose(found["u"][0], integrated(forces(3, still=True))[1:], rtol=1e-5, atol=1e-6)


def test_encode_advance_and_decode_by_hand_are_a_rollout_in_physical_space(operator: Operator) -> None:
    force, where = forces(1), places(operator)
    expected = operator.predict(
        {"u": np.zeros(POINTS), "force": force[0]}, where, space="physical", times=TIMES, given={"force": force[1:]}
    )
    at = np.asarray(expected.coords)
    u: Any = np.zeros(POINTS)
    for step, (now, then) in enumerate(itertools.pairwise(TIMES)):
        latent_BLD = operator.encode({"u": u, "force": force[step]}, where)
        decoded = operator.decode(operator.advance(latent_BLD, times=[now, then]), at)
        u = decoded["u"][0].numpy()
        np.testing.assert_allclose(u, expected["u"][step], rtol=1e-5, atol=1e-6)


def test_the_gradient_reaches_a_given_field(operator: Operator) -> None:
    force = torch.tensor(forces(1)[1:], requires_grad=True)
    fields = {name: torch.from_numpy(value[0]) for name, value in asked([1]).items()}
    found = operator.predict(fields, places(operator), space="physical", times=TIMES, given={"force": force})
    found["u"][-1].sum().backward()
    assert force.grad is not None
    expected = np.append(np.diff(TIMES)[1:], 0)[:, None] * np.ones(POINTS)
    np.testing.assert_allclose(force.grad.numpy(), expected, rtol=1e-5)


def test_unusual_values_are_remarked_upon(operator: Operator) -> None:
    given = {"force": 100 * np.stack([forces(1)[1:]])}
    found = operator.predict(asked([1]), places(operator), space="physical", times=TIMES, given=given)
    assert any(text.startswith("at later steps force goes from") for text in found.remarks)
    last = forces(1)[None, 1:].copy()
    last[:, -1] = 1e9
    found = operator.predict(asked([1]), places(operator), space="physical", times=TIMES, given={"force": last})
    assert not any("later steps" in text for text in found.remarks), "the last step's is never seen"


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ({"u": 0}, {}, "there is no given field u; the given fields of the operator: force"),
        (
            {"force": np.zeros((4, 6))},
            {"space": "latent"},
            "a rollout in latent space encodes only its input, so given",
        ),
        ({"force": np.zeros((1, 6))}, {"times": TIMES[:2]}, "a rollout of one step encodes only its input"),
        (
            {"force": np.zeros((2, 6))},
            {},
            r"given field 'force' has the shape \(2, 6, 1\); expected \(4 steps, 6 points",
        ),
        (
            {"force": np.zeros((4, 7))},
            {},
            r"given field 'force' has the shape \(4, 7, 1\); expected \(4 steps, 6 points",
        ),
        ({"force": np.zeros((2, 4, 6))}, {}, r"shape \(2, 4, 6, 1\); .* or the same for each of 1 samples"),
        ({"force": np.full((4, 6), np.nan)}, {}, "given field 'force' has 24 NaN or infinite values of 24"),
        ({"force": np.full((4, 6), 1j)}, {}, "given field 'force' has values of type complex128; expected real"),
    ],
)
def test_refusals(operator: Operator, given: Mapping[str, Any], more: dict[str, Any], message: str) -> None:
    arguments = {"space": "physical", "times": TIMES, **more}
    with pytest.raises(DataError, match=message):
        operator.predict(asked([1]), places(operator), given=given, **arguments)


def test_a_file_of_trajectories(operator: Operator) -> None:
    (answers,) = of_file(operator, Path("train.npz"), [], Request(space="physical"))
    expected = np.stack([integrated(forces(number))[1:] for number in range(12)])
    np.testing.assert_allclose(answers.fields["u"], expected, rtol=1e-4, atol=1e-4)
    assert answers.remarks == ()
    (latent,) = of_file(operator, Path("train.npz"), [], Request())
    still = np.stack([integrated(forces(number, still=True))[1:] for number in range(12)])
    np.testing.assert_allclose(latent.fields["u"], still, rtol=1e-4, atol=1e-4)
    assert latent.remarks == (
        "the given field force changes in time, but a rollout in latent space reads it only at its input; a rollout "
        "in physical space reads it at each step",
    )
    beyond = of_file(operator, Path("train.npz"), [], Request(steps=5, space="physical"))
    assert next(iter(beyond)).fields["u"].shape[1] == 5, "the force of the last known time acts in the fifth step"
    with pytest.raises(
        DataError, match=r"trajectory 0: given field 'force' has values at 4 time steps after the input, too few for 6"
    ):
        list(of_file(operator, Path("train.npz"), [], Request(steps=6, space="physical")))


def test_plain_arrays(operator: Operator) -> None:
    operator.provenance["config"] = {"data": {"name": "burgers1d"}}
    coords = {} if places(operator) is None else {"coords": places(operator)}
    np.savez("asked.npz", **asked([4]), **coords, t=TIMES, given_force=forces(4)[None, 1:])
    (answers,) = of_file(operator, Path("asked.npz"), [], Request(space="physical"))
    np.testing.assert_allclose(answers.fields["u"][0], integrated(forces(4))[1:], rtol=1e-5, atol=1e-6)
    np.savez("asked.npz", **asked([4]), **coords, t=TIMES, given_wind=forces(4)[None, 1:])
    with pytest.raises(DataError, match="does not know the array 'given_wind'; it takes u, force, given_force, coords"):
        of_file(operator, Path("asked.npz"), [], Request(space="physical"))
