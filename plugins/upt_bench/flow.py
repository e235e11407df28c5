"""A flow at scattered points and a decoder that learns it: one latent for each frame, trained with the point loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from upt_bench.fields import scattered_points
from upt_bench.probe import GivenValues
from upt_bench.setting import Setting
from upt_core import Approximator, Batch, DataSpec, Encoder, FieldSpec, LatentSpec, Points, Progress, Sampler, Upt
from upt_core.commands import FixedValue, LossBundle, WeightedTerm, generator

LATENT = LatentSpec(tokens=16, dim=48)
LEARNING_RATE = 3e-3
STEPS_OF_EPOCH = 2


@dataclass(frozen=True, eq=False)
class Flow:
    """Frames of one simulation, normalised.

    Args:
        name: of the data.
        points: one row for each frame, all the same points.
        frame_SNC: the fields.
        is_goal: whether these are the data for which goals are set.
    """

    name: str
    points: Points
    frame_SNC: Tensor
    is_goal: bool

    @property
    def num_frames(self) -> int:
        """S."""
        return len(self.frame_SNC)

    def batch(self, frames: Tensor) -> Batch:
        """A batch of these frames."""
        points = self.points.repeat(len(frames), frames)
        field_BNC = self.frame_SNC[frames]
        return Batch(field_BNC, field_BNC.unsqueeze(1), points)


def load(setting: Setting, num_frames: int) -> Flow:
    """The CFD case of the real data; without it, a two-dimensional Burgers flow on a grid."""
    folder = None if setting.quick else setting.file("pointcloud", "cfd")
    if folder is not None:
        dataset, name = setting.dataset("point_frames", path=folder, split_by="time"), "CFD, 32,392 points"
    else:
        edge = 16 if setting.quick else 64
        dataset, name = setting.dataset("burgers2d", num_trajectories=3, points=edge), f"Burgers {edge} × {edge}"
    trajectories = dataset.trajectories("train")
    case = trajectories.read(0, 0, min(num_frames, trajectories.num_times(0)))
    frame_SNC = torch.cat([case.fields[field.name].float() for field in dataset.spec().targets], dim=-1)
    frame_SNC = (frame_SNC - frame_SNC.mean((0, 1))) / frame_SNC.std((0, 1))
    points = scattered_points(case.coords_NX.to(setting.device), len(frame_SNC))
    return Flow(name, points, frame_SNC.to(setting.device), folder is not None)


class FrameLatents(Encoder):
    """A learned latent for each frame; the fields are not looked at."""

    def __init__(self, num_frames: int) -> None:
        super().__init__()
        self.latent_SLD = nn.Parameter(torch.randn(num_frames, LATENT.tokens, LATENT.dim))

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """The latents of the frames of a batch."""
        assert points.sample_id_B is not None
        return self.latent_SLD[points.sample_id_B]


class Standing(Approximator):
    """The latent as it is."""

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """Nothing moves."""
        return latent_BLD


def bundle_of(setting: Setting, flow: Flow, sampler: Sampler, seed: int) -> LossBundle:
    """Model and loss; the initial weights depend on the seed only."""
    field = FieldSpec("u", flow.frame_SNC.shape[-1])
    data = DataSpec((field,), (field,), extent=(1.0, 1.0), periodic=(False, False), steady=True)
    decoder = setting.registry.load("decoder", "perceiver")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Upt(FrameLatents(flow.num_frames), Standing(), decoder(data=data, latent=LATENT, depth=1))
    term = WeightedTerm("forward", setting.registry.load("loss", "forward")(), FixedValue(1.0), sampler=sampler)
    return LossBundle(model, [term], data, seed).to(setting.device)


def train(bundle: LossBundle, flow: Flow, steps: int, rows: int, seed: int) -> None:
    """Adam with a cosine; each step sees ``rows`` random frames. An epoch is ``STEPS_OF_EPOCH`` steps."""
    device = flow.frame_SNC.device
    optimizer = torch.optim.Adam(bundle.parameters(), LEARNING_RATE)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    sampler = bundle.samplers["sampler"]
    for number in range(steps):
        progress = Progress(number // STEPS_OF_EPOCH, steps // STEPS_OF_EPOCH, number, number / STEPS_OF_EPOCH)
        if number % STEPS_OF_EPOCH == 0 and sampler.refresh_due(progress):
            sampler.refresh(probe_of(bundle, flow), progress)
        frames = torch.randperm(flow.num_frames, generator=generator("cpu", seed, "frames", number))[:rows]
        total = bundle(flow.batch(frames.to(device)), progress).total
        assert total is not None
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        slower.step()


def probe_of(bundle: LossBundle, flow: Flow) -> GivenValues:
    """Looks at all points of all frames with the model as it is now."""
    return GivenValues(flow.points, lambda: squared_error(bundle.model, flow), lambda: flow.frame_SNC)


@torch.no_grad()
def squared_error(model: Upt, flow: Flow) -> Tensor:
    """The point loss at all points of all frames, (S, N)."""
    frames = torch.arange(flow.num_frames, device=flow.frame_SNC.device)
    rows = []
    for frame in torch.split(frames, 1):
        batch = flow.batch(frame)
        decoded_BNC = model.decoder(model.encoder(batch.input_BNC, batch.points), batch.points.coords_BNX)
        rows.append((decoded_BNC - batch.input_BNC).square().mean(-1))
    return torch.cat(rows)
