"""The lazy step and the bundle: everything at most once, nothing that is not asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from upt_core import Batch, Experiment, LossTerm, Progress, Queries, Step
from upt_core.kinds import FixedValue
from upt_core.loss_bundle import LossBundle, WeightedTerm

Tiny = Callable[..., Experiment]
Calls = Any


def batch_of(built_experiment: Tiny, **changes: object) -> tuple[LossBundle, Batch]:
    built = built_experiment(**changes).build()
    return built.bundle, built.train[0]


class TestCalls:
    def test_each_encoding_and_decoding_at_most_once(self, tiny: Tiny, calls: Calls) -> None:
        built = tiny().build()
        calls.attach(built)
        built.bundle(built.train[0], Progress())
        # encoder: the input, and the re-encoding of inverse_decoding; decoder: the input's latent on the full grid,
        # from which inverse_encoding takes the sampler's points, and the predicted latent at the sampler's points
        assert calls == {"encoder": 2, "approximator": 1, "decoder": 2}

    def test_query_points_taken_from_all_points_give_the_same_losses_and_gradients(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        alone = LossBundle(bundle.model, [term for term in bundle.terms if term.name == "inv_enc"], bundle.data)
        found = bundle(batch, Progress()).values["inv_enc"]
        expected = alone(batch, Progress()).values["inv_enc"]
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)
        parameters = list(bundle.model.decoder.parameters())
        for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (found, expected)), strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-7)

    def test_terms_with_one_sampler_share_queries_and_decodings(self, tiny: Tiny, calls: Calls) -> None:
        built = tiny(losses={"second": {"name": "forward"}, "inv_dec": ..., "inv_enc": ...}).build()
        calls.attach(built)
        losses = built.bundle(built.train[0], Progress())
        assert calls == {"encoder": 1, "approximator": 1, "decoder": 1}
        assert losses.values["forward"].item() == losses.values["second"].item()

    def test_terms_of_weight_zero_cost_nothing(self, tiny: Tiny, calls: Calls) -> None:
        curriculum = {"name": "curriculum", "base": 0.01, "warmup_epochs": 5, "max_weight": 0.05}
        built = tiny(losses={"inv_enc": {"name": "inverse_encoding", "weight": curriculum}, "inv_dec": ...}).build()
        calls.attach(built)
        losses = built.bundle(built.train[0], Progress(epoch=4))
        assert calls == {"encoder": 1, "approximator": 1, "decoder": 1}
        assert set(losses.values) == {"forward"}
        built.bundle(built.train[0], Progress(epoch=6, step=1))
        assert calls["decoder"] == 1 + 2

    def test_terms_that_are_not_due_cost_nothing(self, tiny: Tiny, calls: Calls) -> None:
        built = tiny(losses={"inv_enc": {"name": "inverse_encoding", "every": 3}, "inv_dec": ...}).build()
        calls.attach(built)
        evaluated = [set(built.bundle(built.train[0], Progress(step=step)).values) for step in range(4)]
        assert evaluated == [{"forward", "inv_enc"}, {"forward"}, {"forward"}, {"forward", "inv_enc"}]
        assert calls["decoder"] == 4 + 2

    def test_a_term_switched_off_for_good_is_not_built(self, tiny: Tiny) -> None:
        bundle, _ = batch_of(tiny, losses={"inv_enc": {"name": "inverse_encoding", "weight": 0.0}})
        assert [term.name for term in bundle.terms] == ["forward", "inv_dec"]

    def test_a_rollout_advances_once_a_time_step(self, tiny: Tiny, calls: Calls) -> None:
        built = tiny(losses={"rollout": {"name": "rollout", "steps": 3}, "inv_dec": ..., "inv_enc": ...}).build()
        calls.attach(built)
        built.bundle(built.train[0], Progress())
        assert calls == {"encoder": 1, "approximator": 3, "decoder": 3}


class TestTotal:
    def test_is_the_weighted_sum(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        losses = bundle(batch, Progress())
        assert losses.weights == {"forward": 1.0, "inv_enc": 0.5, "inv_dec": 0.1}
        expected = torch.stack([losses.weights[name] * value for name, value in losses.values.items()]).sum()
        assert losses.total.item() == pytest.approx(float(expected.detach()), rel=1e-6)

    def test_is_none_when_no_term_is_due(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(
            tiny, losses={"forward": {"name": "forward", "every": 2}, "inv_enc": ..., "inv_dec": ...}
        )
        assert bundle(batch, Progress(step=1)).total is None

    @pytest.mark.parametrize("sampler", [{"name": "ratio", "ratio": 1.0}, {"name": "uniform", "num_queries": 4096}])
    def test_all_points_by_a_sampler_is_the_dense_loss_bit_for_bit(
        self, tiny: Tiny, sampler: dict[str, object]
    ) -> None:
        dense, batch = batch_of(tiny, sampler=None)
        sampled, _ = batch_of(tiny, sampler=sampler)
        values = [bundle(batch, Progress()) for bundle in (dense, sampled)]
        assert torch.equal(values[0].total, values[1].total)
        for name, value in values[0].values.items():
            assert torch.equal(value, values[1].values[name])

    def test_a_term_must_return_a_scalar(self, tiny: Tiny) -> None:
        class Pointwise(LossTerm):
            def __call__(self, step: Step) -> torch.Tensor:
                return step.predicted()

        bundle, batch = batch_of(tiny)
        wrong = LossBundle(bundle.model, [WeightedTerm("odd", Pointwise(), FixedValue(1.0))], bundle.data)
        with pytest.raises(ValueError, match=r"loss term 'odd' must return a scalar; it returned \(4, 32, 1\)"):
            wrong(batch, Progress())

    def test_a_bundle_needs_a_term(self, tiny: Tiny) -> None:
        bundle, _ = batch_of(tiny)
        with pytest.raises(ValueError, match="a bundle needs at least one loss term"):
            LossBundle(bundle.model, [], bundle.data)


class TestStep:
    def test_draws_are_a_function_of_seed_stream_epoch_and_step(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        sampler = bundle.terms[0].sampler

        def draw(
            seed: int = 0, stream: str = "sampler", epoch: int = 0, step: int = 0, rank: int = 0
        ) -> list[list[int]]:
            progress = Progress(epoch, 10, step, 0.0, rank)
            index = Step(bundle.model, batch, bundle.data, progress, seed).using(sampler, stream).queries().index_BQ
            assert index is not None
            return index.tolist()

        assert draw() == draw()
        others = [draw(seed=1), draw(stream="other"), draw(epoch=1), draw(step=1), draw(rank=1)]
        assert all(other != draw() for other in others)

    def test_drawing_leaves_the_global_random_state_alone(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        before = torch.get_rng_state()
        bundle(batch, Progress())
        assert torch.equal(before, torch.get_rng_state())

    def test_gives_the_fields_at_the_queries(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        step = bundle.step(batch, Progress()).using(bundle.terms[0].sampler)
        queries = step.queries()
        assert torch.equal(step.input(), queries.take(batch.input_BNC))
        assert torch.equal(step.target(1), queries.take(batch.target_BTNC[:, 0]))
        assert step.predicted().shape == step.target(1).shape == (4, 8, 1)

    def test_the_encoded_target_is_the_next_state(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        step = bundle.step(batch, Progress())
        expected = bundle.model.encoder(batch.target_BTNC[:, 0], batch.points)
        assert torch.equal(step.encoded_target(1), expected)

    def test_physical_units_undo_the_normalisation(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        assert bundle.normalization is not None
        step = bundle.step(batch, Progress())
        expected = batch.target_BTNC[:, 0] * bundle.normalization.std_C + bundle.normalization.mean_C
        assert torch.allclose(step.to_physical(step.target(1, step.all_queries())), expected.float())

    def test_an_observer_sees_points_queries_and_detached_values(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        seen: list[tuple[Queries, torch.Tensor]] = []
        step = bundle.step(batch, Progress()).using(
            None, "all", lambda points, queries, value: seen.append((queries, value))
        )
        loss = bundle.terms[0].term(step)
        [(queries, value)] = seen
        assert queries.index_BQ is None
        assert not value.requires_grad
        assert torch.equal(value.mean(), loss.detach())

    def test_a_steady_problem_has_no_reference(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        without = Batch(batch.input_BNC, batch.target_BTNC, batch.points)
        with pytest.raises(ValueError, match="this data set has no time, so no reference fields at t = 0"):
            Step(bundle.model, without, replace(bundle.data, steady=True)).reference()

    def test_a_batch_that_no_term_asked_for_a_reference(self, tiny: Tiny) -> None:
        bundle, batch = batch_of(tiny)
        assert batch.reference_BNC is None
        with pytest.raises(ValueError, match=r"has no fields at t = 0.* set needs_reference = True"):
            Step(bundle.model, batch, bundle.data).reference()

    def test_a_term_that_asks_for_a_reference_is_given_it(self, tiny: Tiny) -> None:
        losses = {"forward": {"name": "forward"}, "total": {"name": "conservation"}}
        bundle, batch = batch_of(tiny, losses=losses)
        assert torch.isfinite(bundle(batch, Progress()).values["total"])
