"""``upt plugins doctor``: good, refused, unusable plugins, and those that end or block their process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from importlib.metadata import EntryPoint, distributions, version
from pathlib import Path

import pytest
from click.testing import Result

from upt_core import CheckpointError, ConfigError, Experiment, cli
from upt_core.registry import Registry, doctor
from upt_core.registry import discovery as plugins
from upt_core.registry.names import BrokenPlugin, Distribution

Upt = Callable[..., Result]

INIT = """
from upt_core import hookimpl

@hookimpl
def register_schedules(register):
    register("a_good", "upt_odd.good:Good")
    register("b_needs", "upt_odd.good:Needs")
    register("c_refused", "upt_odd.good:Refused")
    register("d_crash", "upt_odd.crash:Crash")
    register("e_abstract", "upt_odd.good:Abstract")
    register("f_absent", "upt_odd.absent:Nobody")
    register("g_slow", "upt_odd.slow:Slow")
    register("i_example", "upt_odd.good:Example")

@hookimpl
def register_samplers(register):
    register("h_declared", "upt_odd.sampler:Twice")
"""
GOOD = '''
from upt_core import Schedule

print("a plugin may print")

class Good(Schedule):
    """One half."""
    def __call__(self, progress):
        return 0.5

class Needs(Good):
    """What is asked for."""
    def __init__(self, value: float) -> None: ...

class Example(Needs):
    """An example of what is asked for."""
    check_arguments = {"value": 0.5}

class Refused(Schedule):
    """Not a number."""
    def __call__(self, progress):
        return float("nan")

class Abstract(Schedule):
    """Nothing."""
'''


TEMPLATE = Path(cli.__file__).parent / "template" / "sampler.py.tmpl"


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An installed distribution with plugins of every fate."""
    site = tmp_path / "site"
    package, info = site / "upt_odd", site / "upt_odd-0.4.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(INIT)
    (package / "good.py").write_text(GOOD)
    (package / "sampler.py").write_text(TEMPLATE.read_text().replace("$Class", "Twice"))
    (package / "crash.py").write_text("import os\nos._exit(7)\n")
    (package / "slow.py").write_text("import time\ntime.sleep(600)\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: upt-odd\nVersion: 0.4\n")
    (info / "entry_points.txt").write_text("[upt_core]\nodd = upt_odd\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    invalidate_caches()
    plugins.installed.cache_clear()
    yield plugins.installed()
    plugins.installed.cache_clear()


NAMES = ["a_good", "b_needs", "c_refused", "d_crash", "e_abstract", "f_absent"]


def test_every_fate_is_reported_and_stops_no_other(upt: Upt, odd: Registry) -> None:
    result = upt("plugins", "doctor", *NAMES)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    starts = [line.split(" schedule ")[0].strip() for line in lines if " schedule '" in line and line[0] != " "]
    assert starts == ["ok", "partly", "refused", "broken", "broken", "broken"]
    text = " ".join(result.output.split())
    assert "ok schedule 'a_good' of upt-odd 0.4, imported in 0." in text
    assert "the kit was not run: value has no default; give it one in the class attribute check_arguments" in text
    assert "number: nan of type float at Progress(epoch=0" in text
    assert "cure: use math instead of torch" in text
    assert "it ended the process with code 7" in text
    assert "schedule 'e_abstract' of upt-odd 0.4 cannot be used: Abstract lacks the method __call__" in text
    assert "cannot be imported from 'upt_odd.absent:Nobody': ModuleNotFoundError" in text
    assert lines[-1] == "6 examined, 4 wrong"


DEADLY = {
    "a_exit": ("import os\nos._exit(7)\n", "its import ended the process with code 7"),
    "b_fault": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "its import ended the process by SIGSEGV"),
    "c_loop": ("while True: pass\n", "its import did not end within 1.5 s"),
    "c_memory": ("kept = [bytes(2**30) for _ in range(64)]\n", "its import tried to use more than 4 GiB of memory"),
    "d_prints": ("print('{', flush=True)\n", None),
    "d_raises": ("1 / 0\n", None),
    "e_well": ("", None),
}


def test_entry_points_that_end_or_block_their_process_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What raises is well here: the registry reports it."""
    info = tmp_path / "upt_deadly-0.1.dist-info"
    info.mkdir()
    for name, (code, _) in DEADLY.items():
        (tmp_path / f"deadly_{name}.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: upt-deadly\nVersion: 0.1\n")
    listed = "\n".join(f"{name} = deadly_{name}" for name in DEADLY)
    (info / "entry_points.txt").write_text(f"[upt_core]\n{listed}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    points = [p for d in distributions(path=[str(tmp_path)]) for p in d.entry_points if p.group == plugins.GROUP]
    well, broken = doctor.survivors(points, seconds_each=1.5)
    assert [point.name for point in well] == ["d_prints", "d_raises", "e_well"]
    assert {plugin.entry_point: plugin.cause for plugin in broken} == {
        name: cause for name, (_, cause) in DEADLY.items() if cause
    }
    assert str(broken[0]).startswith("a_exit of upt-deadly 0.1 (")


def test_what_the_author_declares_is_heeded(upt: Upt, odd: Registry) -> None:
    result = upt("plugins", "doctor", "h_declared", "i_example")
    assert result.exit_code == 0, result.output
    assert "2 examined, 0 wrong" in result.output


def test_one_that_blocks_is_ended(odd: Registry) -> None:
    entries = doctor.chosen(odd, ["g_slow"])
    (finding,) = doctor.examine(entries, seconds_each=0.5)
    assert finding.state == "broken"
    assert finding.message == "it did not end within 0.5 s"


def test_all_is_well(upt: Upt) -> None:
    result = upt("plugins", "doctor", "constant", "warmup_cosine", "--kind", "schedule")
    assert result.exit_code == 0
    assert "ok       schedule 'warmup_cosine' of upt-core" in result.output
    assert result.output.endswith("2 examined, 0 wrong\n")


def test_unknown_names_are_refused(refused: Callable[..., str]) -> None:
    message = refused("plugins", "doctor", "nobody", "--kind", "sampler")
    assert "no plugin of kind sampler is called 'nobody'; upt plugins lists all names" in message


def test_third_party_alone(upt: Upt) -> None:
    result = upt("plugins", "doctor", "uniform", "--third-party")
    assert result.output == "0 examined, 0 wrong\n"


def test_built_in_plugins_alone(odd: Registry) -> None:
    points = [point for found in distributions() for point in found.entry_points if point.group == plugins.GROUP]
    assert "a_good" in plugins.load(points).names("schedule")
    own = doctor.built_in(points)
    assert {entry.distribution.name for claims in own.entries.values() for entry in claims} == {"upt-core"}
    assert own.names("schedule") == [name for name in odd.names("schedule") if name[1] != "_"]


def test_the_code_of_others_is_not_imported_without_them() -> None:
    class Trap(EntryPoint):
        def load(self) -> None:
            raise AssertionError("imported")

    assert doctor.built_in([Trap("trap", "trap", plugins.GROUP)]).entries == {}


def test_an_experiment_of_built_in_plugins_alone(odd: Registry) -> None:
    third_party = "losses.latent_norm.weight={name: a_good}"
    assert Experiment.from_yaml("tiny.yaml", [third_party])
    assert Experiment.from_yaml("tiny.yaml", registry=doctor.built_in())
    with pytest.raises(ConfigError, match=r"no schedule is called 'a_good'"):
        Experiment.from_yaml("tiny.yaml", [third_party], registry=doctor.built_in())


class TestMissing:
    RECORDED = {  # noqa: RUF012 (as JSON has it)
        "sampler uniform": {"distribution": "upt-core", "version": "0.1.0"},
        "sampler halton": {"distribution": "upt-halton", "version": "1.2"},
    }

    def test_the_distribution_to_install_is_named(self) -> None:
        (line,) = doctor.missing_plugins(self.RECORDED, plugins.installed())
        assert line == (
            "sampler 'halton' is not installed; it came with upt-halton==1.2: pip install 'upt-halton==1.2'"
        )

    def test_a_plugin_that_has_another_name_now(self) -> None:
        present = version("upt-core")
        recorded = {"schedule wave": {"distribution": "upt-core", "version": present}}
        (line,) = doctor.missing_plugins(recorded, plugins.installed())
        assert line.startswith(
            f"schedule 'wave' came with upt-core=={present}; upt-core {present} is installed, but it has '"
        )
        assert line.endswith("'; if the class was renamed, register it under 'wave' too")
        recorded["schedule wave"]["version"] = "0.0.1"
        (line,) = doctor.missing_plugins(recorded, plugins.installed())
        assert "; pip install 'upt-core==0.0.1', or if the class was renamed, register it under 'wave'" in line

    def test_a_distribution_that_is_broken_or_left_out(self) -> None:
        recorded = {"sampler halton": {"distribution": "pytest", "version": "1.2"}}
        broken = BrokenPlugin("halton", Distribution("pytest", "1.2"), "ImportError: no scipy")
        (line,) = doctor.missing_plugins(recorded, Registry(broken=[broken]))
        assert line.endswith(" is installed, but it does not load: ImportError: no scipy")
        (line,) = doctor.missing_plugins(recorded, Registry())
        assert line.endswith(
            "but none of its plugins is in use: upt plugins says why; --no-third-party leaves them out"
        )

    def test_nothing_is_missing(self) -> None:
        recorded = {"sampler uniform": self.RECORDED["sampler uniform"], "from a later upt": {}}
        assert doctor.missing_plugins(recorded, plugins.installed()) == []

    def test_a_run_folder_is_refused_with_the_cure(self, tmp_path: Path) -> None:
        doctor.check_run(tmp_path, plugins.installed())
        (tmp_path / "environment.json").write_text(json.dumps({"plugins": self.RECORDED}))
        with pytest.raises(
            CheckpointError, match=r"plugins of this run are missing\n    sampler 'halton' is not installed"
        ):
            doctor.check_run(tmp_path, plugins.installed())
