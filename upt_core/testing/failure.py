"""How the kit says that a plugin breaks its contract."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

SIGNATURE = re.compile(r"\(\) (takes|missing|got an unexpected|got multiple)\b|\(\) takes no arguments")
"""How Python says that a call does not fit a signature."""


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


def require_object(value: object) -> None:
    """Raises if a class is given where the kit tries an object of it."""
    name = getattr(value, "__name__", "")
    require(
        not inspect.isclass(value),
        "object",
        f"the class {name}",
        "an object of it, as a run makes one",
        f"write {name}(…), with arguments for its parameters",
    )


def require_maker(make: object) -> None:
    """Raises if an object is given where the kit makes its own, from several DataSpecs."""
    require(
        not isinstance(make, nn.Module),
        "object",
        f"an object of the class {type(make).__name__}",
        "the class itself, or a function of a DataSpec and a LatentSpec: the kit makes a part for each kind of data",
        f"write {type(make).__name__}, or lambda data, latent: {type(make).__name__}(data, latent, …)",
    )


def cure_of(error: Exception, cure: str) -> str:
    """The cure of what an author's code raised; of a call that its signature does not take, another one."""
    if isinstance(error, TypeError) and not raised_in(error) and SIGNATURE.search(str(error)):
        return "give this method the same arguments, in the same order, as in its base class in upt_core"
    if isinstance(error, TypeError) and "abstract class" in str(error):
        return "implement the abstract methods that the message names"
    return cure


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
        raise ConformanceError(check, seen, expected, cure_of(error, cure)) from error
