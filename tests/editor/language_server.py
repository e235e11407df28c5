"""A client of the real YAML language server, over stdin and stdout, as an editor is one."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

SETTINGS = {"yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}}
SECONDS = 60
"""How long an answer may take; only a server that hangs takes that long."""


class LanguageServer:
    """A running server with one open document.

    Args:
        node_modules: where npm has installed yaml-language-server.
        folder: the workspace.
    """

    def __init__(self, node_modules: Path, folder: Path) -> None:
        script = node_modules / "yaml-language-server" / "bin" / "yaml-language-server"
        self._process = subprocess.Popen(
            ["node", str(script), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._number = self._version = 0
        capabilities = {
            "textDocument": {"completion": {"completionItem": {"snippetSupport": True}}, "publishDiagnostics": {}},
            "workspace": {"configuration": True},
        }
        self._ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities})
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": SETTINGS})

    def open(self, path: Path) -> list[dict[str, Any]]:
        """Opens a document; what is underlined in it."""
        self._uri = path.as_uri()
        document = {"uri": self._uri, "languageId": "yaml", "version": 0, "text": path.read_text(encoding="utf-8")}
        self._tell("textDocument/didOpen", {"textDocument": document})
        return self._diagnostics()

    def change(self, text: str) -> list[dict[str, Any]]:
        """Types another text; what is underlined in it."""
        self._version += 1
        document = {"uri": self._uri, "version": self._version}
        self._tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return self._diagnostics()

    def complete(self, line: int, character: int) -> list[str]:
        """The labels offered at a place; both numbers count from 0."""
        place = {"textDocument": {"uri": self._uri}, "position": {"line": line, "character": character}}
        answer = self._ask("textDocument/completion", place)
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return [item["label"] for item in items]

    def hover(self, line: int, character: int) -> str:
        """The explanation shown at a place."""
        place = {"textDocument": {"uri": self._uri}, "position": {"line": line, "character": character}}
        answer = self._ask("textDocument/hover", place)
        return str(answer["contents"]["value"]) if answer else ""

    def close(self) -> None:
        """Ends the server."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _diagnostics(self) -> list[dict[str, Any]]:
        """What the server says of the newest text."""
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == self._uri:
                return list(message["params"]["diagnostics"])

    def _ask(self, method: str, parameters: Any) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        while True:
            message = self._next()
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]

    def _tell(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _next(self) -> dict[str, Any]:
        """The next message; what the server asks is answered."""
        while True:
            message = self._messages.get(timeout=SECONDS)
            if "id" not in message or "method" not in message:
                return message
            result: Any = None
            if message["method"] == "workspace/configuration":
                result = [SETTINGS.get(item.get("section")) for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": result})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
                header = stream.readline()
            self._messages.put(json.loads(stream.read(length)))
