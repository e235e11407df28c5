"""Models on which loss terms are tried: a small one with every part to train, and one that knows the answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from upt_core.batch import Batch
from upt_core.model import Approximator, Decoder, Encoder, Upt
from upt_core.points import Points
from upt_core.specs import DataSpec

TOKENS, WIDTH = 4, 8


class SmallEncoder(Encoder):
    """Means over the points of a layer, one for each token."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.layer = nn.Linear(data.input_channels + data.num_axes, TOKENS * WIDTH)

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """latent_BLD."""
        value_BND = torch.tanh(self.layer(torch.cat([input_BNC, points.coords_BNX], dim=-1)))
        if points.density_BN is not None:
            value_BND = value_BND * points.density_BN.unsqueeze(-1)
        return value_BND.mean(dim=1).view(-1, TOKENS, WIDTH)


class SmallApproximator(Approximator):
    """A layer beside a short cut."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """The next latent_BLD."""
        result: Tensor = latent_BLD + self.layer(latent_BLD)
        return result


class SmallDecoder(Decoder):
    """Two layers on coordinates and the mean token."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.embed = nn.Linear(data.num_axes, WIDTH)
        self.mix = nn.Linear(TOKENS * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, data.channels)

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC."""
        hidden_BQD = torch.tanh(self.embed(coords_BQX) + self.mix(latent_BLD.flatten(1)).unsqueeze(1))
        decoded: Tensor = self.head(hidden_BQD)
        return decoded


def small_model(data: DataSpec) -> Upt:
    """A model of some hundred weights; the same for the same data, and the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Upt(SmallEncoder(data), SmallApproximator(), SmallDecoder(data))


class Known(nn.Module):
    """The true states of a batch, one for each time step, with the coordinates of its points."""

    def __init__(self, batch: Batch, data: DataSpec) -> None:
        super().__init__()
        self.data = data
        self.coords_BNX = batch.points.coords_BNX
        times = batch.target_BTNC.shape[1]
        self.states = [self._state(batch, data, time) for time in range(times + 1)]

    def _state(self, batch: Batch, data: DataSpec, time: int) -> Tensor:
        """All channels at a time step; those that nobody knows are 0."""
        state = batch.input_BNC.new_zeros(*batch.input_BNC.shape[:2], data.channels)
        if time == 0 or data.steady:
            state[..., : data.frame_channels] = data.last_frame(batch.input_BNC)
        if time > 0:
            start = 0
            for field in data.targets:
                stop = start + field.channels
                state[..., data.channels_of(field.name)] = batch.target_BTNC[:, time - 1, :, start:stop]
                start = stop
            if not data.steady:
                following = data.next_input(batch.input_BNC, batch.target_BTNC[:, time - 1])
                state[..., : data.frame_channels] = data.last_frame(following)
        return without_padding(state, batch.points)


def without_padding(value_BNC: Tensor, points: Points) -> Tensor:
    """Values at points, 0 at padding: nobody knows what is there."""
    return value_BNC if points.mask_BN is None else value_BNC * points.mask_BN.unsqueeze(-1)


class KnowingEncoder(Encoder):
    """One token for each point: its fields and its coordinates."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.known = known
        self.shift = nn.Parameter(torch.zeros(()))  # 0, so that the truth has a gradient

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """latent_BLD."""
        missing = self.known.data.channels - input_BNC.shape[-1]
        filled = nn.functional.pad(input_BNC, (0, missing)) + self.shift
        return torch.cat([without_padding(filled, points), points.coords_BNX], dim=-1)


class KnowingApproximator(Approximator):
    """Finds out which of the known states it is given, and answers with the next one."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.known = known
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """The next latent_BLD."""
        channels, inputs = self.known.data.channels, self.known.data.input_channels
        given, states = latent_BLD[..., :inputs].detach(), self.known.states
        distances = [float((given - state[..., :inputs]).square().sum()) for state in states[:-1]]
        time = distances.index(min(distances)) + 1
        return torch.cat([states[time] + self.shift, latent_BLD[..., channels:]], dim=-1)


class KnowingDecoder(Decoder):
    """The fields of the token that is nearest to a query point."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.known = known
        self.slope = nn.Parameter(torch.zeros(()))  # 0; terms may ask for derivatives along the coordinates

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC."""
        channels = self.known.data.channels
        nearest_BQ = torch.cdist(coords_BQX.contiguous(), latent_BLD[..., channels:].contiguous()).argmin(dim=-1)
        fields_BLC = latent_BLD[..., :channels]
        known_BQC = fields_BLC.gather(1, nearest_BQ.unsqueeze(-1).expand(-1, -1, channels))
        return known_BQC + self.slope * coords_BQX.sum(dim=-1, keepdim=True)


def knowing_model(batch: Batch, data: DataSpec) -> Upt:
    """A model whose predictions and reconstructions are the truth, at the batch's own points."""
    known = Known(batch, data)
    return Upt(KnowingEncoder(known), KnowingApproximator(known), KnowingDecoder(known))
