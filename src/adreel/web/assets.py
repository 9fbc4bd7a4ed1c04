"""The files that pages load: our own, and those that the build fetched (`package.json` names them)."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from adreel.errors import StopError

STATIC = Path(__file__).parent / "static"

PREFIX = "/static"
"""Where the app mounts the files."""

YEAR = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".txt": "text/plain; charset=utf-8",
    }
)
"""What is served, and as what; any other file in the folder is not."""


@dataclass(frozen=True)
class Asset:
    """One file, read when it is first asked for."""

    path: Path

    @cached_property
    def body(self) -> bytes:
        """The file as it is."""
        return self.path.read_bytes()

    @cached_property
    def packed(self) -> bytes:
        """The file compressed: as the build left it beside the file, else now."""
        beside = self.path.with_name(f"{self.path.name}.gz")
        return beside.read_bytes() if beside.is_file() else gzip.compress(self.body, 9, mtime=0)

    @cached_property
    def version(self) -> str:
        """Changes with the content."""
        return hashlib.sha256(self.body).hexdigest()[:16]


class Assets:
    """An ASGI app over a folder of files, and the addresses under which pages name them.

    The folder is listed once, when the app starts; a path that was not found then leads nowhere, whatever it says.
    An address holds a hash of the content, so that browsers may keep the file for good.
    """

    def __init__(self, folder: Path = STATIC) -> None:
        """Lists the files and reads none of them."""
        self._assets = {
            path.relative_to(folder).as_posix(): Asset(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in TYPES and path.is_file()
        }

    def url(self, name: str) -> str:
        """The address of a file in the folder, for pages.

        Raises StopError if there is no such file: the build has not fetched it.
        """
        asset = self._assets.get(name)
        if asset is None:
            raise StopError(
                f"The pages' file {name!r} is missing from this installation. In a checkout run `make setup`; "
                "else install adreel again."
            )
        return f"{PREFIX}/{name}?v={asset.version}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; the app's mount has its prefix in `root_path`."""
        if scope["type"] != "http":
            raise RuntimeError(f"Only HTTP is answered here, not {scope['type']}")
        await self._answer(Request(scope))(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _refusal("Files can only be read.\n", 405, Allow="GET, HEAD")
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        asset = self._assets.get(path.removeprefix("/"))
        if asset is None:
            return _refusal("There is no such file.\n", 404)
        tag = f'W/"{asset.version}"'
        headers = {
            "Cache-Control": YEAR if request.query_params.get("v") == asset.version else ASK_AGAIN,
            "ETag": tag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if _knows(request.headers, tag):
            return Response(status_code=304, headers=headers)
        body = asset.body
        if _takes_gzip(request.headers):
            body = asset.packed
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers | {"Content-Type": TYPES[asset.path.suffix]})


def _refusal(words: str, status: int, **headers: str) -> Response:
    return PlainTextResponse(words, status, {"X-Content-Type-Options": "nosniff", **headers})


def _knows(headers: Headers, tag: str) -> bool:
    """Whether the browser has this very content."""
    known = {one.strip() for one in headers.get("if-none-match", "").split(",")}
    return not known.isdisjoint({tag, tag.removeprefix("W/"), "*"})


def _takes_gzip(headers: Headers) -> bool:
    """Whether `Accept-Encoding` names gzip, and not with the weight 0 (source: RFC 9110, section 12.5.3)."""
    for one in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = one.replace(" ", "").partition(";q=")
        if name == "gzip":
            return not weight or weight.strip("0.") != ""
    return False
