"""The files that pages load: our own, and those that the build fetched (`package.json` names them)."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from adreel.errors import StopError
from adreel.language import phrase

STATIC = Path(__file__).parent / "static"

PREFIX = "/static"
"""Where the app mounts the files."""

YEAR = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"

TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        ".txt": "text/plain; charset=utf-8",
    }
)
"""What is served, and as what; any other file in the folder is not."""


class Assets(StaticFiles):
    """Starlette's static files under addresses that hold a hash of the content, so that browsers may keep them.

    A script or style sheet that the build left a compressed copy of is sent as that copy. The app's middleware
    compresses the others.
    """

    def __init__(self, folder: Path = STATIC, prefix: str = PREFIX) -> None:
        """`prefix` is where the app mounts the folder."""
        super().__init__(directory=folder, check_dir=False)
        self._folder = folder
        self._prefix = prefix

    def url(self, name: str) -> str:
        """The address of a file in the folder, for pages.

        Raises StopError if there is no such file: the build has not fetched it.
        """
        path = self._folder / name
        if not path.is_file():
            raise StopError(
                phrase(
                    "The file %(name)s of the pages is missing from this installation. In a checkout run `make "
                    "setup`; otherwise reinstall adreel.",
                    name=repr(name),
                )
            )
        return f"{self._prefix}/{name}?v={_hash(path, path.stat().st_mtime_ns)}"

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or that the browser has it already. Raises HTTPException (404) for a file of no type in `TYPES`."""
        path = Path(full_path)
        if path.suffix not in TYPES:
            raise HTTPException(404)
        packed = path.with_name(f"{path.name}.gz")
        has_packed = packed.is_file()
        use_packed = has_packed and accepts_gzip(Headers(scope=scope))
        sent = packed if use_packed else path
        response = super().file_response(sent, sent.stat(), scope, status_code)
        version = parse_qs(scope["query_string"].decode("latin-1")).get("v")
        current = version == [_hash(path, stat_result.st_mtime_ns)]
        response.headers["Cache-Control"] = YEAR if current else REVALIDATE
        if has_packed:
            response.headers["Vary"] = "Accept-Encoding"
        if isinstance(response, FileResponse):
            response.headers["Content-Type"] = TYPES[path.suffix]
            if use_packed:
                response.headers["Content-Encoding"] = "gzip"
        return response


@cache
def _hash(path: Path, modified: int) -> str:  # noqa: ARG001 - a file that was changed since is hashed anew
    """Changes with the content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def accepts_gzip(headers: Headers) -> bool:
    """Whether `Accept-Encoding` names gzip, and not with the weight 0 (source: RFC 9110, section 12.5.3)."""
    for coding in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return not weight or weight.strip("0.") != ""
    return False
