"""Object stores on this machine: moto as S3 and gcp-storage-emulator as Google Cloud Storage, with faults on order.

Each is a process of its own: pyarrow's client of Google Cloud Storage holds the interpreter while it waits, so that a
server in the same process could not answer.

gcp-storage-emulator lacks the parts of the XML API through which delta-rs works, so `_GoogleHandler` adds them:
listing, HEAD, DELETE, and writing only where no object is (source: Google's "XML API reference").
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.handlers.objects import _checksums, _make_object_resource
from gcp_storage_emulator.server import Request, RequestHandler, Router
from gcp_storage_emulator.storage import Storage as GoogleStorage

BUCKET = "bucket"
ORDERS = "/_orders"

Answer = tuple[int, str, str]
"""A refusal: the status, the store's code for it and its sentence."""


@dataclass(frozen=True)
class ObjectStore:
    """A store with one bucket, as its process serves it: its address and the variables by which adreel finds it."""

    url: str
    environ: Mapping[str, str]
    address: str
    secrets: tuple[str, ...]

    def order(self, **orders: Any) -> None:
        """What the store does from now on, in place of earlier orders; forgets what it received.

        `refuse` is a pattern of "METHOD path" with the answer, and `hang_up` such a pattern for closed connections.
        """
        self._ask(json.dumps(orders).encode())

    def received(self) -> list[str]:
        """The requests since the last order, as "METHOD path"."""
        return list(self._ask(None)["received"])

    def stored(self) -> list[str]:
        """The names of its objects, but for markers of folders."""
        return [key for key in self._ask(None)["keys"] if not key.endswith("/")]

    def _ask(self, body: bytes | None) -> Any:
        with urllib.request.urlopen(f"{self.address}{ORDERS}", body, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def serving(kind: str) -> Iterator[ObjectStore]:
    """A store, "s3" or "gs", while the block runs."""
    process = subprocess.Popen(
        [sys.executable, __file__, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        yield ObjectStore(f"{kind}://{BUCKET}", _environ(kind, address), address, ("hush-hush",))
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _environ(kind: str, address: str) -> Mapping[str, str]:
    if kind == "gs":
        return {"STORAGE_EMULATOR_HOST": address}
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "hush-hush",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Orders:
    """What the store was told to do, and what it received."""

    def __init__(self, keys: Callable[[], Iterable[str]]) -> None:
        self._keys = keys
        self._orders: dict[str, Any] = {}
        self._received: list[str] = []

    def about(self, body: bytes) -> bytes:
        """The answer to a request to `ORDERS`."""
        if body:
            self._orders = json.loads(body)
            self._received.clear()
        return json.dumps({"received": self._received, "keys": sorted(self._keys())}).encode()

    def receive(self, request: str) -> Answer | None:
        """Notes a request; how it is to be refused. Raises ConnectionAbortedError to close the connection."""
        self._received.append(request)
        if "hang_up" in self._orders and re.search(self._orders["hang_up"], request):
            raise ConnectionAbortedError
        pattern, *answer = self._orders.get("refuse", ["$.", 0, "", ""])
        return (answer[0], answer[1], answer[2]) if re.search(pattern, request) else None


# -- S3


class _Application:
    """moto, between faults; conditional writes are one step here, which moto does in two."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from moto.s3.models import s3_backends

        backend = s3_backends["123456789012"]["aws"]
        backend.create_bucket(BUCKET, "us-east-1")
        self._orders = Orders(lambda: [str(key) for key in backend.buckets[BUCKET].keys])
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == ORDERS:
            start("200 OK", [("Content-Type", "application/json")])
            return [self._orders.about(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))]
        try:
            refusal = self._orders.receive(f"{method} {path}?{environ.get('QUERY_STRING', '')}".rstrip("?"))
        except ConnectionAbortedError:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise
        if refusal is not None:
            start(f"{refusal[0]} {refusal[1]}", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{refusal[1]}</Code><Message>{refusal[2]}</Message></Error>".encode()]
        if method != "PUT":
            return self._moto(environ, start)  # type: ignore[no-any-return]  # moto has no types for it
        with self._writing:
            return [b"".join(self._moto(environ, start))]


def _serve_s3() -> None:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    quiet = type("QuietHandler", (MotoRequestHandler,), {"log": lambda *_: None})
    _serve(make_server("127.0.0.1", 0, _Application(), threaded=True, request_handler=quiet))


# -- Google Cloud Storage


class _GoogleHandler(RequestHandler):  # type: ignore[misc]  # the emulator ships no types
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, orders: Orders, writing: threading.Lock, storage: Any, *args: Any) -> None:
        self._orders, self._writing = orders, writing
        super().__init__(storage, *args)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        pass

    def do_GET(self) -> None:
        if self.path == ORDERS:
            self._send(200, self._orders.about(self.rfile.read(int(self.headers.get("Content-Length") or 0))))
            return
        try:
            refusal = self._orders.receive(f"{self.command} {self.path}")
        except ConnectionAbortedError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if refusal is not None:
            self.close_connection = True
            self._refuse(*refusal)
            return
        with self._writing:
            self._in_turn()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names that http.server gives them

    def _in_turn(self) -> None:
        """The emulator's own answer to the JSON API, and the XML API's here."""
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if bucket not in self.storage.buckets:
            Router(self).handle(self.command)
        elif self.command == "GET" and not key:
            self._list(bucket, {name: values[0] for name, values in parse_qs(parts.query).items()})
        elif self.command == "PUT":
            self._put(bucket, key)
        elif key not in self.storage.objects.get(bucket, {}):
            self._refuse(404, "NoSuchKey", "The specified key does not exist.")
        elif self.command == "DELETE":
            self.storage.delete_file(bucket, key)
            self._send(204)
        else:
            self._get(bucket, key)

    def _put(self, bucket: str, key: str) -> None:
        if self.headers.get("x-goog-if-generation-match") == "0" and key in self.storage.objects.get(bucket, {}):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._refuse(412, "PreconditionFailed", "At least one of the pre-conditions did not hold.")
            return
        request = Request(self, "PUT")
        body = request.data or b""
        resource = _make_object_resource(request.base_url, bucket, key, "application/octet-stream", str(len(body)))
        self.storage.create_file(bucket, key, body, _checksums(body, resource))
        self._send(200, ETag=f'"{resource["etag"]}"')

    def _get(self, bucket: str, key: str) -> None:
        data, about = self.storage.get_file(bucket, key), self.storage.get_file_obj(bucket, key)
        changed = datetime.fromisoformat(about["updated"]).astimezone(UTC)
        headers = {"ETag": f'"{about["etag"]}"', "Last-Modified": format_datetime(changed, usegmt=True)}
        byte_range = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if byte_range is None:
            self._send(200, data, **headers)
            return
        first = int(byte_range[1]) if byte_range[1] else max(0, len(data) - int(byte_range[2]))
        last = min(int(byte_range[2]), len(data) - 1) if byte_range[1] and byte_range[2] else len(data) - 1
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._send(206, data[first : last + 1], **headers)

    def _list(self, bucket: str, query: Mapping[str, str]) -> None:
        objects, folders = self.storage.get_file_list(bucket, query.get("prefix"), query.get("delimiter"), None)
        listed = [
            f"<Contents><Key>{escape(about['name'])}</Key><LastModified>{about['updated']}</LastModified>"
            f"<ETag>{about['etag']}</ETag><Size>{about['size']}</Size></Contents>"
            for about in sorted(objects, key=lambda about: str(about["name"]))
            if about["name"] > query.get("start-after", "")
        ]
        listed += [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders]
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(listed)}</ListBucketResult>"
        self._send(200, body.encode())

    def _refuse(self, status: int, code: str, text: str) -> None:
        if "/storage/v1/" in self.path:
            body = json.dumps({"error": {"code": status, "message": text, "errors": [{"reason": code}]}})
        else:
            body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
        self._send(status, body.encode())

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _serve_google() -> None:
    storage = GoogleStorage(use_memory_fs=True)
    create_bucket(BUCKET, storage)
    orders = Orders(lambda: storage.objects.get(BUCKET, {}))
    handler = partial(_GoogleHandler, orders, threading.Lock(), storage)
    _serve(ThreadingHTTPServer(("127.0.0.1", 0), handler))


def _serve(server: Any) -> None:
    """Serves until whoever started this process goes away."""
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - how the port is told
    sys.stdin.read()


if __name__ == "__main__":
    {"s3": _serve_s3, "gs": _serve_google}[sys.argv[1]]()
