"""Requests and their answers, as they are recorded and replayed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from adreel.errors import InputError
from adreel.language import phrase

FORMAT = 1
KEPT_HEADERS = ("content-type", "retry-after", "x-tt-ads-throttle")
"""Headers that the client reads; all others, cookies too, are not recorded."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it. `path` is that of the API, `params` are its parameters, with JSON texts read.

    `answer` is the JSON of the answer's body, None for anything else. `failure` names the error of the network; without
    one there is a `status`.
    """

    method: str
    path: str
    params: Mapping[str, Any]
    body: Any
    status: int
    headers: Mapping[str, str]
    answer: Any
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What happened when a dataset was read.

    `now` is the time at which it began, as ISO text with its offset. `dataset` are the keys of a dataset file that
    TikTok is asked by, `advertisers` the ad accounts as TikTok described them, `outcome` the rows or the error.
    """

    adreel: str
    now: str
    dataset: Mapping[str, Any]
    advertisers: tuple[Mapping[str, Any], ...]
    outcome: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]


def asked(method: str, url: str, content: bytes, base_url: str) -> tuple[str, str, Mapping[str, Any], Any]:
    """Method, path, parameters and body of a request to an API at `base_url`."""
    parts = urlsplit(url)
    path = parts.path.removeprefix(urlsplit(base_url).path.rstrip("/"))
    params = {name: read_text(text) for name, text in parse_qsl(parts.query, keep_blank_values=True)}
    return method, path, params, read_json(content)


def read_text(text: str) -> Any:
    """A parameter's value: lists and objects travel as JSON texts."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return text


def read_json(content: bytes) -> Any:
    """The JSON value of a body; None if it is empty or no JSON."""
    try:
        return json.loads(content, parse_float=Decimal) if content else None
    except ValueError:
        return None


def answer_of(exchange: Exchange) -> httpx2.Response:
    """The recorded answer. Raises the network's error if there was one."""
    if exchange.failure:
        kind = getattr(httpx2, exchange.failure, httpx2.ReadError)
        raise kind("recorded failure")
    content = b"no JSON" if exchange.answer is None else json.dumps(exchange.answer, default=float).encode()
    return httpx2.Response(exchange.status, headers=dict(exchange.headers), content=content)


def to_lines(record: Record) -> str:
    """The record as lines of JSON: what it is of, then one exchange each."""
    head = {
        "format": FORMAT,
        "adreel": record.adreel,
        "now": record.now,
        "dataset": record.dataset,
        "advertisers": record.advertisers,
        "outcome": record.outcome,
    }
    names = Exchange.__slots__
    lines = [head, *({name: getattr(exchange, name) for name in names} for exchange in record.exchanges)]
    return "".join(f"{json.dumps(line, default=float, ensure_ascii=False)}\n" for line in lines)


def from_lines(text: str, where: str) -> Record:
    """The record in a file's text; `where` is its name. Raises InputError for anything else."""
    try:
        head, *lines = [json.loads(line) for line in text.splitlines()]
        if head["format"] != FORMAT:
            raise InputError(
                phrase(
                    "%(file)s has format %(format)s of records; this version of adreel reads %(own)s.",
                    file=where,
                    format=repr(head["format"]),
                    own=FORMAT,
                )
            )
        return Record(
            adreel=str(head["adreel"]),
            now=str(head["now"]),
            dataset=dict(head["dataset"]),
            advertisers=tuple(map(dict, head["advertisers"])),
            outcome=dict(head["outcome"]),
            exchanges=tuple(Exchange(**line) for line in lines),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            phrase("%(file)s is no record of adreel. Make one with: adreel record DATASET", file=where)
        ) from error
