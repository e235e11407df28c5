"""The file of an operator or a checkpoint: tensors and plain data, with a digest, written whole or not at all.

A file is what ``torch.save`` writes, followed by ``MARK`` and a digest (BLAKE2b, 32 bytes) of all that is before.
``torch.load(path, weights_only=True)`` reads it too; nothing in it is code.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from upt_core.errors import CheckpointError

FORMAT = 2
"""1: weights without the statistics of their data, and without a digest. 2: holds whole operators."""

MARK = b"upt digest blake2b-256\n"
_SIZE = 32
_PIECE = 1 << 20


def write(content: Mapping[str, Any], path: Path) -> None:
    """Writes beside the target, waits for the disk, and renames: a reader never sees half a file, nor a power cut."""
    _check_plain(content, "content")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        _write(content, part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


_PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.Size, torch.device)


def _check_plain(value: Any, where: str) -> None:
    """Refuses at once what ``read`` would refuse, with the place: subclasses of plain types count as code."""
    if isinstance(value, torch.Tensor) or type(value) in _PLAIN:
        return
    if not isinstance(value, dict | list | tuple):
        raise TypeError(f"{where} is of type {type(value).__name__}; a file can hold only tensors and plain data")
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        _check_plain(item, f"{where}[{key!r}]")


def _write(content: Mapping[str, Any], path: Path) -> None:
    try:
        torch.save({"format": FORMAT, **content}, path)
    except RuntimeError:  # torch hides why the system refused to write; it refuses more of the same with the reason
        with path.open("ab") as file:
            file.write(bytes(_PIECE))
            file.flush()
            os.fsync(file.fileno())
        raise
    with path.open("r+b") as file:
        digest = _digest(file, path.stat().st_size)
        file.seek(0, os.SEEK_END)
        file.write(MARK + digest)  # torch looks for the archive's end backwards, and passes over what follows
        file.flush()
        os.fsync(file.fileno())  # before it gets its name: else a power cut may leave an empty file of that name


def read(path: Path) -> dict[str, Any]:
    """The content of a file, onto the CPU.

    Raises:
        CheckpointError: missing, damaged, not a file of upt, or of another format.
    """
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in path.parent.glob("*.pt"))) if path.parent.is_dir() else ""
        raise CheckpointError(f"{path}: there is no such checkpoint{f'; there are: {there}' if there else ''}")
    try:
        with path.open("rb") as file:
            whole = _check_digest(file, path)
            content = _load(file, path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise CheckpointError(f"{path}: this is not a checkpoint written by upt")
    if content["format"] > FORMAT:
        raise CheckpointError(f"{path}: written by a newer upt (format {content['format']}); install that version")
    if content["format"] < FORMAT:
        raise CheckpointError(
            f"{path}: written by an older upt (format {content['format']}), without the statistics of its training "
            "data, so its predictions would be wrong; train again, or use the version of upt of that run"
        )
    if not whole:
        raise CheckpointError(f"{path}: the file has no digest, so it is truncated or damaged; use another copy")
    return content


def digest(path: Path) -> str:
    """The digest that a file ends in, as hexadecimal digits; ``read`` has compared it with the content."""
    with path.open("rb") as file:
        file.seek(-_SIZE, os.SEEK_END)
        return file.read().hex()


def _load(file: BinaryIO, path: Path) -> Any:
    file.seek(0)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what a damaged pickle raises depends on its bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: cannot be read as a checkpoint (is it truncated, or another kind of file?): {reason}"
        ) from error


def _check_digest(file: BinaryIO, path: Path) -> bool:
    """Whether a file ends in a digest, which is right.

    Raises:
        CheckpointError: it is wrong.
    """
    size = path.stat().st_size - len(MARK) - _SIZE
    if size < 0:
        return False
    file.seek(size)
    if file.read(len(MARK)) != MARK:
        return False
    expected = file.read()
    if not hmac.compare_digest(expected, _digest(file, size)):
        raise CheckpointError(f"{path}: the file is damaged: its content does not match its digest; use another copy")
    return True


def _digest(file: BinaryIO, size: int) -> bytes:
    """The digest of the first ``size`` bytes."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    file.seek(0)
    while size > 0:
        piece = file.read(min(_PIECE, size))
        if not piece:
            break
        digest.update(piece)
        size -= len(piece)
    return digest.digest()


def sync_folder(folder: Path) -> None:
    """Waits until the folder knows the new name, where the system can say so."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems cannot
    finally:
        os.close(handle)
