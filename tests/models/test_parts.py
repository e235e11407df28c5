"""What holds for every model part: gradients, precision, determinism, saving, compiling, registration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
import torch
from torch import Tensor, nn

import upt_models
from upt_core import Approximator, DataSpec, Decoder, Encoder, LatentSpec, Points
from upt_models.anchored_decoder import AnchoredDecoder
from upt_models.grid_encoder import GridEncoder
from upt_models.near_decoder import NearDecoder
from upt_models.perceiver_decoder import PerceiverDecoder
from upt_models.supernode_encoder import SupernodeEncoder
from upt_models.transformer import Transformer

PARTS = (GridEncoder, SupernodeEncoder, Transformer, PerceiverDecoder, AnchoredDecoder, NearDecoder)
Call = Callable[[nn.Module], Tensor]


@pytest.fixture
def build(make_spec: Callable[..., DataSpec], latent: LatentSpec) -> Callable[[type[nn.Module]], nn.Module]:
    options: dict[type, dict[str, Any]] = {SupernodeEncoder: {"supernodes": 16}, AnchoredDecoder: {"anchors": 9}}
    lattice = LatentSpec.on_lattice((3, 2), latent.dim)
    return lambda part: part(make_spec(), lattice if part is NearDecoder else latent, **options.get(part, {}))


@pytest.fixture
def call(make_grid: Callable[..., Points]) -> Call:
    points, x, z = make_grid((8, 8)), torch.randn(2, 64, 2), torch.randn(2, 6, 16)

    def run(part: nn.Module) -> Tensor:
        if isinstance(part, Encoder):
            return part(x, points)
        return part(z, torch.ones(2, 1)) if isinstance(part, Approximator) else part(z, points.coords_BNX)

    return run


@pytest.mark.parametrize("part", PARTS)
def test_every_parameter_gets_a_gradient(build: Callable[..., nn.Module], call: Call, part: type[nn.Module]) -> None:
    model = build(part)
    for block in model.modules():  # modulation starts at zero and would hide the condition's embedding for one step
        if isinstance(block, nn.Linear):
            nn.init.normal_(block.weight, std=0.2)
    (call(model) * torch.randn(call(model).shape)).sum().backward()
    silent = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []


@pytest.mark.parametrize("part", PARTS)
def test_same_seed_same_result(build: Callable[..., nn.Module], call: Call, part: type[nn.Module]) -> None:
    def once() -> Tensor:
        torch.manual_seed(7)
        return call(build(part))

    assert torch.equal(once(), once())


@pytest.mark.parametrize("part", PARTS)
def test_state_survives_a_round_trip(build: Callable[..., nn.Module], call: Call, part: type[nn.Module]) -> None:
    model, other = build(part), build(part)
    assert not torch.equal(call(model), call(other))
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(call(model), call(other))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("part", PARTS)
def test_autocast_is_close_to_float32(
    build: Callable[..., nn.Module], call: Call, part: type[nn.Module], dtype: torch.dtype
) -> None:
    model = build(part)
    expected = call(model)
    with torch.autocast("cpu", dtype=dtype):
        found = call(model)
    found.float().square().mean().backward()
    assert found.isfinite().all()
    assert (found.float() - expected).norm() < 0.03 * expected.norm()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("part", [GridEncoder, Transformer, PerceiverDecoder])
def test_compiles_without_a_graph_break(build: Callable[..., nn.Module], call: Call, part: type[nn.Module]) -> None:
    model = build(part)
    expected = call(model)
    model.compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(call(model), expected)


@pytest.mark.parametrize("part", PARTS)
def test_the_signature_is_a_schema(part: type[nn.Module]) -> None:
    hints = get_type_hints(part.__init__, include_extras=True)
    assert hints["data"] is DataSpec
    assert hints["latent"] is LatentSpec
    documented = part.__doc__ or ""
    assert all(f"    {name}: " in documented for name in hints if name not in ("data", "latent", "return"))


def test_every_part_is_registered() -> None:
    found: dict[str, str] = {}
    for hook in (upt_models.register_encoders, upt_models.register_approximators, upt_models.register_decoders):
        hook(found.__setitem__)
    assert found == {
        "grid": "upt_models.grid_encoder:GridEncoder",
        "patches": "upt_models.patches_encoder:PatchesEncoder",
        "lattice": "upt_models.lattice_encoder:LatticeEncoder",
        "supernode": "upt_models.supernode_encoder:SupernodeEncoder",
        "transformer": "upt_models.transformer:Transformer",
        "spectral": "upt_models.spectral:Spectral",
        "convolution": "upt_models.convolution:Convolution",
        "anchored": "upt_models.anchored_decoder:AnchoredDecoder",
        "basis": "upt_models.basis_decoder:BasisDecoder",
        "near": "upt_models.near_decoder:NearDecoder",
        "perceiver": "upt_models.perceiver_decoder:PerceiverDecoder",
    }
    assert issubclass(PerceiverDecoder, Decoder)


def test_listing_the_plugin_does_not_load_torch() -> None:
    code = "import sys, upt_models; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
