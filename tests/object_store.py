"""An object store on this machine for tests: the S3 of moto, behind a proxy that fails at will.

The proxy counts what is asked, and speaks for Google's store, too: its XML is that of S3.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

Fault = Callable[["Asked"], "int | bytes | float | None"]
"""What happens instead of an answer: a status, the bytes of a body, or so many seconds before it;
-1 cuts the connection in the middle of the answer.
"""

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}


class Asked(NamedTuple):
    """One request."""

    method: str
    key: str
    range: str
    query: dict[str, list[str]]

    @property
    def is_list(self) -> bool:
        """Whether it lists objects."""
        return self.method == "GET" and "list-type" in self.query


class ObjectStore:
    """The store, and what was asked of it."""

    def __init__(self, backend: tuple[str, int]) -> None:
        self.backend = backend
        self.asked: list[Asked] = []
        self.fault: Fault = lambda asked: None
        self.endpoint = ""

    def make_bucket(self, name: str) -> str:
        """The address of a new and empty bucket."""
        self._direct("PUT", f"/{name}")
        return f"s3://{name}"

    def put(self, address: str, data: bytes) -> None:
        """Store an object by its address, behind the proxy's back."""
        bucket, _, key = address.removeprefix("s3://").partition("/")
        status, _, _ = self._direct("PUT", f"/{bucket}/{quote(key, safe='/')}", data)
        assert status == 200, address

    def get(self, address: str) -> bytes:
        """What is stored under an address."""
        bucket, _, key = address.removeprefix("s3://").partition("/")
        status, _, body = self._direct("GET", f"/{bucket}/{quote(key, safe='/')}")
        assert status == 200, address
        return body

    def upload(self, directory: Path, address: str) -> None:
        """Store all files of a directory as they are."""
        for path in directory.rglob("*"):
            if path.is_file():
                self.put(f"{address}/{path.relative_to(directory).as_posix()}", path.read_bytes())

    def requests(self, action: Callable[[], object]) -> list[str]:
        """What an action asks: "LIST", "GET", "HEAD", "PUT" …"""
        before = len(self.asked)
        action()
        return ["LIST" if each.is_list else each.method for each in self.asked[before:]]

    def _direct(
        self, method: str, path: str, data: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.backend, timeout=30)
        given = {"Authorization": "AWS test:signature", **(headers or {})}
        connection.request(method, path, data, given)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), body

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request of a client."""
        length = int(handler.headers.get("Content-Length") or 0)
        data = handler.rfile.read(length)
        url = urlsplit(handler.path)
        path, query = unquote(url.path), parse_qs(url.query, keep_blank_values=True)
        key = path.lstrip("/").partition("/")[2]
        asked = Asked(handler.command, key, handler.headers.get("Range", ""), query)
        self.asked.append(asked)
        fault = self.fault(asked)
        if isinstance(fault, float):
            time.sleep(fault)
        if isinstance(fault, bytes):
            status, headers, body = 200, [("Content-Type", "application/xml")], fault
        elif isinstance(fault, int) and fault > 0:
            codes = {403: "AccessDenied", 416: "InvalidRange", 503: "SlowDown"}
            code = codes.get(fault, "InternalError")
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            status, headers = fault, [("Content-Type", "application/xml")]
        else:
            wanted = {
                name: value
                for name, value in handler.headers.items()
                if name.lower() not in ("host", "authorization", "connection", "content-length")
            }
            target = quote(path, safe="/") + (f"?{url.query}" if url.query else "")
            status, headers, body = self._direct(handler.command, target, data, wanted)
        handler.send_response(status)
        sent = {"connection", "content-length", "transfer-encoding", "server", "date"}
        size = next((value for name, value in headers if name.lower() == "content-length"), "")
        for name, value in headers:
            if name.lower() not in sent:
                handler.send_header(name, value)
        handler.send_header("Content-Length", size if handler.command == "HEAD" else str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body[: len(body) // 2] if fault == -1 else body)
        if fault == -1:
            handler.close_connection = True


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """An object store that runs, without any bucket."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    store = ObjectStore(server.get_host_and_port())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:  # the client has gone
                self.close_connection = True

        def answer(self) -> None:
            store.pass_on(self)

        def log_message(self, *arguments: Any) -> None:
            pass

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)

    class Proxy(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    proxy = Proxy(("127.0.0.1", 0), Handler)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    store.endpoint = f"http://127.0.0.1:{proxy.server_port}"
    try:
        yield store
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.stop()
