"""Complex weights of Fourier layers as real matrices of their modes, for optimizers that work on matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class ModeMatrices(nn.Module):
    """A model's parameters as an optimizer should see them.

    A complex weight (inputs, outputs, modes …) appears as a real one (2 · modes, inputs, outputs): a matrix for the
    real and one for the imaginary part of each mode, as upt's own spectral layers keep them. So do the core of a
    Tucker form, whose axes are ranks, and its factors (size, rank), which are two matrices each. All others appear as
    they are, in their own convolutions. Without this, an optimizer of matrices would take modes for columns.

    Args:
        model: whose weights are trained; ``pull`` and ``push`` carry gradients here and weights back.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._complex = [parameter for parameter in model.parameters() if parameter.is_complex()]
        self.matrices = nn.ParameterList(nn.Parameter(_as_matrices(weight.detach())) for weight in self._complex)
        self.convolutions = nn.ModuleList(module for module in model.modules() if isinstance(module, CONVOLUTIONS))
        self.others = nn.ParameterList(parameter for parameter in model.parameters() if not parameter.is_complex())

    def pull(self) -> None:
        """Takes the gradients of the complex weights."""
        for matrix, weight in zip(self.matrices, self._complex, strict=True):
            assert weight.grad is not None
            matrix.grad = _as_matrices(weight.grad)
            weight.grad = None

    @torch.no_grad()
    def push(self) -> None:
        """Gives the complex weights their new values."""
        for matrix, weight in zip(self.matrices, self._complex, strict=True):
            weight.copy_(_as_complex(matrix, weight))


def _as_matrices(weight: Tensor) -> Tensor:
    """(inputs, outputs, modes …) → (2 · modes, inputs, outputs)."""
    parts = torch.view_as_real(weight.reshape(*weight.shape[:2], -1))
    return parts.permute(3, 2, 0, 1).flatten(0, 1).contiguous()


def _as_complex(matrices: Tensor, like: Tensor) -> Tensor:
    modes = like.shape[2:].numel()
    parts = matrices.view(2, modes, *like.shape[:2]).permute(2, 3, 1, 0).contiguous()
    return torch.view_as_complex(parts).view(like.shape)
