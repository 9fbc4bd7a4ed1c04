"""An object store on this machine that speaks as much of S3 as the lake needs."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, ClassVar


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as a lake asks for."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]]
    uploads: ClassVar[dict[str, dict[int, bytes]]]
    refuse: ClassVar[Callable[[str, str], int | None]]
    is_conditional: ClassVar[bool]
    lock: ClassVar[threading.Lock]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        pass

    def _asked(self) -> tuple[str, dict[str, str], bytes]:
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        body = self._body()
        return urllib.parse.unquote(parts.path).lstrip("/").partition("/")[2], query, body

    def _body(self) -> bytes:
        """The body, out of the chunks of HTTP and those of S3 inside them."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b"".join(_chunks(self.rfile))
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            return b"".join(_chunks(io.BytesIO(data)))
        return data

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        key, query, _ = self._asked()
        if "list-type" in query:
            return self._answer(200, self._listed(query), Content_Type="application/xml")
        data = self.objects.get(key)
        if data is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>")
        headers = {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        byte_range = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if not byte_range or self.command == "HEAD":
            return self._answer(200, data, **headers)
        start = int(byte_range[1]) if byte_range[1] else max(0, len(data) - int(byte_range[2]))
        end = min(int(byte_range[2]), len(data) - 1) if byte_range[1] and byte_range[2] else len(data) - 1
        return self._answer(206, data[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(data)}", **headers)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _listed(self, query: Mapping[str, str]) -> bytes:
        prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter", ""), query.get("start-after", "")
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        folders = {prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]}
        plain = [key for key in keys if not (delimiter and "/" in key[len(prefix) :])]
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag>"
            f"<Size>{len(self.objects[key])}</Size></Contents>"
            for key in plain
        )
        entries += "".join(
            f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in folders if delimiter
        )
        count = len(plain) + (len(folders) if delimiter else 0)
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>{count}</KeyCount>{entries}</ListBucketResult>"
        ).encode()

    def do_PUT(self) -> None:
        key, query, body = self._asked()
        if "uploadId" in query:
            self.uploads[query["uploadId"]][int(query["partNumber"])] = body
            return self._answer(200, ETag='"x"')
        with self.lock:
            if self.is_conditional and self.headers.get("If-None-Match") == "*" and key in self.objects:
                return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            self.objects[key] = body
        return self._answer(type(self).refuse(self.command, key) or 200, ETag='"x"')

    def do_POST(self) -> None:
        key, query, body = self._asked()
        if "uploads" in query:
            name = str(len(self.uploads))
            self.uploads[name] = {}
            text = f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            return self._answer(200, text.encode())
        if "uploadId" in query:
            self.objects[key] = b"".join(data for _, data in sorted(self.uploads[query["uploadId"]].items()))
            return self._answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
        for name in re.findall(r"<Key>(.*?)</Key>", body.decode()):
            self.objects.pop(name, None)
        return self._answer(200, b"<DeleteResult></DeleteResult>")

    def do_DELETE(self) -> None:
        key, _, _ = self._asked()
        self.objects.pop(key, None)
        self._answer(204)


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    while size := int(stream.readline().partition(b";")[0], 16):
        yield stream.read(size)
        stream.readline()


def _as_it_is(command: str, key: str) -> int | None:
    return None


@contextmanager
def object_store(
    refuse: Callable[[str, str], int | None] = _as_it_is,
    *,
    is_conditional: bool = True,
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """An S3 on this machine: its address, and its objects by key. `refuse` may spoil the answer to a PUT.

    Unless it `is_conditional`, it overwrites objects in spite of If-None-Match, as some servers do.
    """
    handler = type(
        "OwnBucket",
        (Bucket,),
        {
            "objects": {},
            "uploads": {},
            "refuse": staticmethod(refuse),
            "is_conditional": is_conditional,
            "lock": threading.Lock(),
        },
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.objects  # type: ignore[attr-defined]  # made just above
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
