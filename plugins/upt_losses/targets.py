"""What several terms ask of a data set: whether later states can be encoded, and where a field's channels are."""

from __future__ import annotations

from collections.abc import Sequence

from upt_core import DataSpec


def check_encodable(data: DataSpec, what: str, cure: str) -> None:
    """Refuses data whose predicted fields tell nothing of the input fields, so that they cannot be encoded.

    Args:
        what: what was asked for, as the user wrote it.
        cure: what to write instead.
    """
    if not any(field in data.targets for field in data.inputs):
        inputs = ", ".join(field.name for field in data.inputs)
        targets = ", ".join(field.name for field in data.targets)
        raise ValueError(
            f"{what} encodes predicted fields, but the encoder reads {inputs} and the model predicts {targets}: "
            f"they share no field; {cure}"
        )


def target_slices(data: DataSpec, fields: Sequence[str] | None) -> list[slice]:
    """The channels of the named fields (None: all) among the target fields.

    Raises:
        ValueError: a name is not among the target fields; the message lists those.
    """
    names = [field.name for field in data.targets] if fields is None else fields
    return [data.channels_of(name, data.targets) for name in names]
