"""The trained operator: all that is needed to answer, and nothing that was needed to train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self, get_args

import torch
from torch import Tensor

from upt_core.data.normalize import Normalization
from upt_core.data.training_data import TrainingData
from upt_core.errors import CheckpointError, DataError, UserError
from upt_core.figures import count
from upt_core.model import Upt
from upt_core.operator import arrays, file, remarks
from upt_core.operator.arrays import Input, Layout, Values
from upt_core.operator.facts import PARTS, facts_of
from upt_core.operator.given import read_given
from upt_core.operator.html import summary
from upt_core.operator.prediction import Prediction
from upt_core.operator.question import Question
from upt_core.operator.rebuilt import known_of, load_weights, model_of
from upt_core.operator.rollout import Space, predictions
from upt_core.registry import Registry, discovery
from upt_core.registry.doctor import missing_plugins
from upt_core.specs import DataSpec, FieldSpec


class Operator:
    """A trained model with its units, its box and its history.

    Loaded by ``upt_core.load``; a run makes it. Fields, coordinates, times and conditions are in physical units.

    Args:
        model: encoder, approximator, decoder.
        normalization: measured on the training data, once; it holds the ``DataSpec``.
        training: what is known of the training data.
        settings: the section ``model`` of the configuration, as plain data.
        plugins: "kind name" → distribution and version, of the parts of the model.
        provenance: where the operator comes from, as plain data: run, configuration, versions, metrics, parents.
    """

    def __init__(
        self,
        model: Upt,
        normalization: Normalization,
        training: TrainingData,
        settings: Mapping[str, Any],
        plugins: Mapping[str, Mapping[str, str]] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.normalization = normalization
        self.training = training
        self.settings = dict(settings)
        self.plugins = {name: dict(source) for name, source in (plugins or {}).items()}
        self.provenance = dict(provenance or {})

    @property
    def data(self) -> DataSpec:
        """Fields, axes, box and conditions."""
        return self.normalization.data

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next((weight.device for weight in self.model.parameters()), self.normalization.mean_C.device)

    def to(self, device: torch.device | str) -> Self:
        """Moves the operator to a device; returns it."""
        self.model.to(device)
        self.normalization = self.normalization.on(device)
        return self

    def predict(
        self,
        fields: Mapping[str, Values] | Values,
        coords: Values | None = None,
        at: Values | int | tuple[int, ...] | None = None,
        steps: int | None = None,
        space: Space = "latent",
        conditions: Mapping[str, Values] | None = None,
        times: Values | None = None,
        batch_size: int = 16,
        chunk: int = 1 << 16,
        given: Mapping[str, Values] | None = None,
    ) -> Prediction:
        """The fields at later times, or the solution of a steady problem, at any points.

        Numpy in, numpy out; tensors in, tensors out, with gradient to the input where it asks for one.

        Args:
            fields: name → values (*points) of the input fields, with an axis of samples before where there are
                several, an axis of channels after where a field has several, and, where the operator has a history,
                an axis of frames before the points. One array alone where there is one input field.
            coords: where the values are, (N, X) or (samples, N, X); row-major for an encoder of
                grids; left out: on the grid of the training data, with
                as many points as the arrays have.
            at: where to answer: (Q, X) or (samples, Q, X), or points along each axis of a grid over the box (512,
                (128, 64)); left out: where the values are.
            steps: time steps; left out: as many as ``times`` says, or 1. Of an operator on bundled data: calls, each
                of which answers with its time steps; its input has those of one call as channels, oldest first.
            space: "latent" moves the latent state on, "physical" encodes each prediction again.
            conditions: name → a number, or numbers for the steps (T,), or for samples (B, 1) or (B, T). Of conditions
                ``NAME=VALUE`` (categories): NAME → VALUE, one for all samples.
            times: physical times of the input and of each step (T + 1,); needed where the operator is told the time
                between steps.
            batch_size: samples at a time.
            chunk: query points that are decoded at a time; memory grows with it, the answer does not change.
            given: name → values (steps, *points) of inputs that are not predicted, as a forcing, at the predicted
                steps; laid out as ``fields``, with the axis of steps before the points. A rollout in physical space
                encodes them; those of the last step are never seen and may be left out. Left out: as in ``fields``.

        Raises:
            DataError: names, shapes, values or times are not those of the operator.
        """
        asked = self._asked(fields, coords, at, steps, space, conditions, times, given)
        target_BTQC = torch.cat([self._rolled_out(asked, rows, chunk) for rows in _rows(asked.samples, batch_size)])
        return self._prediction(asked, target_BTQC, slice(None))

    def predict_in_batches(
        self,
        fields: Mapping[str, Values] | Values,
        coords: Values | None = None,
        at: Values | int | tuple[int, ...] | None = None,
        steps: int | None = None,
        space: Space = "latent",
        conditions: Mapping[str, Values] | None = None,
        times: Values | None = None,
        batch_size: int = 16,
        chunk: int = 1 << 16,
        given: Mapping[str, Values] | None = None,
    ) -> tuple[int, Iterator[Prediction]]:
        """The number of samples, and what ``predict`` gives, ``batch_size`` of them at a time, computed when taken.

        All arguments are looked at before the first. Arguments and errors as those of ``predict``.
        """
        asked = self._asked(fields, coords, at, steps, space, conditions, times, given)

        def batches() -> Iterator[Prediction]:
            for rows in _rows(asked.samples, batch_size):
                yield self._prediction(asked, self._rolled_out(asked, rows, chunk), rows)

        return asked.samples, batches()

    def encode(self, fields: Mapping[str, Values] | Values, coords: Values | None = None) -> Tensor:
        """latent_BLD of input fields; arguments as those of ``predict``."""
        value = self._read(fields, coords)
        batch = arrays.as_batch(value, None, self.data, self.normalization, slice(None))
        latent_BLD: Tensor = self.model.encoder(batch.input_BNC, batch.points)
        return latent_BLD

    def advance(
        self, latent_BLD: Tensor, conditions: Mapping[str, Values] | None = None, times: Values | None = None
    ) -> Tensor:
        """latent_BLD one time step on. Given fields play no part here: the encoder alone sees them.

        Args:
            conditions: as those of ``predict``.
            times: those of the latent and of the next step, where the operator is told the time between steps.
        """
        time_T = arrays.read_times(times, 1, self.data, self.training)
        condition_BTP = arrays.read_conditions(conditions, time_T, self.data, self.training, len(latent_BLD), 1)
        if condition_BTP is not None:
            condition_BTP = self.normalization.condition(condition_BTP.to(self.device))
        moved_BLD: Tensor = self.model.approximator(latent_BLD, None if condition_BTP is None else condition_BTP[:, 0])
        return moved_BLD

    def decode(self, latent_BLD: Tensor, at: Values | int | tuple[int, ...], chunk: int = 1 << 16) -> dict[str, Tensor]:
        """The target fields of a latent state at any points, name → (B, *points[, C]).

        Args:
            at: as that of ``predict``.
            chunk: query points that are decoded at a time.

        Returns:
            Of an operator on bundled data (B, time steps of a call, *points[, C]).
        """
        if self.model.predict == "change":
            raise UserError(
                "this operator predicts changes (model.predict: change), so the fields do not follow from a latent "
                "state alone; use predict, which knows the first state"
            )
        query, shape = self._query(at)
        coords_BQX = arrays.unit_coords(query, self.data, slice(None), len(latent_BLD), self.device)
        decoded_BQC = self.data.targets_of(self.model.decode_in_chunks(latent_BLD, coords_BQX, chunk)).float()
        layout = Layout(shape, True, False, torch.float32)
        named = _named(self.normalization.to_physical(decoded_BQC).unsqueeze(1), self.data, layout)
        alone = not self.data.steady and self.data.bundle == 1
        return {name: value.squeeze(1) if alone else value for name, value in named.items()}

    def save(self, path: Path | str) -> Path:
        """Writes the operator as one file with a digest, which ``upt_core.load`` reads."""
        path = Path(path)
        file.write({"operators": {"": self.plain()}, "model": _on_cpu(self.model.state_dict())}, path)
        return path

    def export(self, path: Path | str, steps: int = 1, coords: Values | None = None, aot: bool = False) -> Path:
        """Writes a program that runs without upt, of torch (``.pt2``) or of ONNX (``.onnx``).

        Arguments and errors as those of ``upt_core.operator.export.export``.
        """
        from upt_core.operator.export import export  # late: torch.export loads slowly

        export(self, path, steps, coords, aot)
        return Path(path)

    def plain(self) -> dict[str, Any]:
        """All but the weights, as tensors and plain data."""
        return {
            "data": asdict(self.data),
            "normalization": {
                name: value if value.device.type == "cpu" else value.cpu()
                for name, value in self.normalization.named_buffers()
            },
            "training": self.training.plain(),
            "settings": self.settings,
            "plugins": self.plugins,
            "provenance": self.provenance,
            "parameters": {
                name: sum(weight.numel() for weight in part.parameters()) for name, part in self.model.named_children()
            },
        }

    @classmethod
    def from_plain(
        cls, plain: Mapping[str, Any], weights: Mapping[str, Tensor], where: str, registry: Registry | None = None
    ) -> Self:
        """What ``plain`` gave, with weights; the parts of the model alone must be installed.

        Raises:
            CheckpointError: a part is not installed, or the weights are not those of the model.
        """
        registry = registry or discovery.installed()
        lines = missing_plugins(plain["plugins"], registry)
        if lines:
            raise CheckpointError(
                f"{where}: parts of the model are missing\n" + "\n".join(f"    {line}" for line in lines)
            )
        normalization, training = known_of(plain)
        model = model_of(plain["settings"], normalization.data, registry, where)
        load_weights(model, weights, where)
        model.eval().requires_grad_(False)
        return cls(model, normalization, training, plain["settings"], plain["plugins"], plain["provenance"])

    def __repr__(self) -> str:
        """One line: fields, latent, parts, size."""
        fields = f"{_names(self.data.inputs)} → {_names(self.data.targets)}"
        parts = ", ".join(f"{part} {(self.settings.get(part) or {}).get('name')}" for part in PARTS)
        size = sum(weight.numel() for weight in self.model.parameters())
        return f"Operator({fields}; {parts}; {count(size)} parameters on {self.device})"

    def _repr_html_(self) -> str:
        """What a notebook shows: much as ``upt info``."""
        found = facts_of(self.plain(), self.normalization, self.training)
        return summary(found, self.provenance.get("name"), self.provenance.get("test"))

    def _read(self, fields: Mapping[str, Values] | Values, coords: Values | None) -> Input:
        return arrays.read_input(fields, coords, self.data, self.training, self.model.encoder.needs_grid)

    def _query(self, at: Values | int | tuple[int, ...]) -> tuple[Tensor, tuple[int, ...] | None]:
        return arrays.read_query(at, self.data, self.training.ends)

    def _asked(
        self,
        fields: Mapping[str, Values] | Values,
        coords: Values | None,
        at: Values | int | tuple[int, ...] | None,
        steps: int | None,
        space: Space,
        conditions: Mapping[str, Values] | None,
        times: Values | None,
        given: Mapping[str, Values] | None,
    ) -> Question:
        data, training = self.data, self.training
        time_T = arrays.read_times(times, steps, data, training)
        steps = steps if steps is not None else 1 if time_T is None else len(time_T) - 1
        if steps < 1 or (data.steady and steps > 1):
            raise DataError(f"steps is {steps}; expected {'1: the problem is steady' if data.steady else 'at least 1'}")
        if space not in get_args(Space):
            raise DataError(f"space is {space!r}; expected {' or '.join(map(repr, get_args(Space)))}")
        value = self._read(fields, coords)
        value = replace(value, given_BTNC=read_given(given, value, data, steps, space))
        query, shape = (None, value.layout.shape) if at is None else self._query(at)
        condition_BTP = arrays.read_conditions(conditions, time_T, data, training, len(value.value_BNC), steps)
        return Question(
            value,
            query,
            shape,
            condition_BTP,
            steps,
            space,
            None if data.steady else self._times(time_T, steps),
            tuple(self._remarks(value, query, condition_BTP)),
        )

    def _rolled_out(self, asked: Question, rows: slice, chunk: int) -> Tensor:
        """target_BTQC of some samples in physical units, float64."""
        value, query = asked.value, asked.query
        # A graph only where a gradient is asked for: that of a long rollout fills the memory.
        with torch.set_grad_enabled(torch.is_grad_enabled() and value.requires_grad):
            batch = arrays.as_batch(value, asked.condition_BTP, self.data, self.normalization, rows)
            if query is not None:
                query = arrays.unit_coords(query, self.data, rows, len(batch.input_BNC), self.device)
            found = predictions(self.model, self.data, batch, asked.steps, asked.space, query, chunk)
            to_physical, dtype = self.normalization.to_physical, value.layout.dtype
            try:
                return torch.stack([to_physical(step).to(dtype) for step in found], dim=1)
            except ValueError as error:
                raise DataError(f"{type(self.model.encoder).__name__} cannot take this input: {error}") from error

    def _prediction(self, asked: Question, target_BTQC: Tensor, rows: slice) -> Prediction:
        return Prediction(
            _named(target_BTQC, self.data, replace(asked.value.layout, shape=asked.shape)),
            (asked.places[0] if len(asked.places) == 1 else asked.places[rows]).numpy(),
            asked.shape,
            None if asked.times is None else asked.times.numpy(),
            asked.remarks,
        )

    def _times(self, time_T: Tensor | None, steps: int) -> Tensor:
        if time_T is None:
            step = self.training.time_step[0] if self.training.time_step is not None else 1.0
            time_T = step * torch.arange(steps + 1, dtype=torch.float64)
        return self.data.times_of_frames(time_T)

    def _remarks(self, value: Input, query: Tensor | None, condition_BTP: Tensor | None) -> Iterator[str]:
        data, training = self.data, self.training
        frames = value.value_BNC.reshape(-1, data.frame_channels)
        yield from remarks.on_fields(frames, data, training)
        if value.given_BTNC is not None:
            # Those of the last step are never encoded, so it does not matter what they are.
            yield from remarks.on_given(value.given_BTNC[:, :-1].flatten(0, 2), data, training)
        yield from remarks.on_points(value.value_BNC.shape[1], value.coords_BNX.flatten(0, 1), data, training)
        yield from remarks.on_place(value.coords_BNX[0], value.layout.shape, self.model.encoder, data, training)
        if query is not None:
            yield from remarks.on_box(query.flatten(0, 1), data, "the prediction is at given points")
        yield from remarks.on_conditions(None if condition_BTP is None else condition_BTP.flatten(0, 1), data, training)


def _named(target_BTQC: Tensor, data: DataSpec, layout: Layout) -> dict[str, Any]:
    """The target fields by name, laid out as the input was."""
    found: dict[str, Any] = {}
    target_BTQC, data = data.unbundled(target_BTQC), data.of_frames()
    for field in data.targets:
        value = target_BTQC[..., data.channels_of(field.name, data.targets)]
        if layout.shape is not None:
            value = value.reshape(*value.shape[:2], *layout.shape, field.channels)
        value = value.squeeze(-1) if field.channels == 1 else value
        value = value.squeeze(1) if data.steady else value
        value = value if layout.batched else value.squeeze(0)
        found[field.name] = value.cpu().numpy() if layout.numpy else value
    return found


def _names(fields: Sequence[FieldSpec]) -> str:
    return ", ".join(field.name for field in fields)


def _rows(samples: int, batch_size: int) -> Sequence[slice]:
    return [slice(start, start + batch_size) for start in range(0, samples, batch_size)]


def _on_cpu(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in weights.items()}
