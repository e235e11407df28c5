"""Checks that a draw depends on its arguments and the sampler's state alone, and that the state survives a file."""

from __future__ import annotations

import copy
import io
import random

import numpy as np
import torch

from upt_core.kinds import Sampler
from upt_core.points import Queries
from upt_core.testing.declared import Declared
from upt_core.testing.failure import ConformanceError, require
from upt_core.testing.point_sets import PointSet, made_up_errors, trained
from upt_core.testing.sampler_draws import draw, point_sets

SETS = (PointSet((25, 40), batch=4), PointSet((500,), batch=4, scattered=True))
COUNT = 100


def check_randomness(sampler: Sampler, declared: Declared) -> None:
    """The given generator is the only source of randomness, and a draw leaves no trace but in it."""
    for point_set in point_sets(SETS, declared):
        points = point_set.points(declared.device)
        own = trained(sampler, points, declared.progress)
        _seed_everything(1)
        before = _global_state()
        first = draw(own, points, COUNT, 7, declared, point_set)
        require(
            _global_state() == before,
            "global random state",
            f"a draw of {point_set} advanced the global random state",
            "unchanged global generators of torch, numpy and Python",
            "pass generator=rng to every random function",
        )
        _seed_everything(2)
        require(
            same(first, draw(own, points, COUNT, 7, declared, point_set)),
            "same seed, same draw",
            f"another draw of {point_set} from an equal generator",
            "the same query points: they depend only on the generator, the arguments and the state",
            "keep no generator or counter in the sampler and read no global random state; use rng",
        )
        other = draw(own, points, COUNT, 8, declared, point_set)
        require(
            not torch.equal(_index(first), _index(other)),
            "another draw for another seed",
            f"the same query points of {point_set} from another generator",
            "other query points at every step",
            "draw with the rng that draw() receives",
        )
        _check_history(own, first, point_set, declared)
        _check_rows(first, point_set, declared)


def check_state(sampler: Sampler, declared: Declared) -> None:
    """State goes through ``torch.save`` and ``torch.load(weights_only=True)`` into a fresh copy that draws alike."""
    point_set = SETS[0]
    points = point_set.points(declared.device)
    own = trained(sampler, points, declared.progress)
    expected = draw(own, points, COUNT, 7, declared, point_set)
    state = own.state_dict()
    own.observe(points, expected, made_up_errors(points, 3)[:, :COUNT])
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        loaded = torch.load(file, weights_only=True)
    except Exception as error:
        raise ConformanceError(
            "state",
            f"{type(error).__name__} when state_dict() goes through torch.save and torch.load(weights_only=True)",
            "tensors, numbers, strings, lists and dicts of these",
            "turn other objects into plain data in state_dict()",
        ) from error
    fresh = copy.deepcopy(sampler)
    fresh.load_state_dict(loaded)
    require(
        same(expected, draw(fresh, points, COUNT, 7, declared, point_set)),
        "state",
        "another draw after state_dict() → file → load_state_dict() into a fresh sampler",
        "the draw that the saved sampler gave when its state was saved",
        "save everything that observe() and refresh() change, as copies, and restore all of it",
    )


def same(left: Queries, right: Queries) -> bool:
    """Whether two draws are equal, weights included."""
    if (left.weight_BQ is None) != (right.weight_BQ is None):
        return False
    weights = left.weight_BQ is None or right.weight_BQ is None or torch.equal(left.weight_BQ, right.weight_BQ)
    return weights and torch.equal(_index(left), _index(right))


def _check_history(own: Sampler, first: Queries, point_set: PointSet, declared: Declared) -> None:
    elsewhere = PointSet((30, 20)).points(declared.device)
    for seed in (11, 12):
        draw(own, elsewhere, 50 + seed, seed, declared, f"other points than before, {elsewhere.num_points} a sample")
    again = draw(own, point_set.points(declared.device), COUNT, 7, declared, point_set)
    require(
        same(first, again),
        "history",
        f"another draw of {point_set} after draws from other points",
        "the same query points, because draws must not change the state",
        "change state only in observe() and refresh(); give every cache a key with everything that it depends on",
    )


def _check_rows(queries: Queries, point_set: PointSet, declared: Declared) -> None:
    index = _index(queries)
    equal_rows = [row for row in range(1, len(index)) if torch.equal(index[0], index[row])]
    require(
        declared.shared_rows or not equal_rows,
        "rows",
        f"row 0 and row {equal_rows[0] if equal_rows else 0} of {point_set} got the same query points",
        "different points for each sample of a batch, because shared points have a higher variance",
        "draw a (B, Q) index; if the sampler shares points on purpose, pass shared_rows=True to the check",
    )


def _index(queries: Queries) -> torch.Tensor:
    assert queries.index_BQ is not None
    return queries.index_BQ


def _seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def _global_state() -> tuple[bytes, object, str]:
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), repr(np.random.get_state(legacy=False)["state"])
