"""``upt plugins``: the list, one plugin in full, and plugins of others that are broken or claim a name twice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from upt_core import __version__

from .conftest import Upt

Process = Callable[..., subprocess.CompletedProcess[str]]


def test_list(upt: Upt) -> None:
    lines = upt("plugins").output.splitlines()
    assert lines[0].split() == ["KIND", "NAME", "DISTRIBUTION", "VERSION", "SUMMARY"]
    plugins = lines[1 : lines.index("")]  # below stand commands and converters
    rows = {tuple(line.split()[:2]): line.split(maxsplit=4) for line in plugins}
    assert rows[("sampler", "uniform")][2:4] == ["upt-core", __version__]
    assert rows[("callback", "csv")][4].startswith("Writes one row for each epoch")
    assert all(len(row) == 5 and not row[4].startswith("broken") for row in rows.values())


def test_list_of_one_kind(upt: Upt) -> None:
    lines = upt("plugins", "--kind", "optimizer").output.splitlines()
    assert {line.split()[0] for line in lines} == {"KIND", "optimizer"}


def test_show(upt: Upt) -> None:
    text = upt("plugins", "show", "sampler", "ratio").output
    assert text.startswith("sampler ratio   upt-core ")
    assert "upt_samplers.ratio:Ratio" in text
    assert "    ratio: Annotated[float, Field(gt=0, le=1)]," in text
    rows = [line.split(maxsplit=4) for line in text.partition("Parameters\n")[2].splitlines() if line.strip()]
    assert rows[0][:4] == ["ratio", "float", ">", "0,"]
    assert any(row[:5][0] == "base" and "sampler or null" in " ".join(row) for row in rows)
    assert "class Ratio(" in text
    assert "ratio.py:" in text


def test_show_lists_the_keys_that_every_loss_has(upt: Upt) -> None:
    text = upt("plugins", "show", "loss", "forward").output.partition("Parameters\n")[2].partition("Source")[0]
    names = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    assert names[-3:] == ["weight", "every", "sampler"]
    assert "number or schedule" in text


def test_show_of_an_unknown_name(refused: Callable[..., str]) -> None:
    message = refused("plugins", "show", "sampler", "stratifed")
    assert "no sampler is called 'stratifed'; did you mean 'stratified'?" in message


def distribution(site: Path, name: str, module: str, source: str) -> None:
    """Installs a distribution with one entry point, as pip would leave it."""
    info = site / f"{name}-1.2.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text(f"[upt_core]\n{module} = {module}\n")
    (site / f"{module}.py").write_text(source)


REGISTER = """
from upt_core import hookimpl

@hookimpl
def register_samplers(register):
    register("{name}", "{target}")
"""


def test_broken_plugins_are_listed_with_distribution_and_cause(own_process: Process, tmp_path: Path) -> None:
    distribution(tmp_path / "site", "upt-broken", "broken_plugin", "import module_that_is_not_there\n")
    done = own_process("plugins", path=tmp_path / "site")
    assert done.returncode == 0
    broken = done.stdout.partition("Broken")[2]
    assert (
        "broken_plugin of upt-broken 1.2.3: ModuleNotFoundError: No module named 'module_that_is_not_there'" in broken
    )
    assert "broken_plugin.py:1" in broken
    assert "sampler" in done.stdout  # all others are there


def test_a_name_claimed_twice_is_listed_with_both(own_process: Process, tmp_path: Path) -> None:
    source = REGISTER.format(name="uniform", target="other_plugin:Uniform")
    distribution(tmp_path / "site", "upt-other", "other_plugin", source)
    done = own_process("plugins", path=tmp_path / "site")
    assert f"sampler 'uniform': upt-core {__version__} and upt-other 1.2.3" in done.stdout.partition("Claimed twice")[2]
    done = own_process("plugins", "show", "sampler", "uniform", path=tmp_path / "site")
    assert done.returncode == 2
    assert "sampler 'uniform' is claimed by" in done.stderr


@pytest.mark.parametrize(
    ("target", "summary"),
    [
        ("absent_module:Far", "broken: there is no module absent_module"),
        ("absent.module:Far", "broken: ModuleNotFoundError: No module named 'absent'"),
        ("far_plugin:Far", "Looks far away."),
    ],
)
def test_summaries_come_from_the_source(own_process: Process, tmp_path: Path, target: str, summary: str) -> None:
    source = REGISTER.format(name="far", target=target) + '\nclass Far:\n    """Looks far away.\n\n    More."""\n'
    distribution(tmp_path / "site", "upt-far", "far_plugin", source)
    done = own_process("plugins", "--kind", "sampler", path=tmp_path / "site")
    row = next(line for line in done.stdout.splitlines() if " far " in line)
    assert row.split(maxsplit=4)[2:] == ["upt-far", "1.2.3", summary]


def test_commands_and_converters_are_listed_with_their_distribution(own_process: Process, tmp_path: Path) -> None:
    said = own_process("plugins", path=tmp_path).stdout.partition("ROLE")[2].splitlines()
    assert ["command", "sweep", "upt-core", __version__] in [line.split() for line in said]
    assert ["converter", "pdet", "upt-core", __version__] in [line.split() for line in said]


COMMAND = """
import click
from upt_core import hookimpl

@click.command()
def own():
    \"\"\"Does something else.\"\"\"

@hookimpl
def register_commands(register):
    register("{name}", own)
"""
HIDDEN = (
    "command 'compare' of upt-other 1.2.3 never runs, because upt has a command of this name; ask its author to "
    "register another name, or uninstall upt-other"
)


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """Where a distribution is installed that claims the name of a command of upt."""
    distribution(tmp_path / "site", "upt-other", "other_plugin", COMMAND.format(name="compare"))
    return tmp_path / "site"


def test_a_command_with_the_name_of_upts_own_is_named_with_the_cure(own_process: Process, hidden: Path) -> None:
    done = own_process("compare", "--help", path=hidden)
    assert done.stdout.startswith("Usage: upt compare")
    assert done.stderr == f"warning: {HIDDEN}\n"
    assert own_process("info", "--help", path=hidden).stderr == ""
    assert "".join(HIDDEN.split()) in "".join(own_process("--help", path=hidden).stdout.split())
    assert f"Never run\n  {HIDDEN}\n" in own_process("plugins", path=hidden).stdout
    done = own_process("plugins", "doctor", "compare", path=hidden)
    assert done.returncode == 1
    assert "refused  command 'compare' of upt-other 1.2.3, imported in" in done.stdout
    assert HIDDEN in done.stdout


def test_nobody_elses_commands_are_looked_at_without_third_parties(own_process: Process, tmp_path: Path) -> None:
    distribution(tmp_path / "site", "upt-other", "other_plugin", COMMAND.format(name="check"))
    assert "never runs" in own_process("check", "tiny.yaml", path=tmp_path / "site").stderr
    assert own_process("check", "tiny.yaml", "--no-third-party", path=tmp_path / "site").stderr == ""


def test_a_command_that_two_claim_is_listed_with_both(own_process: Process, tmp_path: Path) -> None:
    for name in ("one", "two"):
        distribution(tmp_path / "site", name, f"plugin_{name}", COMMAND.format(name="weigh"))
    done = own_process("plugins", path=tmp_path / "site")
    assert "command 'weigh': one 1.2.3 and two 1.2.3" in done.stdout.partition("Claimed twice")[2]
    done = own_process("weigh", path=tmp_path / "site")
    assert done.returncode == 2
    assert "command 'weigh' is claimed by one 1.2.3 and by two 1.2.3; uninstall one" in done.stderr
