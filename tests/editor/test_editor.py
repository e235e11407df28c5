"""An editor with the npm package yaml-language-server completes and checks what ``upt init`` writes.

Runs with ``UPT_TEST_EDITOR=1``. It needs node, npm and npm's registry, or UPT_TEST_NODE_MODULES: a folder with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from upt_core.cli import main
from upt_core.registry.discovery import installed

from .language_server import LanguageServer


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("UPT_TEST_EDITOR") != "1":
        pytest.skip("set UPT_TEST_EDITOR=1 to try the schema in a real YAML language server")
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    if ready := os.environ.get("UPT_TEST_NODE_MODULES"):
        return Path(ready)
    folder = tmp_path_factory.mktemp("npm")
    command = [
        "npm",
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(folder),
        "yaml-language-server",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install yaml-language-server: {done.stderr.strip()[-200:]}")
    return folder / "node_modules"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``upt init`` writes; the schema stands beside it."""
    path = tmp_path_factory.mktemp("experiment") / "first.yaml"
    assert CliRunner().invoke(main, ["init", str(path)]).exit_code == 0
    return path


@pytest.fixture
def server(node_modules: Path, path: Path) -> Iterator[LanguageServer]:
    server = LanguageServer(node_modules, path.parent)
    yield server
    server.close()


def place_of(text: str, part: str) -> tuple[int, int]:
    """Line and character, from 0, where a part of the text ends."""
    before = text[: text.index(part) + len(part)]
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def test_a_new_file_has_no_complaint_and_explains_itself(server: LanguageServer, path: Path) -> None:
    assert server.open(path) == []
    text = path.read_text()
    assert "number of latent tokens" in server.hover(*place_of(text, "    tok"))


def test_names_of_plugins_and_their_keys_are_offered(server: LanguageServer, path: Path) -> None:
    server.open(path)
    text = path.read_text()
    typed = text.replace("  name: stratified\n", "  name: \n", 1)
    assert typed != text
    server.change(typed)
    offered = server.complete(*place_of(typed, "sampler:\n  name: "))
    assert set(installed().names("sampler")) <= set(offered)
    typed = text.replace("  name: adamw\n", "  name: adamw\n    weight_de\n", 1)
    server.change(typed)
    assert "weight_decay" in server.complete(*place_of(typed, "    weight_de"))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("trainer:\n", "trainer:\n  batchsize: 3\n", "batchsize"),
        ("  name: stratified\n", "  name: stratified\n  num_querys: 3\n", "num_querys"),
        ("  name: stratified\n", "  name: stratifeid\n", "stratified"),
        ("  epochs: 10\n", "  epochs: ten\n", "integer"),
        ("  epochs: 10\n", "  epochs: 0\n", "0"),
    ],
)
def test_what_is_wrong_is_underlined(server: LanguageServer, path: Path, right: str, wrong: str, said: str) -> None:
    server.open(path)
    text = path.read_text()
    assert text.count(right) >= 1
    typed = text.replace(right, wrong, 1)
    found = server.change(typed)
    line = place_of(typed, wrong.rstrip("\n"))[0]
    assert [item for item in found if item["range"]["start"]["line"] == line and said in item["message"]], found


def test_stages_are_completed_and_checked(server: LanguageServer, path: Path) -> None:
    server.open(path)
    text = path.read_text()
    stages = "\nstages:\n- name: tune\n  trainer:\n    epochs: 3\n    optimizer: {name: muon}\n    epoch: 3\n"
    typed = text.replace("# stages: []", "") + stages
    (found,) = server.change(typed)
    assert found["range"]["start"]["line"] == place_of(typed, "    epoch: 3")[0]
    typed = typed.replace("    epoch: 3\n", "  losses:\n    forward:\n      name: \n")
    server.change(typed)
    assert {"forward", "spectral"} <= set(server.complete(*place_of(typed, "    forward:\n      name: ")))


def test_a_file_that_extends_another_says_only_what_differs(server: LanguageServer, path: Path) -> None:
    header = path.read_text().partition("\n")[0]
    variant = path.with_name("variant.yaml")
    variant.write_text(f"{header}\nextends: first.yaml\nsampler: {{num_queries: 8}}\n")
    assert server.open(variant) == []
    found = server.change(variant.read_text().replace("num_queries", "num_querys"))
    assert {item["range"]["start"]["line"] for item in found} == {2}
