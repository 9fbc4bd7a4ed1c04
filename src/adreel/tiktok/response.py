"""What comes back from TikTok: its envelope read into an answer or a trouble, and an answer into a page.

Everything that is TikTok's own is `{"code": 0, "message": "OK", "request_id": "...", "data": {...}}` with HTTP 200,
errors too: the code decides (page "Return codes", doc 1737172488964097). Anything else comes from a wrong address, a
failing server, or a proxy on the way.

Answers are read strictly at first. One that is no strict JSON (half characters, bytes that are no UTF-8, bare `NaN`,
numbers of any size) is read again leniently: what is no Unicode becomes U+FFFD, and numbers become texts.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from adreel.errors import API_CODES, Action, StopError, action_for
from adreel.language import phrase

CUT_HEADER = "X-Tt-Ads-Throttle"
"""Present when a report leaves out ids beyond 20,000 ("performance improvements", doc 1757262274182145)."""

_LONGEST_WORDS = 300
_LONGEST_FIRST_WORDS = 80

_NOTHING = frozenset({b"null", b"[]", b'""', b"0", b"false"})
_LONGEST_NOTHING = len("false") + 1

LONGEST_COUNT = 15
"""Digits of the largest whole number that is taken for a count or a code."""


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A request that succeeded. `body` is the text of its data, `cut` says that TikTok left out all but the newest
    20,000 ids.
    """

    body: msgspec.Raw = field(repr=False)
    request_id: str
    headers: Mapping[str, str] = field(repr=False)
    cut: bool

    @property
    def data(self) -> dict[str, Any]:
        """The data, read anew each time; empty where there is none."""
        data: dict[str, Any] = _decoded(_ANYTHING, self.body)
        return data


@dataclass(frozen=True, slots=True)
class FailedAnswer:
    """Why one try of a request failed, as a sentence, and what follows from it.

    `code` and `request_id` are TikTok's, if it was TikTok that answered; `seconds` is the wait that the other side
    asked for. `absent` means that no server is at the address, which waiting seldom mends; `advice` is what to do then.
    """

    what: str
    action: Action
    code: int | None = None
    request_id: str | None = None
    timed_out: bool = False
    seconds: float = 0.0
    absent: bool = False
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list. `total_number` counts the rows of all pages, `total_page` the pages of the size that TikTok
    gives, which may be smaller than asked; the totals come only if they were asked for.

    Rows are dictionaries, or records of the type that the page was asked for as; `left_out` counts those that were not
    wanted and are not among them, `without_details` those that lack what a second request had to give.
    """

    rows: Sequence[Any] = field(repr=False)
    total_number: int
    total_page: int
    total_metrics: dict[str, Any] | None
    cut: bool
    request_id: str
    left_out: int = 0
    without_details: int = 0


class _Envelope(msgspec.Struct):
    """What TikTok puts around everything; its own types are not relied on."""

    code: Any = None
    message: Any = None
    request_id: Any = None
    data: msgspec.Raw = msgspec.Raw(b"null")


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_ANYTHING = msgspec.json.Decoder(float_hook=Decimal)

Reader = msgspec.json.Decoder[Any]
"""Reads the data of a list; made by `reader_of`."""


def reader_of(row: type[Any], name: str = "list", other_name: str = "") -> Reader:
    """For a list whose rows are read as `row`, which takes a third less time and memory than dictionaries.

    `name` is what TikTok calls the list in its answer, `other_name` what it calls the list by other sources.
    """
    rows = list[row] | None | msgspec.UnsetType  # type: ignore[valid-type]  # made here
    fields = [("list", rows, msgspec.UNSET), ("page_info", Any, None), ("total_metrics", Any, None)]
    names = {"list": name}
    if other_name:
        fields.append(("other_list", rows, msgspec.UNSET))
        names["other_list"] = other_name
    return msgspec.json.Decoder(msgspec.defstruct("List", fields, rename=names), float_hook=Decimal)


_DICTIONARIES = reader_of(dict[str, Any])


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> ApiAnswer | FailedAnswer:
    """What a whole HTTP answer means."""
    body = body.removeprefix(codecs.BOM_UTF8)
    envelope = _envelope(body)
    code = None if envelope is None else _count(envelope.code)
    if envelope is None or code is None:
        return _foreign(status, headers, body)
    request_id = _text(envelope.request_id) or headers.get("X-Tt-Logid")
    action = action_for(code, _plain(envelope.message))
    if action is not Action.GO_ON:
        return FailedAnswer(_words(code, envelope.message), action, code, request_id)
    data = _object(envelope.data)
    if not 200 <= status < 300 or data is None:
        return _foreign(status, headers, body)
    return ApiAnswer(data, request_id or "", headers, CUT_HEADER in headers)


def read_file_answer(status: int, headers: Mapping[str, str], body: bytes) -> ApiAnswer | FailedAnswer:
    """What an answer means that is a file; TikTok's envelope, with or without an error, is none."""
    first = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if status == 200 and first not in {b"{", b"[", b"<"}:
        return ApiAnswer(msgspec.Raw(body), headers.get("X-Tt-Logid") or "", headers, cut=False)
    answer = read_answer(status, headers, body)
    if isinstance(answer, FailedAnswer):
        return answer
    return FailedAnswer(phrase("TikTok sent no file."), Action.STOP, None, answer.request_id)


def _object(data: msgspec.Raw) -> msgspec.Raw | None:
    """The text of an object; an empty one for what stands for no data, None for anything else."""
    text = memoryview(data)
    if bytes(text[:1]) == b"{":
        return data
    return msgspec.Raw(b"{}") if bytes(text[:_LONGEST_NOTHING]) in _NOTHING else None


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes | msgspec.Raw) -> Any:
    """The text as `decoder` reads it, leniently if it is no strict JSON.

    Raises ValidationError for another form than the decoder's, DecodeError for what is no JSON at all.
    """
    try:
        return decoder.decode(text)
    except RecursionError:
        raise msgspec.DecodeError("nested too deeply") from None
    except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
        # Numbers that no type holds are told of as errors of form.
        lenient = _lenient(bytes(text))
        if lenient is None:
            raise msgspec.DecodeError(str(error)) from None
        return decoder.decode(lenient)


def _lenient(text: bytes) -> bytes | None:
    """A JSON text written anew in strict JSON, with numbers as texts and U+FFFD for what is no Unicode.

    None if it is no JSON.
    """
    try:
        value = json.loads(
            text.decode("utf-8", "replace"), strict=False, parse_int=str, parse_float=str, parse_constant=str
        )
    except (ValueError, RecursionError):
        return None
    utf16 = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return utf16.decode("utf-16", "replace").encode()


def read_page(
    answer: ApiAnswer, where: str, reader: Reader = _DICTIONARIES, *, page_size: int | None = None
) -> ListPage | FailedAnswer:
    """The rows of a list and how many there are; `where` names the request in the error.

    With `page_size`, the number of rows that were asked for, an answer without its list or without TikTok's own count
    of all rows is no evidence that there are no more: it is a trouble that may pass. TikTok leaves the list out of an
    empty page, though: where its page_info counts no rows, and on later pages. Without `page_size`, the rows are all
    there are. Raises StopError for data of a form that TikTok does not document.
    """
    listed = _list_of(answer, where, reader)
    rows: Sequence[Any] = listed.list or []
    totals, info = listed.total_metrics, listed.page_info
    if not isinstance(totals, dict | None):
        raise _unknown_form(answer, where, phrase("its total_metrics is not an object"))
    if page_size is None:
        return ListPage(rows, len(rows), 1, totals, answer.cut, answer.request_id)
    total = _count(info.get("total_number")) if isinstance(info, dict) else None
    if listed.list is msgspec.UNSET:
        page = _count(info.get("page")) if isinstance(info, dict) else None
        if total is None or page is None or (total and page == 1):
            return _without(phrase("a list"), answer)
        rows = []
    if total is None or total < 0:
        return _without(phrase("its count of all rows (page_info.total_number)"), answer)
    return ListPage(rows, total, _pages(info, total, page_size), totals, answer.cut, answer.request_id)


def read_list(answer: ApiAnswer, where: str) -> ListPage | FailedAnswer:
    """The rows of a list that TikTok does not count, which has to be there. Raises StopError as `read_page`."""
    if _list_of(answer, where, _DICTIONARIES).list is msgspec.UNSET:
        return _without(phrase("a list"), answer)
    return read_page(answer, where)


def _list_of(answer: ApiAnswer, where: str, reader: Reader) -> Any:
    try:
        listed = _decoded(reader, answer.body)
        if listed.list is msgspec.UNSET:
            listed.list = getattr(listed, "other_list", msgspec.UNSET)
        return listed
    except msgspec.DecodeError as error:
        raise _unknown_form(
            answer, where, phrase("its list has items that are not objects: %(error)s", error=error)
        ) from None


def _without(missing: str, answer: ApiAnswer) -> FailedAnswer:
    return FailedAnswer(
        phrase("TikTok answered with code 0 and without %(missing)s.", missing=missing),
        Action.WAIT,
        None,
        answer.request_id,
    )


def _pages(info: Mapping[str, Any], total: int, page_size: int) -> int:
    """How many pages hold `total` rows: by the size that TikTok gives or by its own number, whichever is more."""
    size = _count(info.get("page_size")) or page_size
    pages = -(-total // min(page_size, size)) if size > 0 else total
    # Each page but the last of none has a row.
    return max(1, min(total, max(pages, _count(info.get("total_page")) or 0)))


def _unknown_form(answer: ApiAnswer, where: str, detail: str) -> StopError:
    return StopError(
        phrase(
            "%(where)s: TikTok's answer has an unknown format (%(detail)s); report it with the request ID.",
            where=where,
            detail=detail,
        ),
        request_id=answer.request_id,
    )


def _envelope(body: bytes) -> _Envelope | None:
    try:
        envelope: _Envelope = _decoded(_ENVELOPES, body)
    except msgspec.DecodeError:
        return None
    return envelope


def _count(value: object) -> int | None:
    """A whole number, whether it comes as a number or as a text; None for all else, and for what counts nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= LONGEST_COUNT):
        return None
    number = Decimal(value)
    if not number.is_finite() or number.adjusted() >= LONGEST_COUNT or number != number.to_integral_value():
        return None
    return int(number)


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None


def _plain(message: object) -> str:
    return " ".join(message.split()) if isinstance(message, str) else ""


def _words(code: int, message: object) -> str:
    """TikTok's own words, or what the code means if it has none."""
    words = _plain(message)
    if not words:
        words = str(API_CODES[code].meaning) if code in API_CODES else phrase("an error without a message")
    return _sentence(words[:_LONGEST_WORDS])


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _foreign(status: int, headers: Mapping[str, str], body: bytes) -> FailedAnswer:
    """What an answer that is not TikTok's envelope means, by its HTTP status."""
    shown = f"HTTP {status} {_first_words(body)}"
    if status == 404:
        return FailedAnswer(
            phrase(
                "%(shown)s: the address does not exist. ADREEL_TIKTOK_URL must be the address of TikTok's "
                "API including the version, such as https://business-api.tiktok.com/open_api/v1.3.",
                shown=shown,
            ),
            Action.ABSENT,
        )
    if status in {401, 403, 407}:
        return FailedAnswer(
            phrase(
                "%(shown)s: a proxy or firewall between this machine and TikTok refuses the request "
                "(TikTok itself refuses with HTTP 200). Ask your network administrator to allow it.",
                shown=shown,
            ),
            Action.STOP,
        )
    if status == 429:
        return FailedAnswer(
            phrase("%(shown)s: too many requests.", shown=shown), Action.THROTTLED, seconds=_retry_after(headers)
        )
    if status in {413, 414, 431}:
        return FailedAnswer(phrase("%(shown)s: the request is too long.", shown=shown), Action.SPLIT)
    if 200 <= status < 300:
        return FailedAnswer(
            phrase("%(shown)s is not an answer of TikTok's API; a proxy may have sent it.", shown=shown), Action.WAIT
        )
    if status >= 500 or status in {408, 425}:
        return FailedAnswer(
            phrase("%(shown)s: TikTok's server, or a proxy in between, failed.", shown=shown), Action.WAIT
        )
    return FailedAnswer(
        phrase("%(shown)s: this is not TikTok's API. Check ADREEL_TIKTOK_URL and the proxies in between.", shown=shown),
        Action.STOP,
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that the header asks for; 0 if it is absent or a date."""
    return float(_count(headers.get("Retry-After")) or 0)


_MARKUP = re.compile(r"<(script|style)\b.*?(</\1>|\Z)|<!--.*?(-->|\Z)|<[^>]*>?", re.IGNORECASE | re.DOTALL)


def _first_words(body: bytes) -> str:
    """How a text or a page begins, without its markup; JSON is not shown, since it may hold a token."""
    if body.lstrip()[:1] in {b"{", b"["}:
        return phrase("(JSON, cut off or without TikTok's code)")
    text = " ".join(_MARKUP.sub(" ", body[:4000].decode("utf-8", "replace")).split())
    text = "".join(letter for letter in text if letter.isprintable()).replace('"', "'")
    if not text:
        return phrase("(nothing readable)")
    return f'"{text}"' if len(text) <= _LONGEST_FIRST_WORDS else f'"{text[:_LONGEST_FIRST_WORDS]}..."'
