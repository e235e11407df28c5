from __future__ import annotations

import pytest
import torch

from upt_core import Points, Queries
from upt_core.testing import check_loss
from upt_losses.coarse import coarse_queries, first_points, spread
from upt_losses.inverse_decoding import InverseDecoding
from upt_losses.inverse_encoding import InverseEncoding
from upt_samplers.jittered import Jittered
from upt_samplers.uniform import Uniform


@pytest.mark.parametrize("name", ["plane", "points", "padded"])
def test_the_value_is_the_mean_squared_difference_of_the_latents(world, name):
    small = world(name)
    latent_BLD = small.model.encoder(small.batch.input_BNC, small.batch.points)
    decoded_BNC = small.model.decoder(latent_BLD, small.batch.points.coords_BNX)
    expected = (small.model.encoder(decoded_BNC, small.batch.points) - latent_BLD).square().mean()
    torch.testing.assert_close(InverseDecoding()(small.step()), expected)


def test_a_grid_encoder_reads_the_whole_grid_whatever_the_sampler(world, uniform):
    small = world("plane")
    torch.testing.assert_close(InverseDecoding()(small.step(uniform(9))), InverseDecoding()(small.step()))


def test_a_point_encoder_reads_the_query_points_themselves(world, uniform):
    small = world("points")
    step = small.step(uniform(9))
    queries, latent_BLD = step.queries(), step.latent(0)
    coords_BQX = queries.take(small.batch.points.coords_BNX)
    again_BLD = small.model.encoder(small.model.decoder(latent_BLD, coords_BQX), Points(coords_BQX))
    torch.testing.assert_close(InverseDecoding()(step), (again_BLD - latent_BLD).square().mean())


def test_padding_among_the_query_points_is_not_encoded(world, uniform):
    small = world("padded")  # 20, 6 and 13 real points, the sampler answers with padding first
    step = small.step(uniform(9))
    queries, latent_BLD = step.queries(), step.latent(0)
    decoded_BQC = step.decoded(0)
    rows = []
    for row in range(3):
        real_Q = queries.weight_BQ[row] > 0
        assert real_Q.sum() == min(9, small.batch.points.lengths[row])
        coords = small.batch.points.coords_BNX[row, queries.index_BQ[row, real_Q]]
        rows.append(small.model.encoder(decoded_BQC[row, real_Q].unsqueeze(0), Points(coords.unsqueeze(0))))
    torch.testing.assert_close(InverseDecoding()(step), (torch.cat(rows) - latent_BLD).square().mean())


def test_fields_that_are_not_predicted_are_taken_from_the_input(world, uniform):
    small = world("forced_points")
    step = small.step(uniform(5))
    queries, latent_BLD = step.queries(), step.latent(1)
    coords_BQX = queries.take(small.batch.points.coords_BNX)
    given_BQC = queries.take(small.batch.input_BNC[..., :1].contiguous())
    decoded_BQC = small.model.decoder(latent_BLD, coords_BQX)[..., 1:]
    again_BLD = small.model.encoder(torch.cat([given_BQC, decoded_BQC], dim=-1), Points(coords_BQX))
    torch.testing.assert_close(InverseDecoding(of="predicted")(step), (again_BLD - latent_BLD).square().mean())


def test_only_the_original_latent_is_held_fixed(world):
    for detach in (True, False):
        small, other = world("points"), world("points")
        InverseDecoding(detach=detach)(small.step()).backward()
        latent_BLD = other.step().latent(0)
        again_BLD = other.model.encoder(
            other.model.decoder(latent_BLD, other.batch.points.coords_BNX), other.batch.points
        )
        (again_BLD - (latent_BLD.detach() if detach else latent_BLD)).square().mean().backward()
        torch.testing.assert_close(small.model.encoder.linear.weight.grad, other.model.encoder.linear.weight.grad)


def test_it_is_zero_where_encoder_and_decoder_are_inverse(world):
    small = world("line")
    with torch.no_grad():
        for part in (small.model.encoder.linear, small.model.decoder.head):
            for parameter in part.parameters():
                parameter.zero_()
    assert InverseDecoding()(small.step()) == 0


@pytest.mark.parametrize(("name", "of", "calls"), [("plane", "current", (2, 0, 1)), ("points", "predicted", (2, 1, 1))])
def test_it_encodes_and_decodes_once(world, name, of, calls):
    small = world(name)
    InverseDecoding(of=of)(small.step())
    assert small.calls == calls


def test_it_shares_the_decoding_with_inverse_encoding(world, uniform):
    small = world("points")
    step = small.step(uniform(9))
    InverseEncoding()(step)
    InverseDecoding()(step)
    assert small.calls == (2, 0, 1)


def test_a_grid_encoder_refuses_a_sampler(world, uniform):
    message = r"GridEncoder reads only whole grids, so it cannot work on the query points of Uniform; remove the term's"
    with pytest.raises(ValueError, match=message):
        InverseDecoding().check_parts(type(world("plane").model.encoder), uniform())
    InverseDecoding().check_parts(type(world("points").model.encoder), uniform())
    InverseDecoding().check_parts(type(world("plane").model.encoder), None)


def test_predicted_is_refused_where_solutions_cannot_be_encoded(world):
    message = r"inverse_decoding with of: predicted encodes .* reads a and the model predicts u.*; use of: current"
    with pytest.raises(ValueError, match=message):
        InverseDecoding(of="predicted").check_data(world("darcy").data)
    InverseDecoding().check_data(world("darcy").data)


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match=r"of expected 'current' or 'predicted'; got 'next'"):
        InverseDecoding(of="next")


def test_all_points_are_encoded_as_they_are(world):
    points = world("padded").batch.points
    assert points.select(Queries.all(points)) is points


@pytest.mark.parametrize("of", ["current", "predicted"])
@pytest.mark.parametrize("name", ["line", "plane", "points", "padded", "forced"])
def test_mixed_reads_true_fields_with_decoded_values_at_the_query_points(world, uniform, name, of):
    small = world(name)
    step, time = small.step(uniform(5)), 0 if of == "current" else 1
    queries, data, batch = step.queries(), small.data, small.batch
    decoded_BNC = small.model.decoder(step.latent(time), batch.points.coords_BNX)
    if time == 0:
        read_BNC, whole_BNC = batch.input_BNC.clone(), data.inputs_of(decoded_BNC)
    else:
        read_BNC = data.next_input(batch.input_BNC, batch.target_BTNC[:, 0], batch.given_at(1)).clone()
        whole_BNC = data.next_input(batch.input_BNC, data.targets_of(decoded_BNC), batch.given_at(1))
    for row in range(3):
        read_BNC[row, queries.index_BQ[row]] = whole_BNC[row, queries.index_BQ[row]]
    again_BLD = small.model.encoder(read_BNC, batch.points)
    share = queries.index_BQ.shape[1] / batch.points.num_points
    expected = (again_BLD - step.latent(time)).square().mean() / share
    torch.testing.assert_close(InverseDecoding(of=of, reads="mixed")(step), expected)


def test_mixed_without_a_sampler_is_decoded(world):
    for name in ("plane", "points", "padded"):
        small = world(name)
        assert InverseDecoding(reads="mixed")(small.step()) == InverseDecoding()(small.step())


def test_mixed_takes_the_decoding_of_inverse_encoding(world, uniform):
    small = world("plane")
    step = small.step(uniform(9))
    InverseEncoding()(step)
    InverseDecoding(reads="mixed")(step)
    assert small.calls == (2, 0, 1)


def test_what_mixed_counts_of_coherent_and_of_scattered_errors():
    """A linear encoder and errors at single points: what coherent errors count and what scattered ones do.


    2,000 draws, tolerance five standard errors: a false alarm comes less often than once in a million runs.
    """
    from upt_losses.inverse_decoding import _mixed

    rng = torch.Generator().manual_seed(0)
    jacobian_NL, error_N = torch.randn(12, 7, generator=rng), torch.randn(12, generator=rng)
    true_BNC, wrong_BNC = torch.zeros(2000, 12, 1), error_N.view(1, -1, 1).expand(2000, -1, -1)
    index_BQ = torch.rand(2000, 12, generator=rng).argsort(dim=1)[:, :4]
    read_BNC = _mixed(true_BNC, Queries(index_BQ).take(wrong_BNC.contiguous()), Queries(index_BQ))
    value_B = (read_BNC[..., 0] @ jacobian_NL).square().sum(dim=1) / (4 / 12)
    whole, single = (error_N @ jacobian_NL).square().sum(), (error_N.square() @ jacobian_NL.square()).sum()
    both = 3 / 11  # of two different points, that the second is drawn where the first is
    expected = both * whole + (1 - both) * single
    assert abs(value_B.mean() - expected) < 5 * value_B.std() / 2000**0.5


@pytest.mark.parametrize("name", ["line", "plane", "box"])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_coarse_points_keep_their_values_and_constants_stay(world, name, number):
    points = world(name).batch.points
    firsts = first_points(points.num_axes, 2, number)
    queries = coarse_queries(points, 2, firsts)
    value_BQC = torch.randn(3, queries.index_BQ.shape[1], 2, generator=torch.Generator().manual_seed(number))
    all_BNC = spread(value_BQC, points.grid_shape, 2, firsts, points.periodic)
    torch.testing.assert_close(queries.take(all_BNC), value_BQC)
    ones = spread(torch.ones_like(value_BQC), points.grid_shape, 2, firsts, points.periodic)
    torch.testing.assert_close(ones, torch.ones_like(all_BNC))


def test_between_coarse_points_values_are_linear_and_wrap_around():
    value_BQC = torch.tensor([0.0, 4.0, 8.0]).view(1, 3, 1)  # at 1, 3 and 5 of seven points
    wrapped = spread(value_BQC, (7,), 2, [1], (True,)).flatten()
    torch.testing.assert_close(wrapped, torch.tensor([8 / 3, 0.0, 2.0, 4.0, 6.0, 8.0, 16 / 3]))
    open_end = spread(value_BQC, (7,), 2, [1], (False,)).flatten()
    torch.testing.assert_close(open_end, torch.tensor([0.0, 0.0, 2.0, 4.0, 6.0, 8.0, 8.0]))


def test_the_coarse_grid_reaches_every_point_whatever_the_steps():
    starts = {tuple(first_points(2, 2, number)) for number in range(0, 256, 4)}  # a term with every: 4
    assert starts == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_coarse_decodes_a_quarter_of_a_plane_and_sees_smooth_errors_whole(world):
    small = world("plane")
    seen = []
    small.model.decoder.register_forward_hook(lambda part, given, answer: seen.append(answer.shape[1]))
    with torch.no_grad():
        for parameter in small.model.decoder.head.parameters():
            parameter.zero_()
        small.batch.input_BNC.fill_(0.3)  # decoded as 0: the same error everywhere
    torch.testing.assert_close(
        InverseDecoding(reads="coarse")(small.step()), InverseDecoding()(small.step()), rtol=1e-5, atol=1e-7
    )
    assert seen[0] in (6, 9)
    assert seen[1] == 30


def test_wrong_readings_are_refused(world, uniform):
    encoder = type(world("plane").model.encoder)
    InverseDecoding(reads="mixed").check_parts(encoder, uniform())
    with pytest.raises(
        ValueError,
        match=r"reads: coarse takes one of 2 points along each axis and uses no sampler; "
        r"remove the term",
    ):
        InverseDecoding(reads="coarse").check_parts(encoder, uniform())
    for name, has in (("points", "scattered points"), ("plane", r"a grid of \[6, 5\] points")):
        with pytest.raises(ValueError, match=rf"stride 3 needs a grid of 6 points .* has {has}; write reads: mixed"):
            InverseDecoding(reads="coarse", stride=3).check_data(world(name).data)


def test_mixed_refuses_query_points_between_the_points(world):
    small = world("line")
    sampler = Jittered(base=Uniform(num_queries=5), share=1.0)
    with pytest.raises(
        ValueError,
        match=r"moves query points away from the points of the data \(jittered\); give the "
        r"term",
    ):
        InverseDecoding(reads="mixed")(small.step(sampler))


@pytest.mark.parametrize("of", ["current", "predicted"])
@pytest.mark.parametrize("reads", ["mixed", "coarse"])
def test_the_kit_finds_every_reading_right(reads, of):
    check_loss(InverseDecoding(of=of, reads=reads), optimum=True)
