"""Answers that a browser keeps as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from urllib.parse import quote

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

from adreel.export.files import WRITERS

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""What each format of `adreel.export.files` is called on the web."""

FORMATS: tuple[tuple[str, str], ...] = tuple(
    (kind, {"xlsx": "Excel", "parquet": "Parquet"}.get(kind, kind.upper())) for kind in WRITERS
)
"""The formats of a menu: key and title."""


def attachment(plain: str, name: str) -> dict[str, str]:
    """The header that makes an answer a file: `name` in full, and `plain` ASCII for what knows no better.

    Both forms as RFC 6266 has them. A name has no folders: what could begin or end one becomes an underscore.
    """
    safe = "".join("_" if one in '/\\:"' or not one.isprintable() else one for one in name).strip(". ") or plain
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"}


def file_answer(chunks: Iterator[bytes], kind: str, plain: str, name: str) -> StreamingResponse:
    """A file of a format of `adreel.export.files` as it is made.

    Its first bytes are made before the answer begins, so that what cannot be written is still said as an error.
    """
    first = next(chunks, b"")
    headers = attachment(plain, name)
    # Said so that it is not compressed on the way: that costs more time than it saves, and two formats are already.
    headers["Content-Encoding"] = "identity"
    return StreamingResponse(_whole(first, chunks), media_type=MEDIA_TYPES[kind], headers=headers)


async def _whole(first: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for chunk in iterate_in_threadpool(rest):
            yield chunk
    finally:
        # Whoever made them may have a file to remove, also if the browser went away.
        if isinstance(rest, Generator):
            rest.close()
