"""Completion in the shell, asked as bash, zsh and fish ask."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Upt
from upt_core.cli import main


def completed(line: str, shell: str = "bash") -> list[str]:
    """What the last word of a line completes to."""
    words = line.split(" ")
    environment = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_UPT_COMPLETE": f"{shell}_complete"}
    result = CliRunner().invoke(main, prog_name="upt", env=environment, complete_var="_UPT_COMPLETE")
    return [text for text in result.output.split() if text]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("upt tr", ["plain,train"]),
        ("upt train", ["plain,train"]),
        ("upt train ti", ["file,ti"]),
        ("upt train tiny.yaml trainer.ep", ["plain,trainer.epochs="]),
        ("upt check tiny.yaml losses.inverse_encoding.w", ["plain,losses.inverse_encoding.weight="]),
        ("upt config show tiny.yaml trainer.ep", ["plain,trainer.epochs="]),
        ("upt train not_there.yaml trainer.ep", []),
        ("upt plugins show sampler strat", ["plain,stratified"]),
        ("upt plugins show loss strat", []),
        ("upt plugins doctor strat", ["plain,stratified"]),
        ("upt predict run new.n", ["file,new.n"]),
        ("upt predict run data.path=x", []),
        ("upt evaluate --spl", ["plain,--split"]),
    ],
)
def test_words_complete(upt: Upt, line: str, expected: list[str]) -> None:
    assert completed(line) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_of_the_page_gives_a_script(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.shell_completion.BashComplete._check_version", lambda self=None: None)
    result = CliRunner().invoke(
        main, prog_name="upt", env={"_UPT_COMPLETE": f"{shell}_source"}, complete_var="_UPT_COMPLETE"
    )
    assert "_upt_completion" in result.output
    assert f"_UPT_COMPLETE={shell}_complete" in result.output
