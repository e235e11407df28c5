"""Files, extends, merging and overrides: every value remembers where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from upt_core import ConfigError
from upt_core.config.document import MAX_BYTES, MAX_FILES, Document, parse, read

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


class TestFiles:
    def test_a_missing_file_names_those_beside_it(self, write: Write, tmp_path: Path) -> None:
        write("burgers.yaml", "a: 1")
        with pytest.raises(ConfigError, match=r"burgres.yaml: does not exist\n    in .*: burgers.yaml"):
            read(tmp_path / "burgres.yaml")

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none/x.yaml: does not exist$"):
            read(tmp_path / "none" / "x.yaml")

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is a folder; expected a file"):
            read(tmp_path)

    def test_a_file_in_place_of_a_folder(self, write: Write) -> None:
        path = write("a.yaml", "a: 1")
        with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
            read(path / "b.yaml")

    def test_a_binary_file(self, tmp_path: Path) -> None:
        path = tmp_path / "model.pt"
        path.write_bytes(b"PK\x03\x04\xff\xfe")
        with pytest.raises(ConfigError, match=r"model.pt: is not text in UTF-8 \(byte 4\)\n    is this a YAML file\?"):
            read(path)

    def test_another_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "old.yaml"
        path.write_bytes("a: Größe".encode("latin-1"))
        with pytest.raises(ConfigError, match=r"is not text in UTF-8 \(byte 5\)"):
            read(path)

    def test_a_byte_order_mark_is_no_text(self, tmp_path: Path) -> None:
        path = tmp_path / "windows.yaml"
        path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
        document = read(path)
        assert document.data == {"a": 1, "b": 2}
        assert document.origins[("b",)] == f"{path}:2:1"

    def test_a_large_file_is_refused_unread(self, write: Write) -> None:
        path = write("big.yaml", "#" * (MAX_BYTES + 1))
        with pytest.raises(ConfigError, match="is larger than 1,000,000 bytes; a configuration is a small text file"):
            read(path)

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
    def test_an_empty_file(self, write: Write, text: str) -> None:
        with pytest.raises(
            ConfigError, match=r"e.yaml(:2:1)?: (is empty; expected an experiment\n    upt init|expected)"
        ):
            read(write("e.yaml", text))

    @pytest.mark.parametrize(("text", "got"), [("- a\n- b", "a list"), ("burgers", "the value 'burgers'")])
    def test_something_else_than_a_mapping(self, text: str, got: str) -> None:
        with pytest.raises(ConfigError, match=f"x.yaml:1:1: expected a mapping of keys; got {got}"):
            parse(text, "x.yaml")


class TestExtends:
    def test_mappings_merge_key_by_key_and_the_file_itself_wins(self, write: Write) -> None:
        base = write("base.yaml", "trainer: {epochs: 10, batch_size: 4}\nseed: 1\n")
        path = write("a.yaml", "extends: base.yaml\ntrainer:\n  epochs: 3\n")
        document = read(path)
        assert document.data == {"trainer": {"epochs": 3, "batch_size": 4}, "seed": 1}
        assert document.origin(("trainer", "epochs")) == f"{path}:3:3"
        assert document.origin(("trainer", "batch_size")) == f"{base}:1:23"
        assert document.origin(("trainer", "missing")) == f"{path}:2:1"
        assert ("extends",) not in document.origins

    def test_later_files_go_over_earlier_ones(self, write: Write) -> None:
        write("one.yaml", "a: 1\nb: 1\nc: 1")
        write("two.yaml", "b: 2\nc: 2")
        assert read(write("x.yaml", "extends: [one.yaml, two.yaml]\nc: 3")).data == {"a": 1, "b": 2, "c": 3}

    def test_files_are_found_beside_the_file_that_names_them(self, write: Write) -> None:
        write("shared/deep/base.yaml", "a: 1")
        write("shared/mid.yaml", "extends: deep/base.yaml\nb: 2")
        assert read(write("x.yaml", "extends: shared/mid.yaml")).data == {"a": 1, "b": 2}

    @pytest.mark.parametrize(
        ("base", "top", "result"),
        [
            ("[1, 2]", "[3]", [3]),
            ("{a: 1}", "null", None),
            ("null", "{a: 1}", {"a": 1}),
            ("{a: 1}", "word", "word"),
            ("uniform", "{num_queries: 4}", {"name": "uniform", "num_queries": 4}),
            ("{name: uniform, num_queries: 4}", "{num_queries: 8}", {"name": "uniform", "num_queries": 8}),
            ("{name: uniform, num_queries: 4}", "{name: uniform}", {"name": "uniform", "num_queries": 4}),
            ("{name: uniform, num_queries: 4}", "{name: ratio, ratio: 0.5}", {"name": "ratio", "ratio": 0.5}),
            ("{name: uniform, num_queries: 4}", "ratio", "ratio"),
            ("uniform", "{name: ratio, ratio: 0.5}", {"name": "ratio", "ratio": 0.5}),
            ("{name: {a: 1}, b: 2}", "{name: {c: 3}}", {"name": {"a": 1, "c": 3}, "b": 2}),
        ],
    )
    def test_how_values_merge(self, write: Write, base: str, top: str, result: object) -> None:
        write("base.yaml", f"key: {base}")
        assert read(write("x.yaml", f"extends: base.yaml\nkey: {top}")).data == {"key": result}

    def test_no_origin_of_a_replaced_value_is_left(self, write: Write) -> None:
        write("base.yaml", "s: {name: uniform, num_queries: 4}")
        path = write("x.yaml", "extends: base.yaml\ns: {name: ratio}")
        assert read(path).origins == {(): f"{path}:1:1", ("s",): f"{path}:2:1", ("s", "name"): f"{path}:2:5"}

    @pytest.mark.parametrize("section", ["losses: {%s}", "validation: {metrics: {%s}}", "tasks: {%s}"])
    def test_null_takes_away_an_entry_whose_name_is_the_users(self, write: Write, section: str) -> None:
        base = write("base.yaml", section % "kept: {name: a}, gone: {name: b, c: 1}")
        path = write("x.yaml", "extends: base.yaml\n" + section % "gone: null")
        document = read(path)
        assert document.data == parse(section % "kept: {name: a}", "x").data
        assert not [known for known in document.origins if "gone" in known]
        key = {"losses": "losses", "validation": "validation.metrics", "tasks": "tasks"}[section.partition(":")[0]]
        overridden = read(base, [f"{key}.gone=null"])
        assert overridden.data == document.data
        assert not [known for known in overridden.origins if "gone" in known]

    def test_null_stays_a_value_elsewhere(self, write: Write) -> None:
        base = write("base.yaml", "sampler: uniform\ntasks: {a: {losses: {b: c}}}")
        path = write("x.yaml", "extends: base.yaml\nsampler: null\ntasks: {a: {losses: {b: null}}}")
        expected = {"sampler": None, "tasks": {"a": {"losses": {"b": None}}}}
        assert read(path).data == expected
        assert read(base, ["sampler=null", "tasks.a.losses.b=null"]).data == expected

    def test_a_bare_name_keeps_its_place(self, write: Write) -> None:
        base = write("base.yaml", "s: uniform")
        document = read(write("x.yaml", "extends: base.yaml\ns: {num_queries: 4}"))
        assert document.origin(("s", "name")) == f"{base}:1:1"

    def test_circles_are_refused(self, write: Write, tmp_path: Path) -> None:
        write("a.yaml", "extends: b.yaml")
        write("b.yaml", "x: 1\nextends: [c.yaml]")
        write("c.yaml", "extends: a.yaml")
        message = r"c.yaml:1:1: extends: the files extend each other in a circle: a.yaml → b.yaml → c.yaml → a.yaml"
        with pytest.raises(ConfigError, match=message):
            read(tmp_path / "a.yaml")

    def test_a_file_may_be_reached_twice_without_a_circle(self, write: Write) -> None:
        write("base.yaml", "a: 1")
        write("left.yaml", "extends: base.yaml")
        write("right.yaml", "extends: base.yaml")
        assert read(write("x.yaml", "extends: [left.yaml, right.yaml]")).data == {"a": 1}

    def test_too_many_files_are_refused(self, write: Write) -> None:
        write("f0.yaml", "a: 1")
        for i in range(1, 9):
            write(f"f{i}.yaml", f"extends: [f{i - 1}.yaml, f{i - 1}.yaml]")
        with pytest.raises(ConfigError, match=f"extends: more than {MAX_FILES} files are merged"):
            read(write("x.yaml", "extends: f8.yaml"))

    def test_a_missing_base_is_located_where_it_is_named(self, write: Write) -> None:
        path = write("x.yaml", "a: 1\nextends:\n  - bas.yaml\n")
        message = rf"{re.escape(str(path))}:3:5: .*bas.yaml does not exist\n    in .*: x.yaml"
        with pytest.raises(ConfigError, match=message):
            read(path)

    @pytest.mark.parametrize(("text", "got"), [("3", "3"), ("[a.yaml, {b: 1}]", "a mapping"), ("''", "''")])
    def test_what_is_no_path(self, write: Write, text: str, got: str) -> None:
        write("a.yaml", "a: 1")
        with pytest.raises(
            ConfigError, match=r"x.yaml:1:\d+: extends: expected the path of a file, or a list of them; got"
        ):
            read(write("x.yaml", f"extends: {text}"))

    def test_an_error_in_a_base_is_located_in_it(self, write: Write) -> None:
        write("base.yaml", "a: 1\na: 2")
        with pytest.raises(ConfigError, match=r"base.yaml:2:1: a: the key 'a' occurs twice"):
            read(write("x.yaml", "extends: base.yaml"))


class TestOverrides:
    @pytest.fixture
    def changed(self, write: Write) -> Callable[..., Document]:
        text = (
            "seed: 0\nsampler: {name: uniform, num_queries: 8}\nmodel: {decoder: perceiver}\ncallbacks: [{name: a}]\n"
        )
        return lambda *overrides: read(write("x.yaml", text), overrides)

    @pytest.mark.parametrize(
        ("override", "path", "value"),
        [
            ("seed=3", ("seed",), 3),
            ("seed='3'", ("seed",), "3"),
            ("seed=", ("seed",), None),
            ("lr=1e-3", ("lr",), 0.001),
            ("a=b=c", ("a",), "b=c"),
            (" a . b = [1, {c: 2}]", ("a", "b"), [1, {"c": 2}]),
            ("new.deep.key=on", ("new", "deep", "key"), "on"),
            ("sampler.num_queries=9", ("sampler",), {"name": "uniform", "num_queries": 9}),
            ("sampler.name=uniform", ("sampler",), {"name": "uniform", "num_queries": 8}),
            ("sampler.name=ratio", ("sampler",), {"name": "ratio"}),
            ("sampler={name: ratio}", ("sampler",), {"name": "ratio"}),
            ("model.decoder.depth=2", ("model", "decoder"), {"name": "perceiver", "depth": 2}),
            ("callbacks.0.every=3", ("callbacks", 0), {"name": "a", "every": 3}),
            ("callbacks.1=b", ("callbacks",), [{"name": "a"}, "b"]),
            ("losses.1=x", ("losses",), {"1": "x"}),
        ],
    )
    def test_values(
        self, changed: Callable[..., Document], override: str, path: tuple[str | int, ...], value: object
    ) -> None:
        document = changed(override)
        found: object = document.data
        for key in path:
            found = found[key]  # type: ignore[index]
        assert found == value
        assert type(found) is type(value)

    def test_the_last_one_counts(self, changed: Callable[..., Document]) -> None:
        assert changed("seed=1", "seed=2").data["seed"] == 2

    def test_a_plugin_is_chosen_before_its_parameters_are_set(self, changed: Callable[..., Document]) -> None:
        document = changed("sampler.ratio=0.5", "sampler.base.start=1", "sampler.base.name=x", "sampler.name=ratio")
        assert document.data["sampler"] == {"name": "ratio", "ratio": 0.5, "base": {"name": "x", "start": 1}}

    def test_origins(self, changed: Callable[..., Document]) -> None:
        document = changed("sampler={name: ratio, base: {name: x}}", "callbacks.0.every=3")
        assert document.origin(("sampler", "base", "name")) == "command line (sampler={name: ratio, base: {name: x}})"
        assert document.origin(("callbacks", 0, "every")) == "command line (callbacks.0.every=3)"
        assert document.origin(("callbacks", 0, "name")).endswith("x.yaml:4:14")

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            (
                "seed",
                "command line: 'seed' is not an override; expected key.path=value\n    for example trainer.epochs=3",
            ),
            ("=3", "command line: '=3' is not an override"),
            ("a..b=3", "command line: 'a..b=3' is not an override"),
            ("a=[1", "command line (a=[1): not valid YAML: expected ',' or ']', but got '<stream end>'"),
            ("a={b: 1, b: 2}", "command line (a={b: 1, b: 2}): b: the key 'b' occurs twice"),
            (
                "callbacks.2=b",
                "command line (callbacks.2=b): callbacks: '2' is not an item of this list of 1; expected a",
            ),
            (
                "a.b=my run #2",
                "command line (a.b=my run #2): a.b: text after # is a comment in YAML, so the value would be "
                "'my run'\n    put the value in quotes: 'a.b=\"my run #2\"'",
            ),
            ("a=#", "a: text after # is a comment in YAML, so the value would be ''"),
            ("a=3 # three", "a: text after # is a comment in YAML, so the value would be '3'"),
            ("callbacks.x.y=b", "callbacks: 'x' is not an item of this list of 1; expected a number from 0"),
        ],
    )
    def test_what_is_wrong(self, changed: Callable[..., Document], override: str, message: str) -> None:
        with pytest.raises(ConfigError, match=re.escape(message)):
            changed(override)

    def test_signs_of_comments_inside_a_value(self, changed: Callable[..., Document]) -> None:
        document = changed('a="my run #2"', "b=run#2", "c='# '", "d=[x#1, 'y #2']")
        assert [document.data[key] for key in "abcd"] == ["my run #2", "run#2", "# ", ["x#1", "y #2"]]

    def test_all_that_are_wrong_are_reported(self, changed: Callable[..., Document]) -> None:
        with pytest.raises(ConfigError) as caught:
            changed("x", "callbacks.9=b", "seed=1", "a=[")
        assert len(caught.value.problems) == 3
