"""upt's operators: trained by upt's own trainer from a configuration."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from upt_bench.quality.judged import Space
from upt_core import Batch, Experiment, Upt
from upt_core.commands import Built, rollout


@dataclass(frozen=True)
class UptTrained:
    """A trained model of an experiment, in evaluation mode."""

    built: Built
    steps: int
    spent: float
    spaces: tuple[Space, ...] = ("physical", "latent")

    @property
    def model(self) -> Upt:
        """Encoder, approximator, decoder."""
        return self.built.bundle.model

    @property
    def parameters(self) -> int:
        """Numbers that were trained."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def predict(self, batch: Batch, steps: int, space: Space) -> Tensor:
        """Predicted targets (B, T, N, C), normalised."""
        return rollout(self.model, self.built.prepared.data, batch, steps, space)

    def at(self, batch: Batch, coords_BMX: Tensor) -> Tensor | None:
        """The target one step on at any points; None where changes are predicted, of what is known at points alone."""
        if self.model.predict == "change":
            return None
        latent_BLD = self.model.approximator(self.model.encoder(batch.input_BNC, batch.points), batch.condition_at(0))
        return self.built.prepared.data.targets_of(self.model.decode_in_chunks(latent_BLD, coords_BMX))

    def reconstruct(self, batch: Batch) -> Tensor:
        """The decoded input."""
        latent_BLD = self.model.encoder(batch.input_BNC, batch.points)
        return self.built.prepared.data.inputs_of(self.model.decode_in_chunks(latent_BLD, batch.points.coords_BNX))


def train_upt(experiment: Experiment) -> UptTrained:
    """Trains for the experiment's budget; the weights at the end are judged, or their moving average."""
    built = experiment.build()
    with tempfile.TemporaryDirectory() as folder:
        trainer = experiment.trainer(built, Path(folder))
        trainer.train()
        if trainer.ema is not None:
            with trainer.ema.applied():
                weights = {name: value.clone() for name, value in built.bundle.model.state_dict().items()}
            built.bundle.model.load_state_dict(weights)
    built.bundle.eval().to("cpu")  # wherever it was trained, it is judged on the host, as all others
    return UptTrained(built, trainer.state.step, trainer.state.spent)
