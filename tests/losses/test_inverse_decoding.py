from __future__ import annotations

import pytest
import torch

from upt_core import Points, Queries
from upt_losses.inverse_decoding import InverseDecoding
from upt_losses.inverse_encoding import InverseEncoding


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
