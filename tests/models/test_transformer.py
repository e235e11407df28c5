"""Latent transformer: shapes, near identity at first, conditions, places on a lattice, independence, messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import layer_norm
from torch.utils.flop_counter import FlopCounterMode

from upt_core import DataSpec, FieldSpec, LatentSpec
from upt_core.recompute import KEEP_ALL, Recompute
from upt_core.testing import check_approximator
from upt_models.transformer import Transformer

Make = Callable[..., DataSpec]


@pytest.mark.parametrize("width", [None, 24])
@pytest.mark.parametrize("residual", [True, False])
def test_shapes(make_spec: Make, latent: LatentSpec, width: int | None, residual: bool) -> None:
    part = Transformer(make_spec(), latent, width=width, residual=residual)
    assert part(torch.randn(2, 6, 16), torch.randn(2, 1)).shape == (2, 6, 16)


def test_residual_starts_near_the_identity(make_spec: Make, latent: LatentSpec) -> None:
    z, condition = layer_norm(torch.randn(2, 6, 16), (16,)), torch.randn(2, 1)
    change = Transformer(make_spec(), latent)(z, condition) - z
    assert 0 < change.std() < 0.3 * z.std()
    change = Transformer(make_spec(), latent, residual=False)(z, condition) - z
    assert change.std() > 0.3 * z.std()


def test_long_rollouts_stay_bounded(make_spec: Make, latent: LatentSpec) -> None:
    part, z = Transformer(make_spec(condition=()), latent), torch.randn(2, 6, 16)
    for _ in range(100):
        z = part(z, None)
    assert z.square().mean() < 1.01


def test_condition_starts_without_effect_and_then_acts(make_spec: Make, latent: LatentSpec) -> None:
    part = Transformer(make_spec(condition=("time_step", "viscosity")), latent)
    z = torch.randn(2, 6, 16)
    torch.testing.assert_close(part(z, torch.zeros(2, 2)), part(z, torch.ones(2, 2)))
    optimizer = torch.optim.SGD(part.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (part(z, torch.randn(2, 2)) - torch.randn(2, 6, 16)).square().sum().backward()
        optimizer.step()
    assert not torch.allclose(part(z, torch.zeros(2, 2)), part(z, torch.ones(2, 2)), atol=1e-4)


def test_without_condition_none_is_used(make_spec: Make, latent: LatentSpec) -> None:
    z = torch.randn(2, 6, 16)
    for part in (Transformer(make_spec(), latent, condition=False), Transformer(make_spec(condition=()), latent)):
        assert torch.equal(part(z, None), part(z, torch.randn(2, 1)))


def test_rows_do_not_influence_each_other(make_spec: Make, latent: LatentSpec) -> None:
    part, z, condition = Transformer(make_spec(), latent), torch.randn(3, 6, 16), torch.randn(3, 1)
    torch.testing.assert_close(part(z, condition)[1:2], part(z[1:2], condition[1:2]))


def test_messages(make_spec: Make, latent: LatentSpec) -> None:
    part = Transformer(make_spec(condition=("time_step", "viscosity")), latent)
    expected = "built for the conditioning values time_step, viscosity, but was given {}; .* condition=False"
    with pytest.raises(ValueError, match=expected.format(0)):
        part(torch.randn(2, 6, 16), None)
    with pytest.raises(ValueError, match=expected.format(1)):
        part(torch.randn(2, 6, 16), torch.randn(2, 1))
    with pytest.raises(ValueError, match="depth must be greater than 0; got 0"):
        Transformer(make_spec(), latent, depth=0)
    with pytest.raises(ValueError, match="mlp_ratio must be greater than 0.0; got 0"):
        Transformer(make_spec(), latent, mlp_ratio=0)
    with pytest.raises(ValueError, match="width 16 cannot be shared by 3 attention heads"):
        Transformer(make_spec(), latent, heads=3)


def on_lattice(make_spec: Make, periodic: bool = True, dim: int = 16, **settings: Any) -> Transformer:
    data = make_spec(periodic=(periodic, periodic), grid_shape=(16, 8), condition=())
    return Transformer(data, LatentSpec.on_lattice((8, 4), dim), **settings)


def rolled(tokens_BLD: torch.Tensor, shifts: tuple[int, int]) -> torch.Tensor:
    return tokens_BLD.unflatten(1, (8, 4)).roll(shifts, (1, 2)).flatten(1, 2)


def test_on_a_periodic_lattice_a_shifted_state_has_the_shifted_answer(make_spec: Make) -> None:
    part, z = on_lattice(make_spec), torch.randn(2, 32, 16)
    torch.testing.assert_close(part(rolled(z, (3, 1)), None), rolled(part(z, None), (3, 1)), rtol=0, atol=1e-5)
    with_places = on_lattice(make_spec, positions=True)
    with torch.no_grad():
        with_places.positions_LD.mul_(50)  # type: ignore[union-attr]
    assert not torch.allclose(with_places(rolled(z, (3, 1)), None), rolled(with_places(z, None), (3, 1)), atol=1e-3)


@pytest.mark.parametrize("periodic", [True, False])
def test_on_a_lattice_it_matters_where_tokens_are(make_spec: Make, periodic: bool) -> None:
    part, z, order = on_lattice(make_spec, periodic, positions=False), torch.randn(1, 32, 16), torch.randperm(32)
    assert not torch.allclose(part(z[:, order], None), part(z, None)[:, order], atol=1e-4)
    without = Transformer(make_spec(condition=()), LatentSpec(32, 16))
    torch.testing.assert_close(without(z[:, order], None), without(z, None)[:, order], rtol=0, atol=1e-5)


def test_on_a_lattice_tokens_keep_their_size_and_blocks_are_wide(make_spec: Make) -> None:
    part, z = on_lattice(make_spec), 5 * torch.randn(2, 32, 16)
    assert (part(z, None) - z).std() < 0.3 * z.std()
    assert part.embed_latent.out_features == 64
    assert on_lattice(make_spec, dim=96).embed_latent(torch.zeros(1, 32, 96)).shape[-1] == 96
    assert on_lattice(make_spec).positions_LD is None
    assert on_lattice(make_spec, periodic=False).positions_LD is not None


def test_messages_of_places(make_spec: Make, latent: LatentSpec) -> None:
    with pytest.raises(ValueError, match="heads of width 2 cannot hold positions along 2 axes; use fewer heads or a"):
        on_lattice(make_spec, width=16, heads=8)
    with pytest.raises(ValueError, match="positions: true, but latent.tokens is 6, so tokens have no place; write"):
        Transformer(make_spec(), latent, positions=True)
    with pytest.raises(ValueError, match=r"lattice of \[8\], with 1 axes, but the data have 2; write the tokens of"):
        Transformer(make_spec(), LatentSpec.on_lattice((8,), 16))


def test_the_kit_passes_on_a_lattice() -> None:
    check_approximator(partial(Transformer, depth=1), on_lattice=True)


KINDS = [("windowed", {"window": 4}), ("windowed", {"window": [3, 2]}), ("linear", {})]


@pytest.mark.parametrize(("attention", "settings"), KINDS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_kit_passes_with_cheaper_attention(attention: str, settings: dict[str, Any], axes: int) -> None:
    window = settings.get("window")
    if isinstance(window, list):
        settings = {"window": [*window, 2][:axes]}
    part = partial(Transformer, depth=2, width=24, heads=2, attention=attention, **settings)
    check_approximator(part, axes=[axes], on_lattice=True)  # type: ignore[arg-type]


def test_the_kit_passes_with_linear_attention_of_tokens_without_a_place() -> None:
    check_approximator(partial(Transformer, depth=1, attention="linear"), order_matters=False)


@pytest.mark.parametrize("attention", ["full", "linear"])
def test_full_and_linear_attention_follow_every_shift(make_spec: Make, attention: str) -> None:
    part, z = on_lattice(make_spec, attention=attention), torch.randn(2, 32, 16)
    torch.testing.assert_close(part(rolled(z, (3, 1)), None), rolled(part(z, None), (3, 1)), rtol=0, atol=1e-5)


def test_windowed_attention_follows_shifts_by_whole_windows_and_no_others(make_spec: Make) -> None:
    part, z = on_lattice(make_spec, attention="windowed", window=[4, 2]), torch.randn(2, 32, 16)
    whole, other = (4, 2), (1, 0)
    torch.testing.assert_close(part(rolled(z, whole), None), rolled(part(z, None), whole), rtol=0, atol=1e-5)
    assert not torch.allclose(part(rolled(z, other), None), rolled(part(z, None), other), atol=1e-3)
    uneven = on_lattice(make_spec, attention="windowed", window=[3, 2])
    assert not torch.allclose(uneven(rolled(z, (3, 0)), None), rolled(uneven(z, None), (3, 0)), atol=1e-3)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_window_as_large_as_the_lattice_is_full_attention(make_spec: Make, periodic: bool) -> None:
    full, z = on_lattice(make_spec, periodic), torch.randn(2, 32, 16)
    windowed = on_lattice(make_spec, periodic, attention="windowed", window=[8, 99])
    windowed.load_state_dict(full.state_dict())
    torch.testing.assert_close(windowed(z, None), full(z, None))


def test_every_kind_of_attention_has_the_same_weights(make_spec: Make) -> None:
    shapes = [
        {name: value.shape for name, value in on_lattice(make_spec, attention=kind).state_dict().items()}
        for kind in ("full", "windowed", "linear")
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_a_signal_crosses_windows_through_the_shifted_blocks(make_spec: Make) -> None:
    data = make_spec(periodic=(True,), grid_shape=(32,), condition=())

    def heard(depth: int) -> list[int]:
        part = Transformer(data, LatentSpec.on_lattice((16,), 8), depth=depth, attention="windowed", window=4)
        z = torch.randn(1, 16, 8, requires_grad=True)
        part(z, None)[0, 5].sum().backward()
        assert z.grad is not None
        return z.grad.abs().sum(dim=(0, 2)).nonzero().flatten().tolist()

    assert heard(1) == [4, 5, 6, 7]
    assert heard(2) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert heard(3) == [*range(12)]


@pytest.mark.parametrize(("attention", "settings"), KINDS)
@pytest.mark.parametrize("periodic", [True, False])
def test_float32_is_close_to_float64(make_spec: Make, attention: str, settings: dict[str, Any], periodic: bool) -> None:
    part, z = on_lattice(make_spec, periodic, attention=attention, **settings), torch.randn(2, 32, 16)
    found = part(z, None)
    expected = part.double()(z.double(), None)
    assert expected.dtype == torch.float64
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("attention", "settings"), KINDS)
def test_what_is_computed_again_has_the_same_gradients(
    make_spec: Make, attention: str, settings: dict[str, Any]
) -> None:
    part, z = on_lattice(make_spec, False, attention=attention, **settings), torch.randn(2, 32, 16)

    def gradients(recompute: Recompute) -> list[torch.Tensor]:
        part.zero_grad()
        recompute.call("approximator", part, z, None).square().sum().backward()
        return [parameter.grad.clone() for parameter in part.parameters() if parameter.grad is not None]

    kept, again = gradients(KEEP_ALL), gradients(Recompute(frozenset({"approximator"})))
    assert len(kept) == len(list(part.parameters()))
    assert all(value.isfinite().all() for value in kept)
    torch.testing.assert_close(again, kept)


@pytest.mark.parametrize("attention", ["windowed", "linear"])
def test_it_compiles_without_a_graph_break(make_spec: Make, attention: str) -> None:
    part, z = on_lattice(make_spec, attention=attention), torch.randn(2, 32, 16)
    expected = part(z, None)
    part.compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(part(z, None), expected)


def operations(attention: str, side: int, tokens_alone: bool = False) -> int:
    """Of one call, counted by torch: its fused kernel for the CPU is not, so attention is made of products."""
    field = (FieldSpec("u"),)
    data = DataSpec(field, field, (1.0, 1.0), (True, False), (128, 128))
    latent = LatentSpec(side**2, 8) if tokens_alone else LatentSpec.on_lattice((side, side), 8)
    window = 8 if attention == "windowed" else None
    part = Transformer(data, latent, width=16, depth=2, heads=2, attention=attention, window=window)  # type: ignore[arg-type]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted, torch.no_grad():
        part(torch.randn(1, side**2, 8), None)
    return counted.get_total_flops()


def test_the_cost_of_windowed_and_linear_attention_is_in_proportion_to_the_tokens() -> None:
    """From 256 to 4,096 tokens."""
    assert operations("linear", 64) == 16 * operations("linear", 16)
    assert operations("linear", 64, tokens_alone=True) == 16 * operations("linear", 16, tokens_alone=True)
    assert operations("windowed", 60) <= 16 * operations("windowed", 15)  # open axes have windows at both ends
    assert operations("full", 64) > 100 * operations("full", 16)


def test_messages_of_attention(make_spec: Make, latent: LatentSpec) -> None:
    with pytest.raises(ValueError, match="given a window of 4 tokens, but attention: linear has no windows; write att"):
        on_lattice(make_spec, attention="linear", window=4)
    with pytest.raises(ValueError, match="given a window of 4 tokens, but attention: full has no windows; write atten"):
        on_lattice(make_spec, window=4)
    with pytest.raises(ValueError, match="windowed, but latent.tokens is 6, so tokens have no place and no neigh"):
        Transformer(make_spec(), latent, attention="windowed")
    with pytest.raises(ValueError, match=r"window \[4, 4, 4\] needs one number for all axes, or one for each of 2"):
        on_lattice(make_spec, attention="windowed", window=[4, 4, 4])
    with pytest.raises(ValueError, match="attention expected 'full', 'windowed' or 'linear'; got 'sparse'"):
        on_lattice(make_spec, attention="sparse")
    with pytest.raises(ValueError, match="window must be greater than 0; got 0"):
        on_lattice(make_spec, attention="windowed", window=0)
    with pytest.raises(ValueError, match="heads of width 1 cannot hold a wave"):
        on_lattice(make_spec, attention="linear", width=16, heads=16)


def test_remarks_on_windows(make_spec: Make) -> None:
    def remark(**settings: Any) -> str:
        return on_lattice(make_spec, attention="windowed", **settings).remark()

    assert on_lattice(make_spec).remark() == remark(window=[4, 2]) == ""
    assert "windows of 8 x 4 tokens on a lattice of 8 x 4: one window holds all tokens" in remark(window=[8, 4])
    assert "larger than the lattice along axis 1, where one window is the whole axis" in remark(window=[2, 8])
    assert "do not divide the periodic axis 0, so one window is smaller there" in remark(window=[3, 2])
    assert "depth is 1, so no windows are shifted and tokens of different windows never" in remark(window=2, depth=1)
    assert "divide" not in on_lattice(make_spec, False, attention="windowed", window=[3, 3]).remark()
