"""A small server for one person's browser: this machine only, names looked up, never paths joined, one thing to write (votes)."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from audioml.dashboard.site import POLICY, TYPES
from audioml.dashboard.votes import add_vote
from audioml.dashboard.watch import Watch
from audioml.errors import AudiomlError, RunError

ADDRESS = "127.0.0.1"
HOSTS = ("127.0.0.1", "localhost")  # any port: an ssh tunnel has its own
LARGEST = 4096  # bytes of a vote
SAFE = {
    "Content-Security-Policy": POLICY.format(more="") + "; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # another site may not load our data as a script
    "Cache-Control": "no-cache",
}


class Server(ThreadingHTTPServer):
    """Serves `watch`; `url` says where.  Raises RunError when the port is taken."""

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, watch: Watch, port: int) -> None:
        self.watch = watch
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            why = error.strerror or error
            raise RunError(f"cannot serve on port {port}: {why}; choose another: --port N (0: a free one)") from None

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{ADDRESS}:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    """GET a file of the site or ``api/version``; POST ``api/votes``."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "audioml", ""
    timeout = 60

    def do_GET(self) -> None:
        """A file, by its exact name."""
        self._guarded(self._get)

    def do_HEAD(self) -> None:
        """As GET, without the file."""
        self._guarded(self._get)

    def do_POST(self) -> None:
        """A vote."""
        self._guarded(self._post)

    def log_message(self, *_: Any) -> None:
        """The terminal stays for sentences."""

    def _guarded(self, work: Any) -> None:
        try:
            if not self._local():
                self.close_connection = True
                self._text(403, "this page is served to this machine only: open it as localhost or 127.0.0.1")
            else:
                work()
        except AudiomlError as error:
            self._text(500 if isinstance(error, RunError) else 400, str(error))
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True

    def _local(self) -> bool:
        """A page of another name that resolves to this machine (DNS rebinding), or another site's request, is refused."""
        host, origin = _hostname(f"//{self.headers.get('Host', '')}"), self.headers.get("Origin")
        same = origin is None or urlsplit(origin).netloc == self.headers.get("Host")
        return host in HOSTS and same and self.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")

    def _get(self) -> None:
        name = urlsplit(self.path).path.removeprefix("/") or "index.html"
        if name == "api/version":
            return self._send(200, "application/json", json.dumps({"version": self.server.watch.version()}).encode())
        data = self.server.watch.site().file(name)
        if data is None:
            return self._text(404, "there is no such file")
        return self._send(200, TYPES[PurePosixPath(name).suffix], data)

    def _post(self) -> None:
        length, kind = self.headers.get("Content-Length", ""), self.headers.get("Content-Type", "")
        if urlsplit(self.path).path != "/api/votes":
            self.close_connection = True
            return self._text(404, "only votes are taken, at /api/votes")
        if kind.partition(";")[0].strip() != "application/json" or not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            return self._text(400, f"a vote is JSON of at most {LARGEST} bytes")
        try:
            raw = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return self._text(400, "a vote is JSON")
        votes = add_vote(self.server.watch.votes, raw)
        return self._send(200, "application/json", json.dumps({"votes": len(votes)}).encode())

    def _text(self, status: int, text: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in {**SAFE, "Content-Type": kind, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _hostname(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
