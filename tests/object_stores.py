"""Object stores on this machine: moto as S3 and gcp-storage-emulator as Google Cloud Storage, with faults on order.

gcp-storage-emulator lacks the parts of the XML API through which delta-rs works, so `_GoogleHandler` adds them: listing,
HEAD, DELETE, and writing only where no object is (source: Google's "XML API reference").
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from http.server import ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from wsgiref.headers import Headers
from xml.sax.saxutils import escape

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.handlers.objects import _checksums, _make_object_resource
from gcp_storage_emulator.server import Request, RequestHandler, Router
from gcp_storage_emulator.storage import Storage as GoogleStorage

BUCKET = "bucket"

Answer = tuple[int, str, str]
"""A refusal: the status, the store's code for it and its sentence."""


@dataclass
class Requests:
    """What a store received, as method and path, and what it does with the next requests.

    `refuse` returns an answer in place of the store's own; `spoil` one that is given after the store did its work.
    """

    received: list[tuple[str, str]] = field(default_factory=list)
    refuse: Callable[[str, str], Answer | None] = lambda method, path: None
    spoil: Callable[[str, str], Answer | None] = lambda method, path: None
    hangs_up: bool = False
    seconds: float = 0.0
    conditional: bool = True

    def well(self) -> None:
        """Ends all faults and forgets what was received."""
        fresh = Requests()
        for name in ("refuse", "spoil", "hangs_up", "seconds", "conditional"):
            setattr(self, name, getattr(fresh, name))
        self.received.clear()


@dataclass(frozen=True)
class ObjectStore:
    """A store with one bucket: the variables by which adreel finds it, and the keys of its objects."""

    url: str
    environ: dict[str, str]
    requests: Requests
    keys: Callable[[], list[str]]
    secret: str


# -- S3


class _Application:
    """moto between `requests`' faults; conditional writes are one step here, which moto does in two."""

    def __init__(self, requests: Requests) -> None:
        # Imported here: a quarter of a second that most tests do not need.
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._requests = requests
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if environ.get("QUERY_STRING"):
            path = f"{path}?{environ['QUERY_STRING']}"
        orders = self._requests
        orders.received.append((method, path))
        time.sleep(orders.seconds)
        if orders.hangs_up:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        refusal = orders.refuse(method, path)
        if refusal is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return _refused(start, refusal)
        if not orders.conditional:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if method != "PUT":
            return self._moto(environ, start)  # type: ignore[no-any-return]  # moto has no types for it
        with self._writing:
            body = b"".join(self._moto(environ, start))
        return [body]


def _refused(start: Callable[..., Any], refusal: Answer) -> list[bytes]:
    status, code, text = refusal
    body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
    headers = Headers([("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    start(f"{status} {code}", headers.items())
    return [body]


@contextmanager
def s3_store() -> Iterator[ObjectStore]:
    """moto with a bucket while the block runs."""
    from moto.core.model_instances import reset_model_data
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from moto.s3.models import s3_backends
    from werkzeug.serving import make_server

    requests = Requests()
    server = make_server("127.0.0.1", 0, _Application(requests), threaded=True, request_handler=_quiet(MotoRequestHandler))
    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket(BUCKET, "us-east-1")
    environ = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "hush-hush",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def keys() -> list[str]:
        return sorted(str(key) for key in backend.buckets[BUCKET].keys)

    try:
        with _serving(server):
            yield ObjectStore(f"s3://{BUCKET}", environ, requests, keys, "hush-hush")
    finally:
        reset_model_data()


def _quiet(handler: type[Any]) -> type[Any]:
    return type("QuietHandler", (handler,), {"log_request": lambda *_: None})


# -- Google Cloud Storage


class _GoogleHandler(RequestHandler):  # type: ignore[misc]  # the emulator ships no types
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, requests: Requests, writing: threading.Lock, storage: Any, *args: Any) -> None:
        self._requests, self._writing = requests, writing
        super().__init__(storage, *args)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        pass

    def do_GET(self) -> None:
        orders = self._requests
        orders.received.append((self.command, self.path))
        time.sleep(orders.seconds)
        if orders.hangs_up:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        refusal = orders.refuse(self.command, self.path)
        if refusal is not None:
            self.close_connection = True
            self._refuse(*refusal)
            return
        with self._writing:
            self._in_turn()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_GET

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


@contextmanager
def google_store() -> Iterator[ObjectStore]:
    """gcp-storage-emulator with a bucket while the block runs."""
    requests, storage = Requests(), GoogleStorage(use_memory_fs=True)
    create_bucket(BUCKET, storage)
    handler = partial(_GoogleHandler, requests, threading.Lock(), storage)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    environ = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{server.server_port}"}
    with _serving(server):
        yield ObjectStore(f"gs://{BUCKET}", environ, requests, lambda: sorted(storage.objects.get(BUCKET, {})), "")


@contextmanager
def _serving(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
