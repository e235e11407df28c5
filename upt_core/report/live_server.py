"""A small server of the live page, for browsers on this machine alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from upt_core.errors import UserError
from upt_core.report.live import LOOKS, look, report_of, version_of
from upt_core.report.style import Theme

HOST = "127.0.0.1"
Answer = tuple[HTTPStatus, str, bytes]


class Watched:
    """A run folder as browsers see it: read anew when it has changed, and not too often.

    Args:
        folder: the run folder, which need not exist yet.
        every: seconds between looks at the folder, at least.
        share: of the time that reading and drawing may take, so that the run keeps the machine.

    Raises:
        UserError: the folder is that of something else.
    """

    def __init__(self, folder: Path, every: float, share: float) -> None:
        self.folder, self.every, self._share = folder, every, share
        self._snapshot = look(folder)
        self._drawn: dict[tuple[str, str], bytes] = {}
        self._trouble = ""
        self._spent, self._due = 0.0, time.monotonic() + every
        self._lock = threading.Lock()  # matplotlib's settings are those of the whole process

    def answer(self, address: str) -> Answer:
        """What a browser gets for the path of an address."""
        with self._lock:
            begun = time.process_time()
            self._refresh()
            found = self._answer(unquote(urlsplit(address).path).removeprefix("/"))
            self._spent += time.process_time() - begun
            return found

    def _answer(self, name: str) -> Answer:
        fixed: dict[str, Callable[[], Answer]] = {"": self._page, "state": self._state, "report": self._report}
        if name in fixed:
            return fixed[name]()
        plot, _, suffix = name.removesuffix(".png").rpartition("/")
        if plot in self._snapshot.views and suffix in LOOKS:
            return HTTPStatus.OK, "image/png", self._picture(plot, suffix)
        return HTTPStatus.NOT_FOUND, "text/plain", b"there is nothing here; the page is at /\n"

    def _refresh(self) -> None:
        if time.monotonic() < self._due:
            return
        version = version_of(self.folder)
        if version != self._snapshot.version or self._trouble:
            self._look()
        self._due = time.monotonic() + max(self.every, self._spent / self._share)
        self._spent = 0.0

    def _look(self) -> None:
        """Reads the folder; the last good state stays where a file is half written."""
        try:
            self._snapshot, self._trouble, self._drawn = look(self.folder), "", {}
        except UserError as error:
            self._trouble = f"The newest files cannot be read; the page will try again. {error}"

    def _page(self) -> Answer:
        report = "report" if report_of(self.folder).is_file() else ""
        text = self._snapshot.page(self._address, report, self._trouble, self.every)
        return HTTPStatus.OK, "text/html; charset=utf-8", text.encode()

    def _address(self, name: str, theme: Theme) -> str:
        return f"/{quote(name)}/{theme.suffix}.png?{self._snapshot.version}"

    def _state(self) -> Answer:
        state = {"version": self._snapshot.version, "age": self._snapshot.last_written(time.time())}
        return HTTPStatus.OK, "application/json", json.dumps(state).encode()

    def _report(self) -> Answer:
        path = report_of(self.folder)
        if not path.is_file():
            return HTTPStatus.NOT_FOUND, "text/plain", b"the run has no report yet\n"
        return HTTPStatus.OK, "text/html; charset=utf-8", path.read_bytes()

    def _picture(self, name: str, suffix: str) -> bytes:
        if (name, suffix) not in self._drawn:
            self._drawn[name, suffix] = self._snapshot.picture(name, LOOKS[suffix])
        return self._drawn[name, suffix]


class LiveServer(ThreadingHTTPServer):
    """Serves the live page of a run; ``serve_forever`` begins, ``shutdown`` and ``server_close`` end.

    Args:
        folder: the run folder, which need not exist yet.
        port: of this machine; 0 takes one that is free.
        every: seconds between looks at the folder, at least.
        share: of the time that reading and drawing may take, so that the run keeps the machine.

    Raises:
        UserError: the folder is that of something else, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0, every: float = 3.0, share: float = 0.05) -> None:
        self.watched = Watched(folder, every, share)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UserError(
                f"port {port} cannot be used: {error.strerror}; choose another with --port, or leave it out"
            ) from error

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer

    def do_GET(self) -> None:
        """Answers, where the browser asked for this machine: a page from elsewhere may not read a run."""
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in (HOST, "localhost"):
            status, kind, content = HTTPStatus.FORBIDDEN, "text/plain", b"ask for localhost or 127.0.0.1\n"
        else:
            status, kind, content = self.server.watched.answer(self.path)
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the browser went away

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the terminal free: requests are of no interest."""
