"""Signatures from source text: the same as those of the classes, or none; nothing of a plugin is imported for them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from upt_core.config.outline import outline
from upt_core.config.schema import model_named
from upt_core.config.signature import read_signature
from upt_core.config.source_names import source_module
from upt_core.errors import PluginError
from upt_core.registry import Distribution, Entry, Kind, Registry
from upt_core.registry.discovery import installed

RESERVED = ["name", "weight", "every", "sampler"]
PLAIN = '''
import torch_that_is_not_there
from pathlib import Path
from typing import Annotated, Literal, final
from pydantic import Field
from upt_core import DataSpec, Sampler
from {package}.shared import Base, Width
raise RuntimeError("imported")

Colour = Literal["red", "blue"]
SIZES = (1, 2, -4)

@final
class Pretty(Base):
    """One line.

    Args:
        colour: of the paint.
    """

    limit = 3

    def __init__(
        self,
        width: Width,
        data: DataSpec,
        base: Sampler | None = None,
        colour: Colour = "red",
        sizes: list[int] = SIZES,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        *,
        folder: Path = Path("here"),
    ) -> None:
        """Paints.

        Args:
            width: of the brush.
        """

class Heir(Base):
    """Inherits."""

class Bare(Sampler):
    """Has no constructor."""
'''
SHARED = '''
from pydantic import PositiveInt
from upt_core import Encoder
Width = PositiveInt

class Base(Encoder):
    def __init__(self, depth: int = 2) -> None:
        """Builds.

        Args:
            depth: of the base.
        """
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A package with the module ``shared`` and, as a test writes it, ``paint``."""
    name = f"strange_{abs(hash(request.node.nodeid))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / name / "shared.py").write_text(SHARED)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def entry(package: str, cls: str, kind: Kind = "encoder") -> Entry:
    return Entry(kind, "pretty", f"{package}.paint:{cls}", Distribution("strange", "1.0"))


def write(tmp_path: Path, package: str, text: str) -> None:
    (tmp_path / package / "paint.py").write_text(text)


@pytest.mark.parametrize("key", sorted(installed().entries), ids="-".join)
def test_every_installed_plugin_says_in_its_text_what_its_class_says(key: tuple[Kind, str]) -> None:
    for claim in installed().entries[key]:
        read = outline(claim, ["name"])
        assert read is not None
        assert repr(read) == repr(read_signature(claim, ["name"]))  # bounds are not equal, but print the same


def test_a_module_that_cannot_be_imported_is_read(tmp_path: Path, package: str) -> None:
    write(tmp_path, package, PLAIN.format(package=package))
    read = outline(entry(package, "Pretty"), RESERVED)
    assert read is not None
    assert list(read.runtime) == ["data"]
    found = {parameter.name: parameter for parameter in read.parameters}
    assert list(found) == ["width", "base", "colour", "sizes", "share", "folder"]
    assert found["width"].default is ...
    assert "Gt(gt=0)" in repr(found["width"].annotation)
    assert found["sizes"].default == (1, 2, -4)
    assert found["folder"].default == Path("here")
    assert (found["width"].description, found["colour"].description) == ("of the brush.", "of the paint.")
    assert not [name for name in sys.modules if name.startswith(f"{package}.")]


def test_a_constructor_may_be_inherited_from_another_module(tmp_path: Path, package: str) -> None:
    write(tmp_path, package, PLAIN.format(package=package))
    read = outline(entry(package, "Heir"), RESERVED)
    assert read is not None
    assert [(parameter.name, parameter.default) for parameter in read.parameters] == [("depth", 2)]
    assert read.parameters[0].description == "of the base."
    bare = outline(entry(package, "Bare", "sampler"), RESERVED)
    assert bare is not None
    assert bare.parameters == ()


CLASS = "class Pretty(Sampler):\n    def __init__(self, size: int = 3) -> None: ...\n"
HEAD = "from upt_core import Sampler\n"


@pytest.mark.parametrize(
    "text",
    [
        "class Pretty(",
        HEAD + "if True:\n    " + CLASS.replace("\n    ", "\n        "),
        HEAD + CLASS + "Pretty = changed(Pretty)\n",
        HEAD + CLASS + "Pretty.__init__ = other\n",
        HEAD + "@dataclass\n" + CLASS,
        HEAD + CLASS.replace("(Sampler)", "(Sampler, metaclass=Odd)"),
        HEAD + CLASS.replace("    def", "    @wrapped\n    def"),
        HEAD + CLASS + "    if True:\n        def __init__(self) -> None: ...\n",
        HEAD + CLASS + "    __init__ = other\n",
        HEAD + CLASS.replace("size: int", "*sizes: int").replace(" = 3", ""),
        HEAD + CLASS.replace("size: int", "size: 'int'"),
        HEAD + CLASS.replace("int", "Unknown"),
        HEAD + "from elsewhere import Size\n" + CLASS.replace("int", "Size"),
        HEAD + "from elsewhere import *\n" + CLASS,
        HEAD + "try:\n    Size = int\nexcept NameError:\n    Size = str\n" + CLASS.replace("int", "Size"),
        HEAD + CLASS.replace("= 3", "= len('abc')"),
        HEAD + CLASS.replace("= 3", "= [i for i in (1, 2)]"),
        HEAD + CLASS.replace("= 3", "= 1 / 0"),
        HEAD + "class Pretty(Sampler, Other): ...\n",
        HEAD + "class Pretty(Unknown): ...\n",
        "from upt_core import Encoder\nclass Pretty(Encoder): ...\n",
        HEAD + CLASS.replace("size: int = 3", "name: str"),
    ],
)
def test_what_the_text_does_not_say_plainly_is_left_to_the_class(tmp_path: Path, package: str, text: str) -> None:
    write(tmp_path, package, text)
    assert outline(entry(package, "Pretty", "sampler"), RESERVED) is None


@pytest.mark.parametrize("target", ["absent_package.paint:Pretty", "sys:Pretty", "absent:Pretty", "upt_core.no:Pretty"])
def test_a_module_that_has_no_source_is_left_to_the_class(target: str) -> None:
    assert outline(Entry("sampler", "pretty", target, Distribution("strange", "1.0")), RESERVED) is None


def test_classes_that_are_registered_themselves_are_imported_already(registry: Registry) -> None:
    uniform = registry.find("sampler", "uniform")
    assert outline(replace(uniform, target=uniform.load()), RESERVED) is None


def test_a_type_that_yaml_does_not_have_is_said_by_the_class(tmp_path: Path, package: str, registry: Registry) -> None:
    callback = HEAD.replace("Sampler", "Callback, Sampler") + CLASS.replace("(Sampler)", "(Callback)")
    write(tmp_path, package, callback.replace("int = 3", "set[int]"))
    registry.register(replace(entry(package, "Pretty", "callback"), name="odd"))
    with pytest.raises(PluginError, match=r"'size' cannot be written in YAML: set\[int\] is not a type that YAML has"):
        model_named(replace(registry, outlined=True), "callback", "odd")
    write(tmp_path, package, callback.replace("int = 3", "list['Sampler']").replace("Pretty", "Late"))
    sys.modules.pop(f"{package}.paint")
    source_module.cache_clear()
    registry.register(replace(entry(package, "Late", "callback"), name="late"))
    assert model_named(replace(registry, outlined=True), "callback", "late").plugin.__name__ == "Late"
