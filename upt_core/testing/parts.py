"""What encoders, approximators and decoders have in common: shape, gradients, rows, repetition, state, precision."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from upt_core.testing.failure import ConformanceError, answering, cure_of, raised_in, require

TOLERANCE = 1e-4
"""How far results may differ, relative to their size, where only the order of sums differs."""

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Trial:
    """A model part with one kind of input.

    Args:
        what: how messages call the input.
        make: a new part.
        call: the part on its inputs.
        inputs: float tensors whose first axis is the batch.
        shape: of the answer.
    """

    what: str
    make: Callable[[], nn.Module]
    call: Callable[[nn.Module, Inputs], Tensor]
    inputs: Inputs
    shape: tuple[int, ...]

    def part(self, seed: int = 0) -> nn.Module:
        """A new part whose weights depend on the seed; the global random state is left alone."""
        asked = answering(
            "construction",
            f"for {self.what}",
            "a part that is built from DataSpec and LatentSpec",
            "handle this case, or declare with axes=… and takes=… what the part is for",
        )
        with torch.random.fork_rng(devices=[]), asked:
            torch.manual_seed(seed)
            return self.make()

    def answer(self, part: nn.Module, inputs: Inputs | None = None) -> Tensor:
        """What the part answers; dropout has the same seed each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                return self.call(part, self.inputs if inputs is None else inputs)
            except Exception as error:
                raise ConformanceError(
                    "forward",
                    f"{type(error).__name__} ({error}) on {self.what}{raised_in(error)}",
                    f"a tensor {self.shape}",
                    cure_of(error, "handle this case, or declare with axes=… and takes=… what the part is for"),
                ) from error


def check_part(trial: Trial) -> None:
    """All checks that hold for every model part."""
    for check in (_check_answer, _check_gradients, _check_rows, _check_repeatable, _check_state, _check_precision):
        check(trial)


def near(first: Tensor, second: Tensor) -> bool:
    """Whether two answers are equal but for rounding."""
    first, second = first.detach(), second.detach()
    return bool((first - second).abs().max() <= TOLERANCE * second.abs().max().clamp_min(1e-3))


def _check_answer(trial: Trial) -> None:
    given = [value.clone() for value in trial.inputs]
    value = trial.answer(trial.part())
    require(
        isinstance(value, Tensor),
        "type",
        f"a result of type {type(value).__name__} on {trial.what}",
        "a torch.Tensor",
        "return one tensor; use torch, not numpy, to keep gradients and the device",
    )
    require(
        tuple(value.shape) == trial.shape,
        "shape",
        f"{tuple(value.shape)} on {trial.what}",
        f"{trial.shape}",
        "take the sizes from LatentSpec (tokens, dim) and DataSpec (channels)",
    )
    require(
        value.dtype == torch.float32,
        "type",
        f"{value.dtype} on {trial.what}",
        "torch.float32, as the inputs are",
        "give new tensors the type and device of an input, for example with value.new_zeros(…)",
    )
    require(
        bool(value.isfinite().all()),
        "value",
        f"smallest {value.min().item()}, largest {value.max().item()} on {trial.what}",
        "finite numbers",
        "guard divisions and roots; scale the initial weights",
    )
    require(
        all(torch.equal(*pair) for pair in zip(given, trial.inputs, strict=True)),
        "inputs",
        f"forward() changed its arguments on {trial.what}",
        "unchanged arguments, because other terms use them too",
        "use no in-place operation on the arguments of forward()",
    )


def _check_gradients(trial: Trial) -> None:
    part = trial.part()
    value = trial.answer(part)
    weight = torch.rand(value.shape, generator=torch.Generator().manual_seed(0))
    require(value.requires_grad, "gradient", f"the result has no gradient on {trial.what}", "one", "remove .detach()")
    (value * weight).sum().backward()  # type: ignore[no-untyped-call]
    unused = [name for name, p in part.named_parameters() if p.requires_grad and p.grad is None]
    require(
        not unused,
        "every parameter",
        f"{', '.join(unused)} got no gradient on {trial.what}",
        "a gradient for every trainable parameter (DDP waits for each of them)",
        "remove parameters that forward() does not use, or set requires_grad_(False)",
    )
    bad = [name for name, p in part.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    require(
        not bad,
        "finite gradient",
        f"the gradient of {', '.join(bad)} is not finite on {trial.what}",
        "finite gradients",
        "guard divisions and roots against 0",
    )


def _check_rows(trial: Trial) -> None:
    """In training mode too, where batch normalisation would mix the rows."""
    part = trial.part().train()
    last = len(trial.inputs[0]) - 1
    for kept in (0, last):
        own = torch.arange(last + 1) == kept
        changed = tuple(torch.where(own.view(-1, *(1,) * (v.dim() - 1)), v, v * 0.5 + 0.2) for v in trial.inputs)
        first, second = trial.answer(part)[kept], trial.answer(part, changed)[kept]
        require(
            near(first, second),
            "rows",
            f"the result for row {kept} changes by {(first - second).abs().max().item():.2g} when other rows change, "
            f"on {trial.what}",
            "a result for each sample that does not depend on the others in the batch",
            "normalise over channels (LayerNorm), not over the batch; look for a mean over axis 0",
        )


def _check_repeatable(trial: Trial) -> None:
    part, state = trial.part().eval(), torch.get_rng_state()
    first = trial.call(part, trial.inputs)
    second = trial.call(part, trial.inputs)
    require(
        torch.equal(first, second) and torch.equal(state, torch.get_rng_state()),
        "repeatable",
        f"in evaluation mode two results differ, or the global random state changed, on {trial.what}",
        "the same result twice, without random numbers",
        "use nn.Dropout, which evaluation mode switches off, and keep no state between calls",
    )


def _check_state(trial: Trial) -> None:
    part, other = trial.part().eval(), trial.part(seed=1).eval()
    file = io.BytesIO()
    try:
        torch.save(part.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
    except Exception as error:
        raise ConformanceError(
            "state",
            f"{type(error).__name__} ({error}) when state_dict() goes through a file, on {trial.what}",
            "tensors and plain data, which a part with the same arguments can load",
            "keep parameters and buffers in modules, under names that do not depend on the data",
        ) from error
    require(
        torch.equal(trial.answer(part), trial.answer(other)),
        "state",
        f"another result after state_dict() → file → load_state_dict() on {trial.what}",
        "the same result: a checkpoint must hold everything that forward() uses",
        "make random or learned tensors parameters or buffers (register_buffer), not plain attributes",
    )


def _check_precision(trial: Trial) -> None:
    part = trial.part()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = trial.answer(part)
    require(
        tuple(value.shape) == trial.shape and bool(value.isfinite().all()),
        "bfloat16",
        f"shape {tuple(value.shape)}, largest {value.abs().max().item()} under autocast to bfloat16 on {trial.what}",
        f"finite values of shape {trial.shape}",
        "cast to float32 where large or small values matter (norms, exponentials)",
    )
    value.float().sum().backward()  # type: ignore[no-untyped-call]
