"""Entry points read from folders are those that ``importlib.metadata`` finds, wherever it finds them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from importlib import metadata
from importlib.metadata import DistributionFinder, PathDistribution
from pathlib import Path
from typing import Any

import pytest

from upt_core.registry import entry_points as own
from upt_core.registry.discovery import load
from upt_core.registry.entry_points import FoundPoint

Told = list[tuple[str, str, str, str]]
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: x: y\n\nName: of the description\n"


def distribution(site: Path, folder: str, name: str, version: str, points: str, file: str = "METADATA") -> None:
    info = site / folder
    info.mkdir(parents=True)
    (info / file).write_text(METADATA.format(name=name, version=version), encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")


def told(points: Iterable[Any]) -> Told:
    return sorted((point.name, point.value, str(point.dist.name), str(point.dist.version)) for point in points)


def both(group: str) -> tuple[Told, Told]:
    return told(own.entry_points(group)), told(metadata.entry_points(group=group))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def test_every_group_of_this_installation() -> None:
    groups = metadata.entry_points().groups
    assert {"upt_core", "console_scripts"} <= groups
    for group in groups:
        mine, theirs = both(group)
        assert mine == theirs, group


def test_comments_sections_and_endings_are_read_alike(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# all\n[other]\nno = no\n\n[upt_trial]\n# mine\n a.b = pkg.mod : Thing.part [extra]\nc=mod\n"
    distribution(site, "One_Two.x-1.0.dist-info", "one-two.x", "1.0", text)
    distribution(site, "old.egg-info", "old", "2.0", "[upt_trial]\nd = mod\n", "PKG-INFO")
    (site / "script-1.egg-info").write_text("Name: script\n")  # a file, as distutils left it
    later = tmp_path / "later"
    distribution(later, "one.two_x-9.dist-info", "One-Two-X", "9", "[upt_trial]\nhidden = mod\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(later), str(tmp_path / "absent")])
    mine, theirs = both("upt_trial")
    assert mine == theirs
    assert [name for name, *_ in mine] == ["a.b", "c", "d"]
    assert mine[0] == ("a.b", "pkg.mod : Thing.part [extra]", "one-two.x", "1.0")


def test_archives_and_eggs_are_asked_of_the_standard_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("zipped-1.0.dist-info/METADATA", METADATA.format(name="zipped", version="1.0"))
        written.writestr("zipped-1.0.dist-info/entry_points.txt", "[upt_trial]\nz = json\n")
    egg = tmp_path / "laid.egg"
    distribution(egg, "EGG-INFO", "laid", "3", "[upt_trial]\ne = json\n", "PKG-INFO")
    monkeypatch.setattr(sys, "path", [*sys.path, str(archive), str(egg)])
    assert [name for name, *_ in told(own.entry_points("upt_trial"))] == ["e", "z"]


def test_another_finder_of_distributions_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "far-1.dist-info", "far", "1", "[upt_trial]\nfar = json\n")

    class Finder(DistributionFinder):
        def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
            return None

        def find_distributions(self, context: Any = None) -> Iterable[metadata.Distribution]:
            return [PathDistribution(tmp_path / "far-1.dist-info")]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert told(own.entry_points("upt_trial")) == [("far", "json", "far", "1")]


def test_an_entry_point_loads_what_it_names(site: Path) -> None:
    distribution(site, "of-1.dist-info", "of", "1", "[upt_trial]\nm = json\no = json : JSONDecoder.decode [x]\n")
    module, thing = own.entry_points("upt_trial")
    assert module.load() is json
    assert thing.load() is json.JSONDecoder.decode


def test_a_value_that_names_nothing_is_a_broken_plugin(site: Path) -> None:
    distribution(site, "of-1.dist-info", "of", "1", "[upt_trial]\nodd = not a module\n")
    points = own.entry_points("upt_trial")
    said = "ValueError: 'not a module' is not 'package.module' or 'package.module:object'"
    assert isinstance(points[0], FoundPoint)
    (broken,) = load(points).broken
    assert str(broken).startswith(f"odd of of 1 ({said}")


def test_a_distribution_without_metadata_is_unknown(site: Path) -> None:
    (site / "bare-1.dist-info").mkdir()
    (site / "bare-1.dist-info" / "entry_points.txt").write_text("[upt_trial]\nb = absent_module\n")
    (broken,) = load(own.entry_points("upt_trial")).broken
    assert str(broken.distribution) == "unknown 0"


def test_help_does_without_the_library_that_is_slow_to_import() -> None:
    code = "import sys\nfrom upt_core.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
    code += "print('importlib.metadata' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bench" in done.stdout  # a command that comes in through an entry point
    assert done.stderr == "False\n"
