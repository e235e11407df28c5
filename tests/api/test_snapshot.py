"""The public names and their signatures, as tests/api/snapshot.txt has them: a change of them is made on purpose.

After a change that is meant: ``python tests/api/test_snapshot.py``, and a line in CHANGELOG.md.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import upt_core
from upt_core import testing

SNAPSHOT = Path(__file__).parent / "snapshot.txt"


def lines() -> Iterator[str]:
    """One line for each public name, member of a public class, and kit."""
    for module in (upt_core, testing):
        for name in sorted(module.__all__):
            yield from described(f"{module.__name__}.{name}", getattr(module, name))


def described(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})"
        if dataclasses.is_dataclass(value):
            yield from (f"  {field.name}: {field.type}{default(field)}" for field in dataclasses.fields(value))
        own_last = reversed(list(written_in(value)))
        yield from sorted({name: line for cls in own_last for name, line in members(cls)}.values())
    elif inspect.isroutine(value):
        yield f"def {name}{signature(value)}"
    else:
        yield f"{name} = {re.sub(r'typing[.]|<.*> ?', '', str(value))}"


def written_in(cls: type) -> Iterator[type]:
    """The class, and those of its bases that are upt's own and not public: their members are members of the class."""
    public = {getattr(upt_core, name) for name in upt_core.__all__}
    for base in cls.__mro__:
        if base is cls or (base.__module__.startswith("upt_core.") and base not in public):
            yield base


def members(cls: type) -> Iterator[tuple[str, str]]:
    generated = dataclasses.is_dataclass(cls) or getattr(cls, "_is_protocol", False)
    for name, value in vars(cls).items():
        if name.startswith("_") and (name != "__init__" or generated):
            continue
        if isinstance(value, property):
            yield name, f"  {name} (property)"
        elif isinstance(value, classmethod | staticmethod):
            yield name, f"  def {name}{signature(value.__func__)}"
        elif inspect.isfunction(value):
            yield name, f"  def {name}{signature(value)}"


def signature(function: Any) -> str:
    return re.sub(r"'", "", str(inspect.signature(function)))


def default(field: dataclasses.Field[Any]) -> str:
    return "" if field.default is dataclasses.MISSING else f" = {field.default!r}"


def test_signatures_are_those_of_the_snapshot() -> None:
    written = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    now = list(lines())
    gone = [line.strip() for line in written if line not in now]
    new = [line.strip() for line in now if line not in written]
    message = (
        f"public names changed; gone: {gone}; new: {new}; if that is meant, run: python tests/api/test_snapshot.py "
        f"(what others use is deprecated first: see docs/writing/testing.md)"
    )
    assert written == now, message


def test_the_list_of_names_is_sorted_and_every_name_is_there() -> None:
    assert upt_core.__all__ == sorted(upt_core.__all__)
    assert testing.__all__ == sorted(testing.__all__)
    assert all(hasattr(upt_core, name) for name in upt_core.__all__)
    assert set(upt_core.__all__) <= set(dir(upt_core))


if __name__ == "__main__":
    SNAPSHOT.write_text("\n".join(lines()) + "\n", encoding="utf-8")
