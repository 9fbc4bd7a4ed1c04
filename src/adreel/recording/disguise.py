"""Names, IDs, figures and days replaced, each always by the same, so that a record behaves as what it was made of.

Nothing is kept but what is known to say nothing of an account: names of fields, TikTok's own constants in fields that
have nothing else, counts of rows and pages, and words of the catalogue in messages. All else is replaced by values
that a random key decides, which is in no record.

What the client compares stays as it was. IDs keep their length and their order. Zero stays zero, and a figure keeps its
decimals and its sign. Totals are again those of their rows, or are not, as before. Amounts that a run compares between
requests become one and the same part of what they were, so that their shares remain. Days move by whole weeks.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import string
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from random import Random
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.catalog import all_spend, gmv_max, smart_plus
from adreel.recording.exchanges import Exchange, Record

COUNTS = frozenset({"code", "page", "page_size", "total_number", "total_page"})
"""Numbers that are no figures."""

CONSTANTS = frozenset(
    {
        *("currency", "timezone", "display_timezone", "country", "country_code", "age", "gender", "placement"),
        *("platform", "language", "report_type", "service_type", "data_level", "query_mode", "filter_type"),
        *(
            "field_name",
            "order_type",
            "order_field",
            "sort_field",
            "sort_type",
            "metrics_fields",
            "info_fields",
            "metrics",
            "dimensions",
            "fields",
            "buying_types",
        ),
    }
)
"""Fields with constants of TikTok or of adreel, besides those that the catalogue has display names for."""

COMPARED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        gmv_max.REPORT: frozenset({"cost"}),
        all_spend.REPORT: frozenset({"cost", "spend"}),
        smart_plus.MATERIALS: frozenset({"spend"}),
        "business_center_costs": frozenset({"amount"}),
    }
)
"""By report the amounts that a run compares between requests, such as the cost of a shop and that of its campaigns."""

WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        advertiser advertisers ad ads adgroup adgroups campaign campaigns level report reports must have at
        least id ids and does not grant you permission permissions request requests too many frequent limit
        exceeded reached invalid filter filters field fields metric metrics dimension dimensions are is
        supported unsupported missing required error internal service system busy try again later token access
        expired revoked scope app account unknown value should be one of between range date dates start end page
        size number greater less than or equal to max maximum min minimum length list object string integer the
        a an in on for with from data no such found ok success succeeded failed fail timeout timed out please
        your this that parameter parameters param params get post
        """,
    )
)
"""Words of TikTok's messages, besides those of the catalogue."""

_PLAIN = re.compile(r"[A-Za-z0-9_+\-/:. ]{1,60}")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_OF_CONSTANTS = ("_status", "_statuses", "_type", "_types", "_mode", "_modes", "_level", "_event", "_goal")
"""How fields are called that have constants of TikTok, which are written in capitals."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_SAYING_NOTHING = frozenset({"", "-", "true", "false"})
_KEYWORD = re.compile(r"[a-z0-9_-]+")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)([ T]\d\d:\d\d:\d\d)?")
_DAY_OR_WORD = re.compile(rf"{_DAY.pattern}|\w+")
_ID = re.compile(r"\d{6,}")
_NO_ID = "-1"
"""What TikTok sends for a thing that has no ID, such as the card of a product."""
_NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(%?)")
_WORD = re.compile(r"\w+")
_MOST_WEEKS = 52
_EARLIEST_TIME, _LATEST_TIME = 1_400_000_000, 4_000_000_000
"""Numbers between these are seconds since 1970 where a field is called a time."""


class Disguise:
    """The replacements of one record; `key` decides on them and must be random."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._weeks = timedelta(weeks=1 + self._chance("weeks").randrange(_MOST_WEEKS))
        self._ids: dict[str, str] = {}
        self._compared: frozenset[str] = frozenset()
        self._part = Decimal(repr(self._chance("part").uniform(0.3, 0.6)))
        self._labels = catalog.value_labels()
        self._words = WORDS | frozenset(_words_of_catalog())

    def record(self, record: Record) -> Record:
        """The record with everything replaced."""
        self._number_ids(record)
        self._compared = COMPARED.get(str(record.dataset.get("report")), frozenset())
        disguised = tuple(map(self._exchange, record.exchanges))
        return replace(
            record,
            now=self._moment(record.now),
            dataset={key: self._asked(key, value) for key, value in record.dataset.items()},
            advertisers=tuple(self._value("advertiser", facts, "") for facts in record.advertisers),
            outcome={key: self._outcome(key, value) for key, value in record.outcome.items()},
            exchanges=tuple(_totalled(record.exchanges, disguised, self._compared, self._chance("totals"))),
        )

    def _exchange(self, exchange: Exchange) -> Exchange:
        return replace(
            exchange,
            params={name: self._value(name, value, "") for name, value in exchange.params.items()},
            body=self._value("body", exchange.body, ""),
            headers={name: self._header(name, value) for name, value in exchange.headers.items()},
            answer=self._answer(exchange.answer),
        )

    def _answer(self, answer: Any) -> Any:
        if not isinstance(answer, dict):
            return self._value("answer", answer, "")
        message = {"message": self._message(answer["message"])} if isinstance(answer.get("message"), str) else {}
        return self._value("answer", answer, "") | message

    # -- one value

    def _value(self, name: str, value: Any, row: str) -> Any:
        """The value of a field; `row` says which row it is in, so that the same row has the same figures again."""
        match value:
            case dict():
                own_row = _row_of(value) or row
                filtered = str(value.get("field_name", ""))
                return {
                    self._field(str(key)): self._value(filtered if key == "filter_value" else str(key), item, own_row)
                    for key, item in value.items()
                }
            case list() | tuple():
                return [self._value(name, item, row) for item in value]
            case None | bool():
                return value
            case int() | float() | Decimal():
                return self._number(name, value, row)
            case _:
                return self._text(name, str(value), row)

    def _field(self, name: str) -> str:
        """A key of an object: names of fields stay, anything else that is used as a key is a value."""
        return name if _NAME.fullmatch(name) else self._text("key", name, "")

    def _number(self, name: str, value: float | Decimal, row: str) -> Any:
        if name in COUNTS or not value:
            return value
        if name.endswith("_time") and _EARLIEST_TIME < value < _LATEST_TIME:
            return int(value) - int(self._weeks.total_seconds())
        text = format(value, "f") if isinstance(value, Decimal) else repr(value)
        if text == _NO_ID and _names_ids(name):
            return value
        if isinstance(value, int) and _names_ids(name) and (_ID.fullmatch(text) or name == gmv_max.PERIOD):
            return int(self._id(text))
        replaced = self._figure(name, text, row)
        number = Decimal(replaced)
        return int(number) if isinstance(value, int) and number == int(number) else number

    def _text(self, name: str, text: str, row: str) -> str:
        nested = _nested(text)
        if nested is not None:
            return json.dumps(self._value(name, nested, row), default=float)
        if text in _SAYING_NOTHING or (name in COUNTS and text.isdecimal()) or self._is_constant(name, text):
            return text
        if text == _NO_ID and _names_ids(name):
            return text
        if _DAY.fullmatch(text):
            return self._moment(text)
        if name == gmv_max.PERIOD and _DAY.search(text):
            return _DAY_OR_WORD.sub(lambda part: self._moment(part[0]) if part[1] else self._word(part[0]), text)
        if _ID.fullmatch(text) or (text.isdecimal() and _names_ids(name)):
            return self._id(text)
        if _NUMBER.fullmatch(text):
            return self._figure(name, text, row)
        if text.startswith(("http://", "https://")):
            return f"https://example.com/{self._letters(text.partition('://')[2])}"
        return self._letters(text)

    def _is_constant(self, name: str, text: str) -> bool:
        """Whether the text can only be a constant of TikTok."""
        if name in CONSTANTS:
            return bool(_PLAIN.fullmatch(text))
        if name in self._labels or name.endswith(_OF_CONSTANTS):
            return text in self._labels.get(name, ()) or bool(_CONSTANT.fullmatch(text))
        return False

    def _moment(self, text: str) -> str:
        try:
            moved = datetime.fromisoformat(text) - self._weeks
        except (ValueError, OverflowError):
            return self._letters(text)
        if len(text) == len("2026-01-31"):
            return f"{moved:%Y-%m-%d}"
        return moved.isoformat(sep="T" if "T" in text else " ")

    def _id(self, text: str) -> str:
        return self._ids.get(text) or self._letters(text)

    def _figure(self, name: str, text: str, row: str) -> str:
        """Another number of the same sign and decimals; zero stays."""
        shape = _NUMBER.fullmatch(text)
        if shape is None:
            return self._letters(text)
        sign, whole, decimals, percent = shape.groups()
        if not int(whole + (decimals or "")):
            return text
        if name in self._compared and not percent:
            # Other figures of each row would have other sums than those of the requests above.
            # To the cent at least, as their sums are, though TikTok leaves out last zeros.
            last = Decimal(1).scaleb(-max(2, len(decimals or "")))
            return f"{sign}{max(last, (abs(Decimal(text)) * self._part).quantize(last)):f}"
        chance = self._chance("figure", name, row, text)
        number = str(chance.randrange(1, 10 ** chance.randrange(1, 6)))
        places = "".join(chance.choice(string.digits) for _ in decimals or "")
        return f"{sign}{number}{'.' + places if decimals else ''}{percent}"

    def _letters(self, text: str) -> str:
        """Other letters and digits in the places of these; what is neither stays, as faults often come from it."""
        chance = self._chance("letters", text)
        return "".join(_instead_of(letter, chance) for letter in text)

    def _message(self, text: str) -> str:
        """A message of TikTok with the words of its language; what it names is replaced."""
        return _WORD.sub(lambda word: self._word(word[0]), text)

    def _word(self, word: str) -> str:
        if word.isdecimal():
            return word if len(word) < 4 else self._id(word)
        parts = word.lower().split("_")
        return word if all(part in self._words for part in parts) else self._letters(word)

    def _header(self, name: str, value: str) -> str:
        return value if name in ("content-type", "retry-after") else self._letters(value)

    def _asked(self, key: str, value: Any) -> Any:
        """A key of the dataset's file: its values are adreel's words, but for IDs and days."""
        match value:
            case dict():
                return {name: self._asked(name, item) for name, item in value.items()}
            case list() | tuple():
                return [self._asked(key, item) for item in value]
            case str() if _DAY.fullmatch(value):
                return self._moment(value)
            case str() if value.isdecimal():
                # Days before today are numbers as well.
                return value if key in ("start", "end") else self._id(value)
            case str() if not _KEYWORD.fullmatch(value):
                return self._letters(value)
            case _:
                return value

    def _outcome(self, key: str, value: Any) -> Any:
        return self._message(value) if isinstance(value, str) and key == "error" else value

    # -- decided by the key

    def _chance(self, *what: str) -> Random:
        digest = hmac.digest(self._key, "\0".join(what).encode("utf-8", "surrogatepass"), hashlib.sha256)
        return Random(int.from_bytes(digest))  # noqa: S311 - seeded by a secret

    def _number_ids(self, record: Record) -> None:
        """Decides on the IDs: as many random ones of the same length, in the same order."""
        by_length: dict[int, set[str]] = defaultdict(set)
        for text in _ids_in([record.dataset, *record.advertisers, *_contents(record.exchanges)], ""):
            by_length[len(text)].add(text)
        for length, texts in by_length.items():
            chance = self._chance("ids", str(length))
            first, after = 10 ** (length - 1), 10**length
            fresh: set[int] = set()
            while len(fresh) < len(texts):
                number = chance.randrange(first, after) if len(texts) * 4 < after - first else first + len(fresh)
                if str(number) not in texts or len(texts) * 4 >= after - first:
                    fresh.add(number)
            self._ids |= dict(zip(sorted(texts), map(str, sorted(fresh)), strict=True))


def without_names(text: str) -> str:
    """A message of TikTok with the words of its language and of its API; all else is an ellipsis."""
    words = WORDS | frozenset(_words_of_catalog())

    def word(match: re.Match[str]) -> str:
        parts = match[0].lower().split("_")
        return match[0] if all(part in words for part in parts) or (match[0].isdecimal() and len(match[0]) < 4) else "…"

    return _WORD.sub(word, text)


def _contents(exchanges: Iterable[Exchange]) -> Iterator[Any]:
    for exchange in exchanges:
        yield from (exchange.params, exchange.body, exchange.answer)


def _ids_in(value: Any, name: str) -> Iterator[str]:
    """Every text and number that is an ID."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _ids_in(item, str(key))
                yield from _ID.findall(str(key))
        case list() | tuple():
            for item in value:
                yield from _ids_in(item, name)
        case bool() | None | float() | Decimal():
            return
        case int() if name == gmv_max.PERIOD:
            yield str(value)
        case int():
            yield from _ID.findall(str(value)) if _names_ids(name) else ()
        case _:
            text = str(value)
            nested = _nested(text)
            if nested is not None:
                yield from _ids_in(nested, name)
            elif text.isdecimal() and text.isascii() and _names_ids(name):
                yield text
            else:
                yield from (
                    word for word in _WORD.findall(text) if word.isascii() and word.isdecimal() and len(word) >= 4
                )


def _is_long_number(word: str) -> bool:
    return len(word) >= 4 and word.isascii() and word.isdecimal()


def _names_ids(name: str) -> bool:
    """Whether a field of this name has IDs, as `campaign_id` and `ad_ids` do; a period names rows, too."""
    return name == gmv_max.PERIOD or bool(re.search(r"(^|_)ids?(_|$)", name))


def _nested(text: str) -> Any:
    """The list or object that a text is the JSON of; None for any other text."""
    if not text.startswith(("[", "{")):
        return None
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _row_of(value: Mapping[str, Any]) -> str:
    """What names the row that an object is: its dimensions, or its IDs; empty for any other object."""
    own = value.get("dimensions")
    if not isinstance(own, dict):
        own = {name: item for name, item in value.items() if _names_ids(name) and isinstance(item, str | int)}
    return json.dumps(own, sort_keys=True, default=str) if own else ""


def _instead_of(letter: str, chance: Random) -> str:
    if letter.isdecimal():
        return chance.choice(string.digits)
    if not letter.isalpha():
        return letter
    if not letter.isascii():
        return chance.choice("äéñøß")
    return chance.choice(string.ascii_uppercase if letter.isupper() else string.ascii_lowercase)


def _words_of_catalog() -> Iterator[str]:
    for metric in catalog.metrics().values():
        yield from (part for part in metric.name.split("_"))
    for dimension in catalog.dimensions().values():
        yield from (part for part in dimension.name.split("_"))


# -- totals


def _totalled(
    real: Sequence[Exchange], disguised: Sequence[Exchange], compared: Collection[str], chance: Random
) -> Iterator[Exchange]:
    """The exchanges with totals that are those of their rows where they were before, and others where they were not.

    Totals of `compared` amounts that are not those of their rows stay as far apart as they are.
    """
    groups = list(map(_group, real))
    real_sums, sums_now = _sums(groups, real), _sums(groups, disguised)
    for group, before, after in zip(groups, real, disguised, strict=True):
        totals = _totals(before)
        if not totals:
            yield after
            continue
        replaced = dict(_totals(after))
        for name, value in totals.items():
            number = _decimal(value)
            if number is None or name not in sums_now[group]:
                continue
            if name in compared and number != real_sums[group][name]:
                continue
            apart = 0 if number == real_sums[group][name] else 1 + chance.randrange(9)
            total = sums_now[group][name] + apart
            replaced[name] = format(total, "f") if isinstance(value, str) else total
        data = {**after.answer["data"], "total_metrics": replaced}
        yield replace(after, answer={**after.answer, "data": data})


def _group(exchange: Exchange) -> str:
    """Names the request that a page is of."""
    apart = ("page", "page_size", "enable_total_metrics")
    params = {name: value for name, value in exchange.params.items() if name not in apart}
    return json.dumps([exchange.path, params], sort_keys=True, default=str)


def _totals(exchange: Exchange) -> Mapping[str, Any]:
    data = exchange.answer.get("data") if isinstance(exchange.answer, dict) else None
    totals = data.get("total_metrics") if isinstance(data, dict) else None
    return totals if isinstance(totals, dict) else {}


def _sums(groups: Sequence[str], exchanges: Sequence[Exchange]) -> Mapping[str, Mapping[str, Decimal]]:
    """The sums of the metrics over each request's pages, each page as it came last."""
    pages: dict[tuple[str, str], list[Any]] = {}
    for group, exchange in zip(groups, exchanges, strict=True):
        data = exchange.answer.get("data") if isinstance(exchange.answer, dict) else None
        if isinstance(data, dict) and isinstance(data.get("list"), list):
            pages[group, str(exchange.params.get("page", 1))] = data["list"]
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (group, _), rows in pages.items():
        for row in rows:
            metrics = row.get("metrics") if isinstance(row, dict) else None
            if isinstance(metrics, dict):
                for name, value in metrics.items():
                    sums[group][name] += _decimal(value) or 0
    return sums


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)) if isinstance(value, str | int | float | Decimal) else None
    except InvalidOperation:
        return None
