"""The live page: as a file, from the server, of runs to come, going on and finished, and of foreign folders."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.browser import CHROMIUM, needs_chromium
from upt_core import UserError
from upt_core.cli import main
from upt_core.report.live import look, write_once
from upt_core.report.live_server import Answer, LiveServer
from upt_core.report.load import load
from upt_core.report.so_far import figures, finished, seconds_left, silence, status, verdicts_so_far

from .conftest import RunMaker


@contextmanager
def served(folder: Path, every: float = 0.0) -> Iterator[LiveServer]:
    """A server in a thread, closed at the end; it looks at the folder at each request."""
    with LiveServer(folder, every=every, share=math.inf) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def got(address: str, **headers: str) -> tuple[int, str, bytes]:
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, answer.headers["Content-Type"], answer.read()


def add_step(folder: Path, **values: float) -> None:
    """A line of the next step, as a run appends it."""
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    line = {"kind": "step", "epoch": last["epoch"] + 1, "step": last["step"] + 1, "time": last["time"] + 1, **values}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def test_once_of_a_run_that_goes_on(make_run: RunMaker, tmp_path: Path) -> None:
    folder = make_run(epochs=50, done=3, finished=False)
    add_step(folder, gradient_norm=0.75, lr=2e-4)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "epo')  # another process is writing
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(main, ["watch", str(folder), "--once", str(tmp_path / "pages" / "now.html")])
    assert result.exit_code == 0, result.output
    page = tmp_path / "pages" / "now.html"
    assert result.output == page.resolve().as_uri() + "\n"
    text = page.read_text()
    assert re.search(r"In training: 3 of 50 epochs done, 13 s so far; about 1\d\d s left", text) or "min left" in text
    assert "Best so far: relative_l2 0.0912 on the validation split, after epoch 3." in text
    assert "The baseline is measured when the run ends." in text
    for name, value in (("learning rate", "0.0002"), ("gradient norm", "0.75"), ("newest rmse", "0.02707")):
        assert f"<th scope=row>{name}</th><td>{value}</td>" in text
    titles = ["Now", "Validation", "Loss terms", "Weights and learning rate", "Gradient norm"]
    assert re.findall(r"<h2>(.*?)</h2>", text) == titles
    assert text.count("data:image/png;base64,") == 4 * 4
    assert "http" not in text, "the page needs nothing from elsewhere"
    assert "<script" not in text, "a file stays as it is"
    assert sorted(folder.rglob("*")) == before, "nothing is written into the run folder"


def test_once_of_a_finished_run(make_run: RunMaker, tmp_path: Path) -> None:
    folder = make_run()
    (folder / "index.html").write_text("the report")
    write_once(folder, tmp_path / "now.html")
    text = (tmp_path / "now.html").read_text()
    assert "Finished after 6 of 6 epochs and 24\N{NO-BREAK SPACE}s of training" in text
    assert "Better than persistence" in text
    assert f'<a href="{(folder / "index.html").resolve().as_uri()}">Report of the run</a>' in text
    assert "<h2>Example predictions</h2>" in text
    assert "Last line" not in text


def test_a_finished_run_that_goes_on_again(make_run: RunMaker) -> None:
    """Its results are those of before, until it ends again."""
    folder = make_run(epochs=12, done=6)
    an_hour_ago = time.time() - 3600
    os.utime(folder / "results.json", (an_hour_ago, an_hour_ago))
    run = load(folder)
    assert not finished(run)
    assert status(run).startswith("In training: 6 of 12 epochs done")
    assert "On the test split, when the run last ended: persistence 0.0988." in verdicts_so_far(run)[0].words
    assert look(folder).views["predictions"][0].title == "Example predictions when the run last ended"


def test_predictions_on_the_way(make_run: RunMaker) -> None:
    """Before the end those of the validation split; a finished run that goes on again has newer ones than its last."""
    folder = make_run(epochs=12, done=6)
    (folder / "examples.npz").rename(folder / "whole.npz")
    with np.load(folder / "whole.npz") as stored:
        arrays = {**stored, "roles": ["good", "median", "worst"], "numbers": [1, 2, 3], "errors": [0.1, 0.2, 0.3]}
    np.savez(folder / "latest.npz", **arrays, split="valid")
    (folder / "results.json").rename(folder / "kept.json")
    plot, run = look(folder).views["predictions"]
    assert plot.title == "Example predictions"
    assert plot.caption(run).startswith(
        "A good, a median and the worst sample of the validation split, by relative L2 error; recent weights"
    )
    (folder / "whole.npz").rename(folder / "examples.npz")
    (folder / "kept.json").rename(folder / "results.json")
    assert "test split" in plot.caption(look(folder).views["predictions"][1])
    an_hour_ago = time.time() - 3600
    for name in ("results.json", "examples.npz"):
        os.utime(folder / name, (an_hour_ago, an_hour_ago))
    plot, run = look(folder).views["predictions"]
    assert plot.title == "Example predictions"
    assert "validation split" in plot.caption(run)


def test_where_the_sampler_looked_is_shown(make_run: RunMaker) -> None:
    folder = make_run(epochs=12, done=6, finished=False)
    found = {"task": "", "stream": "sampler", "epoch": 1, "count": 8, "effective_share": 1.0, "density": np.ones(8)}
    np.savez(folder / "sampling.npz", **{f"0000/{name}": np.array(value) for name, value in found.items()})
    assert look(folder).views["sampling"][0].title == "Where the sampler looked"


def test_time_left_heeds_the_budget(make_run: RunMaker) -> None:
    run = load(make_run(epochs=12, done=6, finished=False))
    assert seconds_left(run) == pytest.approx(24.0)
    run.config["trainer"]["budget"] = {"seconds": 30.0}
    assert seconds_left(run) == pytest.approx(6.0)


def test_a_run_that_is_silent_for_long(make_run: RunMaker) -> None:
    run = load(make_run(epochs=50, done=3, finished=False))
    assert silence(run, 5.0) == "Last line 5 s ago"
    assert silence(run, 1200.0) == "Last line 20 min ago; the run may have been interrupted"
    assert silence(load(make_run("whole")), 1200.0) == ""


def test_before_the_first_line(make_run: RunMaker) -> None:
    folder = make_run(finished=False)
    (folder / "metrics.jsonl").unlink()
    run = load(folder)
    assert status(run) == "Begun: no step of 6 epochs has been logged yet"
    assert (seconds_left(run), figures(run)) == (None, {})
    assert verdicts_so_far(run)[0].words == "No validation has taken place yet."
    found = look(folder)
    assert "<img" not in found.page(found.embedded, "")


def test_where_more_is_better_the_best_is_the_largest(make_run: RunMaker) -> None:
    folder = make_run(finished=False)
    (folder / "description.json").write_text(json.dumps({"lower_is_better": False}))
    assert figures(load(folder))["best relative_l2"].endswith("after epoch 1")


def test_names_are_escaped(make_run: RunMaker) -> None:
    folder = make_run("<b>run", done=1, finished=False)
    add_step(folder, **{"loss/<script>": 1.0})
    found = look(folder)
    text = found.page(found.embedded, "")
    assert "&lt;b&gt;run" in text
    assert "loss &lt;script&gt;" in text
    assert "<b>" not in text
    assert "<script>" not in text


def test_the_server_follows_a_run_from_before_its_beginning(make_run: RunMaker, tmp_path: Path) -> None:
    folder = tmp_path / "to-come"
    with served(folder) as server, served(folder) as other:
        status_code, kind, page = got(server.address)
        assert (status_code, kind) == (200, "text/html; charset=utf-8")
        assert b"Waiting: the run has not begun." in page
        first = json.loads(got(server.address + "state")[2])["version"]
        assert first in page.decode()
        shutil.copytree(make_run("source", epochs=9, done=2, finished=False), folder)
        state = json.loads(got(server.address + "state")[2])
        assert state["version"] != first
        assert re.fullmatch(r"Last line \d+ s ago", state["age"])
        for one in (server, other):
            text = got(one.address)[2].decode()
            assert "2 of 9 epochs done" in text
            pictures = re.findall(r'srcset="(.*?)"|src="(.*?)"', text)
            assert len(pictures) == 4 * 3
        picture = got(server.address.rstrip("/") + next(filter(None, pictures[0])))
        assert picture[1] == "image/png"
        assert picture[2].startswith(b"\x89PNG")
    with pytest.raises(urllib.error.URLError):
        got(server.address)


def test_the_server_keeps_the_last_state_while_a_file_is_half_written(make_run: RunMaker) -> None:
    folder = make_run(epochs=9, done=2, finished=False)
    with served(folder) as server:
        (folder / "results.json").write_text('{"split": ')
        text = got(server.address)[2].decode()
        assert "The newest files cannot be read; the page will try again." in text
        assert "2 of 9 epochs done" in text
        (folder / "results.json").unlink()
        assert "cannot be read" not in got(server.address)[2].decode()


def test_the_server_links_the_report_and_hides_all_else(make_run: RunMaker) -> None:
    folder = make_run()
    with served(folder) as server:
        assert "Report of the run" not in got(server.address)[2].decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            got(server.address + "report")
        (folder / "index.html").write_text("the report")
        assert '<a href="report">Report of the run</a>' in got(server.address)[2].decode()
        assert got(server.address + "report")[2] == b"the report"
        for path in ("config.yaml", "..%2f..%2fetc/passwd", "losses/-pink.png"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                got(server.address + path)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            got(server.address, Host="elsewhere.example")


def test_it_looks_no_oftener_than_asked(make_run: RunMaker) -> None:
    folder = make_run(epochs=9, done=2, finished=False)
    with served(folder, every=3600.0) as server:
        first = got(server.address + "state")[2]
        add_step(folder, lr=1e-4)
        assert json.loads(got(server.address + "state")[2])["version"] == json.loads(first)["version"]


def test_what_cannot_be_watched_is_refused(make_run: RunMaker, tmp_path: Path) -> None:
    runs = make_run("runs/first", done=1, finished=False).parent
    with pytest.raises(UserError, match=r"not the folder of a run; it has no config.yaml; its newest run is .*first"):
        look(runs)
    other = tmp_path / "other"
    other.mkdir()
    assert look(other).run is None, "an empty folder may become a run's"
    (other / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"it has no config.yaml; name the folder of a run"):
        LiveServer(other)
    with pytest.raises(UserError, match=r"notes.txt: this is a file; name the folder of a run"):
        look(other / "notes.txt")
    (other / "config.yaml").write_text("site_name: x\n")
    with pytest.raises(UserError, match=r"config.yaml is not from a run: it has no trainer and validation"):
        look(other)
    with pytest.raises(UserError, match=r"now.html cannot be written: .*; choose another place"):
        write_once(runs / "first", other / "notes.txt" / "now.html")


def test_a_port_that_is_taken(make_run: RunMaker) -> None:
    folder = make_run(done=1, finished=False)
    with LiveServer(folder) as server:
        port = server.server_port
        result = CliRunner().invoke(main, ["watch", str(folder), "--port", str(port)])
    assert result.exit_code == 2
    assert re.search(rf"port {port} cannot be used: .*; choose another with --port, or leave it out", result.stderr)


@pytest.mark.slow  # waits for a browser, in seconds of a clock
@needs_chromium
def test_a_browser_fetches_what_is_new_once(make_run: RunMaker, tmp_path: Path) -> None:
    """The page asks for the state, renews itself when that changed, and goes on asking, without a console error."""
    folder = make_run(epochs=9, done=2, finished=False)
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    options += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    asked: list[str] = []
    with served(folder, every=0.2) as server, (tmp_path / "log").open("w") as log:
        answer = server.watched.answer

        def noted(address: str) -> Answer:
            asked.append(address.partition("?")[0])
            return answer(address)

        server.watched.answer = noted  # type: ignore[method-assign]
        browser = subprocess.Popen([str(CHROMIUM), *options, server.address], stdout=log, stderr=log)
        try:
            until(lambda: "/state" in asked)
            add_step(folder, lr=1e-4, gradient_norm=0.625)
            until(lambda: "/gradient_norm/.png" in asked)  # a picture that only the renewed page has
            seen = len(asked)
            until(lambda: asked[seen:].count("/state") >= 3)
        finally:
            browser.terminate()
            browser.wait(30)
    assert asked.count("/") == 2, "opened once, renewed once"
    assert "CONSOLE" not in (tmp_path / "log").read_text()


def until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for something that a browser does."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"it did not come about in {seconds:.0f} s"
        time.sleep(0.05)
