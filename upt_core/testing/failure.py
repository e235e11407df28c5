"""How the kit says that a plugin breaks its contract."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ConformanceError(AssertionError):
    """A plugin breaks the contract of its kind.

    Args:
        check: the name of the check that failed.
        seen: what the plugin did, on which input.
        expected: what the contract asks for.
        cure: what to change.
    """

    def __init__(self, check: str, seen: str, expected: str, cure: str) -> None:
        self.check, self.seen, self.expected, self.cure = check, seen, expected, cure
        super().__init__(f"{check}: {seen}\n    expected: {expected}\n    cure: {cure}")


def require(holds: bool, check: str, seen: str, expected: str, cure: str) -> None:
    """Raises a ConformanceError unless the condition holds."""
    if not holds:
        raise ConformanceError(check, seen, expected, cure)


def raised_in(error: BaseException) -> str:
    """Where an author's code raised: ", in package/module.py, line 12"; empty if only torch and upt_core took part."""
    frames = traceback.walk_tb(error.__traceback__)
    own = [(frame.f_code.co_filename, line) for frame, line in frames if not _foreign(frame.f_globals)]
    if not own:
        return ""
    file, line = own[-1]
    return f", in {'/'.join(Path(file).parts[-2:])}, line {line}"


def _foreign(names: dict[str, object]) -> bool:
    return str(names.get("__name__", "")).split(".")[0] in ("torch", "upt_core", "contextlib")


@contextmanager
def answering(check: str, case: str, expected: str, cure: str, *refusals: type[Exception]) -> Iterator[None]:
    """A call of an author's code, which may raise anything: that is a ConformanceError, with the case in which it came.

    Args:
        refusals: exceptions that the contract allows; they go on as they are.
    """
    try:
        yield
    except refusals:
        raise
    except Exception as error:
        seen = f"{type(error).__name__} ({error}) {case}{raised_in(error)}"
        raise ConformanceError(check, seen, expected, cure) from error
