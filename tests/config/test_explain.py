"""Every value of an experiment tells where it came from."""

from __future__ import annotations

from pathlib import Path

from upt_core.config.document import read
from upt_core.config.explain import DEFAULT, explain
from upt_core.config.sections import as_plain
from upt_core.config.settings import validate
from upt_core.registry import Registry


def test_origins_of_files_command_line_and_defaults(tmp_path: Path, experiment: str, registry: Registry) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(experiment)
    path = tmp_path / "exp.yaml"
    path.write_text("extends: base.yaml\ntrainer: {batch_size: 4}\nmodel: {encoder: {frequencies: [1, 2]}}\n")
    document = read(path, ["trainer.epochs=7", "sampler={name: ratio, ratio: 0.5}"])
    found = {item.path: (item.value, item.origin) for item in explain(document, validate(document, registry))}
    assert found["trainer", "batch_size"] == (4, f"{path}:2:11")
    assert found["trainer", "epochs"] == (7, "command line (trainer.epochs=7)")
    assert found["trainer", "optimizer", "lr"] == (0.001, f"{base}:13:28")
    assert found["trainer", "log_every"] == (10, DEFAULT)
    assert found["model", "decoder", "name"] == ("perceiver", f"{base}:6:3")
    assert found["model", "decoder", "depth"] == (2, DEFAULT)
    assert found["model", "encoder", "frequencies"] == ([1, 2], f"{path}:3:19")
    assert found["sampler", "ratio"] == (0.5, "command line (sampler={name: ratio, ratio: 0.5})")
    assert found["losses", "inverse", "weight"] == (0.5, f"{base}:10:37")
    assert found["losses", "forward", "weight"] == (1.0, DEFAULT)
    assert found["callbacks",] == ([], DEFAULT)


def test_the_values_are_those_of_the_resolved_experiment(shipped: Path, registry: Registry) -> None:
    document = read(shipped)
    settings = validate(document, registry)
    plain = as_plain(settings)
    explained = explain(document, settings)
    for path, value, origin in explained:
        at = plain
        for key in path:
            at = at[key]
        assert at == value
        assert origin == DEFAULT or origin.startswith(f"{shipped}:")
    written = [path for path in document.origins if path and not any(other[:-1] == path for other in document.origins)]
    named = {item.path for item in explained if item.origin != DEFAULT}
    assert {path for path in written if not {path, path[:-1], (*path, "name")} & named} == set()


def test_items_of_lists_are_explained_one_by_one(tmp_path: Path, experiment: str, registry: Registry) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(experiment + "callbacks: [csv]\n")
    document = read(path)
    found = {item.path: item.origin for item in explain(document, validate(document, registry))}
    assert found["callbacks", 0, "name"] == f"{path}:16:13"
