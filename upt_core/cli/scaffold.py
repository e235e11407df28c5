"""A new plugin package from templates: what ``upt plugins new`` writes."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template
from typing import Literal

import upt_core
from upt_core.errors import UserError
from upt_core.registry import Kind, Registry, with_article
from upt_core.registry.discovery import EXTENSION_HOOKS, HOOKS
from upt_core.registry.doctor import chosen

TEMPLATES = Path(__file__).parent / "template"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".github/workflows/test.yml": "ci.yml",
    "$module/__init__.py": "init.py",
    "$module/$name.py": "$kind.py",
    "tests/test_$name.py": "$test.py",
}
_EDIT = (
    "with its parameters and their descriptions; `tests/test_$name.py` tests the contract of its kind. The "
    "constructor's signature is the YAML schema, so there is no second place to edit."
)
_EDIT_COMMAND = (
    "with its arguments and options; `tests/test_$name.py` calls it from the command line. Besides `upt_core`, it may "
    "import `upt_core.commands`."
)
_CHECKS: dict[Kind, str] = {
    "dataset": "check_dataset($Class(num_trajectories=8, points=16))",
    "sampler": "check_sampler($Class(), **$Class.check_options)",
    "encoder": "check_encoder($Class, order_matters=False)",
    "approximator": "check_approximator($Class, order_matters=False)",
    "decoder": "check_decoder($Class)",
    "loss": "check_loss($Class(), optimum=True, unbiased=True)",
    "schedule": "check_schedule($Class(), low=0.01, high=1)",
    "metric": "check_metric($Class(), reference=lambda prediction, target: float((prediction - target).abs().mean()))",
    "optimizer": "check_optimizer($Class(lr=0.01))",
    "callback": "check_callback($Class())",
}
_YAML: dict[Kind, str] = {
    "dataset": "data: {name: $name}",
    "sampler": "sampler: {name: $name, num_queries: 1024}",
    "encoder": "model:\n  encoder: {name: $name}",
    "approximator": "model:\n  approximator: {name: $name}",
    "decoder": "model:\n  decoder: {name: $name}",
    "loss": "losses:\n  $name: {name: $name, weight: 1.0}",
    "schedule": "losses:\n  forward: {name: forward, weight: {name: $name}}",
    "metric": "validation:\n  metrics:\n    $name: {name: $name}",
    "optimizer": "trainer:\n  optimizer: {name: $name}",
    "callback": "callbacks: [$name]",
}


def write_package(kind: Kind | Literal["command"], name: str, folder: Path, registry: Registry) -> list[Path]:
    """Writes a complete package ``upt-NAME``: class, registration, test, README, CI. It passes its tests as it is.

    Args:
        kind: of the plugin.
        name: what YAML will call it; of a command, what is typed.
        folder: where the package's own folder is made.
        registry: what is installed, to refuse a name that is taken.

    Returns:
        The files, the package's folder first.

    Raises:
        UserError: the name cannot be used, or the folder exists.
    """
    _check_name(kind, name, registry)  # the caller has repaired what can be
    words = _words(kind, name)
    root = folder / words["distribution"]
    if root.exists():
        raise UserError(f"{root} already exists; choose another name or --output, or remove it")
    written = [root]
    for target, template in _FILES.items():
        path = root / Template(target).substitute(words)
        text = (TEMPLATES / f"{Template(template).substitute(words)}.tmpl").read_text(encoding="utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(words), encoding="utf-8")
        written.append(path)
    return written


def repaired(name: str) -> str:
    """A name as YAML and Python can have it: ``Blue-Noise`` and ``BlueNoise`` become ``blue_noise``."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parts.lower()).strip("_")


def _words(kind: Kind | Literal["command"], name: str) -> dict[str, str]:
    words = {
        "kind": kind,
        "name": name,
        "registered": name,
        "Class": _class_name(name),
        "module": f"upt_{name}",
        "distribution": f"upt-{name.replace('_', '-')}",
        "version": upt_core.__version__,
    }
    own = _words_of_command(name) if kind == "command" else _words_of_kind(kind)
    return words | {key: Template(text).substitute(words) for key, text in own.items()}


def _words_of_kind(kind: Kind) -> dict[str, str]:
    return {
        "hook": HOOKS[kind],
        "test": "test",
        "imports": ", ".join(sorted((f"check_{kind}", "check_installed"))),
        "check": _CHECKS[kind],
        "look": "upt plugins show $kind $name",
        "usage": f"In an experiment:\n\n```yaml\n{_YAML[kind]}\n```",
        "edit": _EDIT,
    }


def _words_of_command(name: str) -> dict[str, str]:
    """A command is a function, and is typed with dashes."""
    typed = name.replace("_", "-")
    return {
        "hook": EXTENSION_HOOKS["command"],
        "test": "test_command",
        "registered": typed,
        "Class": name,
        "look": f"upt {typed} --help",
        "usage": f"On the command line:\n\n```console\n$$ upt {typed} experiment.yaml --sort\n```",
        "edit": _EDIT_COMMAND,
    }


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _check_name(kind: Kind | Literal["command"], name: str, registry: Registry) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} cannot name a package; use small letters, digits and '_', beginning with a letter, "
            f"for example {kind}_of_mine"
        )
    words = _words(kind, name)
    if words["Class"] in upt_core.__all__:
        raise UserError(
            f"{name!r} would hide upt_core.{words['Class']}; say what is special about it, for example my_{name}"
        )
    taken = chosen(registry, [words["registered"]], kind)
    if taken:
        raise UserError(
            f"{with_article(kind)} called {words['registered']!r} is already installed by {taken[0].distribution}; a "
            "name can be used once, so choose another"
        )
