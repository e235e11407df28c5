"""Distributions of strangers: good ones are found, broken ones are named and stop nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from upt_core import PluginError
from upt_core.config.schema import plugin_model
from upt_core.registry import KINDS, Distribution, Entry, Registry
from upt_core.registry import discovery as plugins
from upt_core.registry.hookspecs import RegistrationHooks, hookimpl

Site = Any

GOOD = '''
from upt_core import hookimpl, Sampler

class Every(Sampler):
    """Every n-th point.

    Args:
        step: distance; 2 to 8.
    """

    def __init__(self, step: int = 2) -> None:
        self.step = step

    def count(self, num_points, progress):
        return num_points // self.step

    def draw(self, points, count, rng, progress):
        raise NotImplementedError

@hookimpl
def register_samplers(register):
    register("{name}", Every)
'''


def test_a_good_distribution_is_found(site: Site) -> None:
    site.install("good-one", GOOD.format(name="every"), version="2.1")
    registry = site.load()
    assert registry.broken == []
    entry = registry.find("sampler", "every")
    assert str(entry) == "sampler 'every' of good-one 2.1"
    assert entry.path == "good_one:Every"
    assert plugin_model(entry).model_validate({"step": 3}).build().step == 3


def test_one_that_fails_on_import_is_reported_and_stops_no_other(site: Site) -> None:
    path = site.install("fails-here", "import upt_core\n\nraise RuntimeError('no licence server')\n", version="0.3")
    site.install("good-two", GOOD.format(name="every"))
    registry = site.load()
    assert registry.names("sampler") == ["every"]
    (broken,) = registry.broken
    assert str(broken) == f"fails_here of fails-here 0.3 (RuntimeError: no licence server ({path}:3))"
    with pytest.raises(PluginError, match=r"could not be loaded: fails_here of fails-here 0\.3 \(RuntimeError: no lic"):
        registry.find("sampler", "halton")


@pytest.mark.parametrize(
    ("name", "source", "cause"),
    [
        ("ends-all", "import sys\nsys.exit(3)\n", r"SystemExit: 3 \(.*ends_all.py:2\)"),
        ("bad-syntax", "x = = 3\n", r"SyntaxError: invalid syntax \(.*bad_syntax.py:1\)"),
        (
            "wants-more",
            "import not_there_at_all\n",
            r"ModuleNotFoundError: No module named 'not_there_at_all' \(.*:1\)",
        ),
        (
            "misspelt",
            "from upt_core import hookimpl\n@hookimpl\ndef register_sampler(register): pass\n",
            "PluginValidationError: unknown hook 'register_sampler'.*; did you mean 'register_samplers'\\?",
        ),
        (
            "unmarked",
            "def register_samplers(register): pass\n",
            "PluginError: register_samplers is not marked with @hookimpl, so it would never be called; mark it",
        ),
        (
            "no-class",
            "from upt_core import hookimpl\n@hookimpl\ndef register_losses(register): register('x', 3)\n",
            "PluginError: loss 'x' is registered as 3; expected a class or 'package.module:Class'",
        ),
        (
            "no-colon",
            "from upt_core import hookimpl\n@hookimpl\ndef register_losses(register): register('x', 'a.b.C')\n",
            "loss 'x' is registered as 'a.b.C'; expected a class or",
        ),
        (
            "odd-name",
            "from upt_core import hookimpl\n@hookimpl\ndef register_losses(register): register('x y', 'a:B')\n",
            "'x y' cannot be the name of a loss; use letters, digits",
        ),
        (
            "odd-argument",
            "from upt_core import hookimpl\n@hookimpl\ndef register_losses(registry): pass\n",
            "PluginValidationError: Plugin 'odd_argument' for hook 'register_losses'",
        ),
    ],
)
def test_every_way_to_be_broken_is_named(site: Site, name: str, source: str, cause: str) -> None:
    site.install(name, source)
    site.install("good-three", GOOD.format(name="every"))
    registry = site.load()
    assert registry.names("sampler") == ["every"]
    (broken,) = registry.broken
    with pytest.raises(AssertionError, match=cause):
        raise AssertionError(broken.cause)


def test_an_entry_point_without_its_module_is_broken(site: Site) -> None:
    site.install("elsewhere", "", entry="not_there_at_all")
    (broken,) = site.load().broken
    assert broken.cause == "ModuleNotFoundError: No module named 'not_there_at_all'"


def test_a_plugin_registers_all_of_its_names_or_none(site: Site) -> None:
    site.install(
        "half", GOOD.format(name="every") + "\n@hookimpl\ndef register_losses(register):\n    register('', 3)\n"
    )
    registry = site.load()
    assert registry.names("sampler") == []
    assert len(registry.broken) == 1


def test_a_name_that_two_claim_is_refused_when_it_is_used(site: Site) -> None:
    site.install("first-one", GOOD.format(name="twice"), version="1.0")
    site.install("second-one", GOOD.format(name="twice"), version="2.0")
    site.install("third-one", GOOD.format(name="once"))
    registry = site.load()
    assert registry.load("sampler", "once").__name__ == "Every"
    assert [len(claims) for claims in registry.conflicts()] == [2]
    message = (
        r"sampler 'twice' is claimed by first-one 1\.0 \(first_one:Every\) and by second-one 2\.0 "
        r"\(second_one:Every\); uninstall one, or ask its author for another name"
    )
    with pytest.raises(PluginError, match=message):
        registry.find("sampler", "twice")


def test_a_class_path_that_is_wrong_is_an_error_of_its_users_only(site: Site) -> None:
    source = "from upt_core import hookimpl\n@hookimpl\ndef register_losses(register): register('{0}', '{1}')\n"
    site.install("no-module", source.format("a", "not_there_at_all:X"))
    site.install("no-attribute", source.format("b", "no_module:X"))
    registry = site.load()
    assert registry.broken == []
    message = r"loss 'a' of no-module 1\.0 cannot be imported from 'not_there_at_all:X': ModuleNotFoundError"
    with pytest.raises(PluginError, match=message):
        registry.load("loss", "a")
    with pytest.raises(
        PluginError, match="cannot be imported from 'no_module:X': AttributeError.*has no attribute 'X'"
    ):
        registry.load("loss", "b")


def test_a_class_of_another_kind_is_refused() -> None:
    entry = Entry("sampler", "dict", dict, Distribution("strange", "1.2"))
    message = r"sampler 'dict' of strange 1\.2 is <class 'dict'>; it must be a subclass of upt_core\.Sampler"
    with pytest.raises(PluginError, match=message):
        entry.load()


def test_an_unknown_name_lists_the_near_ones_and_all(registry: Registry) -> None:
    message = r"no sampler is called 'unifrom'; did you mean 'uniform'\?; known: .*importance.*, uniform"
    with pytest.raises(PluginError, match=message):
        registry.find("sampler", "unifrom")


def test_an_unknown_name_tells_which_other_kind_has_it(registry: Registry) -> None:
    with pytest.raises(PluginError, match=r"no metric is called 'forward'; 'forward' is the name of a loss; known: "):
        registry.find("metric", "forward")
    with pytest.raises(PluginError, match="'cosine' is the name of a sampler and a schedule"):
        registry.find("encoder", "cosine")


def test_nothing_of_a_kind_is_said() -> None:
    with pytest.raises(PluginError, match="no callback is called 'x'; known: none"):
        Registry().find("callback", "x")


def test_the_same_registration_twice_is_one() -> None:
    registry = Registry()
    for _ in range(2):
        registry.register(Entry("loss", "x", "a:B", Distribution("strange", "1.2")))
    assert registry.conflicts() == []


def test_an_object_with_marked_methods_is_a_plugin() -> None:
    class Mine:
        @hookimpl
        def register_losses(self, register: Any) -> None:
            register("mine", "mine:Mine")

    registry = Registry()
    plugins.register_module(registry, Mine(), Distribution("notebook", "0"))
    assert registry.names("loss") == ["mine"]


def test_there_is_one_hook_for_each_kind() -> None:
    hooks = {name for name in vars(RegistrationHooks) if name.startswith("register_")}
    assert {*plugins.HOOKS.values(), *plugins.EXTENSION_HOOKS.values()} == hooks
    assert set(plugins.HOOKS) == set(KINDS)


def test_a_distribution_without_metadata_is_reported_as_unknown(site: Site) -> None:
    site.install("nameless", GOOD.format(name="every"))
    (site.folder / "nameless-1.0.dist-info" / "METADATA").unlink()
    assert site.load().find("sampler", "every").distribution.version == "0"


def test_listing_what_is_installed_imports_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "pydantic", "docstring_parser", "yaml", "matplotlib", "h5py")
    code = (
        "import sys, json; from upt_core.registry.discovery import installed; registry = installed();"
        f"print(json.dumps([[m for m in {heavy!r} if m in sys.modules], registry.names('sampler')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, names = json.loads(done.stdout)
    assert loaded == []
    assert "uniform" in names
