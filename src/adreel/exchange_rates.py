"""Exchange rates of the workspace: read from CSV, looked at before they are saved, and found for a day.

A rate says how many units of a target one unit of a currency was worth from its day on. It holds until the next rate
of its currency, and for at most so many days as the workspace says; after that the day has no rate.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, Protocol

from adreel.access import Guard, RoleRight
from adreel.dates import FIRST_DAY, Span
from adreel.enumerations import first_of
from adreel.errors import InputError
from adreel.language import Phrase, in_language, integer, phrase, shown_day, shown_days
from adreel.store import ExchangeRate, RateImport, Store
from adreel.store.exchange_rates import LONGEST_FILE_NAME, MOST_RATES

PLACES = 15
"""Decimals of a rate."""

EXACT = Context(prec=60)
"""Enough digits for any amount times any rate."""

SMALLEST, LARGEST = Decimal("1E-9"), Decimal("1E7")
"""Bounds of a rate, the larger one excluded: a Vietnamese dong is 0.00001 Kuwaiti dinars."""

MOST_BYTES = 4_000_000
"""Of a file of rates; the Data Center takes requests of a quarter of it."""

MOST_CURRENCIES = 300
MOST_PROBLEMS = 8
"""Faults of a file that a message lists."""

MOST_NAMED_DAYS = 3
"""Days, or days that follow each other, of a currency that a message names."""

JUMP = Decimal("0.2")
"""A rate that differs by more than this share from the one before it may be mistyped."""

LATEST = timedelta(days=366)
"""Rates may be of so many days ahead, as those of a plan are."""

_CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND
VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG CUC CYP EEK HRK LTL LVL MTL ROL SIT SKK SLL TRL ZWL
"""
CURRENCIES = frozenset(_CODES.split())
"""Codes of ISO 4217, with some that ended since 1999 and are in tables of central banks."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
_LEAST = Decimal("1E-12")
_DAY_NAMES = ("date", "day")
_ABSENT = frozenset({"", "n/a", "na", "-"})
"""What wide tables write for a day on which a currency has no rate."""

FORMS = Phrase(
    "adreel reads three forms: columns date, from, to, rate; columns date, currency, rate; or "
    "a column date and one for each currency, such as date, USD, JPY."
)


class Direction(StrEnum):
    """What the numbers of a file are, in files that do not say it themselves."""

    TO_TARGET = "to_target"
    """Units of the target for one unit of the currency."""

    FROM_TARGET = "from_target"
    """Units of the currency for one unit of the target, as the European Central Bank writes them."""


# -- rates of days


class RateTable:
    """The rates to one target, to be asked for days."""

    def __init__(
        self,
        target: str,
        valid_days: int,
        rates: Iterable[ExchangeRate],
        imports: Mapping[int, RateImport],
    ) -> None:
        """`rates` are those to `target` in the order of their days."""
        self.target = target
        self.valid_days = valid_days
        self.imports = imports
        self._rates: dict[str, list[ExchangeRate]] = defaultdict(list)
        for rate in rates:
            self._rates[rate.currency].append(rate)
        self._days = {currency: [rate.day for rate in of_currency] for currency, of_currency in self._rates.items()}

    def on(self, currency: str, day: date) -> ExchangeRate | None:
        """The rate that holds on the day; None if there is none. One of the target itself is 1."""
        if currency == self.target:
            return ExchangeRate(day, currency, currency, Decimal(1))
        place = bisect_right(self._days.get(currency, []), day)
        if not place:
            return None
        rate = self._rates[currency][place - 1]
        return rate if (day - rate.day).days < self.valid_days else None


class Rates(Protocol):
    """Where rates come from: `WorkspaceRates`, but for tests."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The currencies that there are rates to."""

    @property
    def usual(self) -> str | None:
        """The one of them that money is converted to without a choice."""

    def table(self, target: str, currencies: Iterable[str], days: Span) -> RateTable:
        """The rates of some currencies and days."""


class WorkspaceRates:
    """The rates of the workspace, as charts take them."""

    def __init__(self, store: Store) -> None:
        """Rates are read when they are asked for."""
        self._store = store.exchange_rates

    @property
    def targets(self) -> tuple[str, ...]:
        """The currencies that there are rates to."""
        return self._store.targets()

    @property
    def usual(self) -> str | None:
        """The one of them with the rates of most currencies, then with most rates."""
        return self._store.usual_target()

    def table(self, target: str, currencies: Iterable[str], days: Span) -> RateTable:
        """The rates of some currencies and days."""
        valid_days = self._store.valid_days()
        since = days.start - timedelta(days=valid_days)
        rates = self._store.list(target, currencies=frozenset(currencies), since=since, until=days.end)
        return RateTable(target, valid_days, rates, self._store.imports())


def target_without_choice(rates: Rates | None, wished: str | None) -> str | None:
    """The currency that money of several is converted to where none was chosen: `wished`, if there are rates to it.

    With another text, such as an empty one, the usual one. None without rates, and where `wished` is None.
    """
    if rates is None or wished is None:
        return None
    return wished if wished in rates.targets else rates.usual


def missing_rates(target: str, lacking: Mapping[str, Collection[date]]) -> str | None:
    """Which days with money have no rate to the target, by currency, in a sentence; None if none lacks one.

    The currency may be empty for unknown.
    """
    parts = []
    for currency, days in sorted(lacking.items()):
        if days:
            name = currency or phrase("an unknown currency")
            parts.append(f"{name}: {first_of(list(_runs(sorted(days))), MOST_NAMED_DAYS)}")
    if not parts:
        return None
    return phrase(
        "Rates to %(currency)s are missing for days with money. %(days_by_currency)s.",
        currency=target,
        days_by_currency="; ".join(parts),
    )


def _runs(days: Sequence[date]) -> Iterator[str]:
    """Days that follow each other as texts such as `2026-11-01 to 2026-11-05`."""
    start = last = days[0]
    for day in [*days[1:], None]:
        if day is not None and day == last + timedelta(days=1):
            last = day
            continue
        yield shown_days(start, last)
        if day is not None:
            start = last = day


# -- reading a file


@dataclass(frozen=True, slots=True)
class RateFile:
    """What a file has: its rates by target, currency and day, and how many are `skipped` as no ad is that old.

    `is_inverse` says whether its numbers were units of the currency for one of the target.
    """

    rates: tuple[ExchangeRate, ...]
    skipped: int
    is_inverse: bool

    @property
    def examples(self) -> tuple[str, ...]:
        """The latest rate of each currency in a sentence."""
        latest = {(rate.target, rate.currency): rate for rate in self.rates}
        return tuple(map(in_words, latest.values()))


def in_words(rate: ExchangeRate) -> str:
    """A rate such as `1 USD = 0.92 EUR on 2026-11-28`."""
    return phrase(
        "1 %(currency)s = %(rate)s %(target)s on %(day)s",
        currency=rate.currency,
        rate=shown_rate(rate.rate),
        target=rate.target,
        day=shown_day(rate.day),
    )


def shown_rate(rate: Decimal) -> str:
    """A rate with as many digits as a person reads: six or more."""
    places = max(0, min(PLACES, 6 - rate.adjusted()))
    text = (
        format(rate.quantize(Decimal(1).scaleb(-places)), "f")
        if -int(rate.as_tuple().exponent) > places
        else format(rate, "f")
    )
    return in_language(text.rstrip("0").rstrip(".") if "." in text else text)


def read_rates(content: str | bytes, *, today: date, target: str = "", direction: Direction | None = None) -> RateFile:
    """The rates of a CSV file.

    `target` is needed for files that do not name it, and `direction` for wide ones, whose numbers could be either;
    other files without `from` and `to` have units of the target if it is None. InputError, with lines and columns.
    """
    text = _text(content)
    delimiter = _delimiter(text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return _RateReader(lines, target.strip().upper(), direction, today, decimal_comma=delimiter != ",").file()
    except csv.Error as error:
        raise InputError(
            phrase(
                "Line %(line)s cannot be read as CSV: %(error)s. Save the file as CSV again.",
                line=lines.line_num,
                error=error,
            )
        ) from None


def _text(content: str | bytes) -> str:
    if len(content) > MOST_BYTES:
        raise InputError(
            phrase(
                "The file is larger than %(value)s MB. Keep only the days of your tables.",
                value=MOST_BYTES // 1_000_000,
            )
        )
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(phrase("The file is an Excel workbook or a ZIP archive. Save it as CSV (UTF-8)."))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            phrase("The file is not UTF-8 text (line %(line)s). Save it as CSV (UTF-8).", line=line)
        ) from None


def _delimiter(text: str) -> str:
    """What separates cells: a comma, unless the first line has semicolons or tabs and no comma."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return "," if "," in first else ";" if ";" in first else "\t" if "\t" in first else ","


class _RateReader:
    """Reads the lines of one file."""

    def __init__(
        self,
        lines: Iterator[list[str]],
        target: str,
        direction: Direction | None,
        today: date,
        *,
        decimal_comma: bool,
    ) -> None:
        self._lines = lines
        self._target = target
        self._direction = direction
        self._today = today
        self._decimal_comma = decimal_comma
        self._problems: list[str] = []
        self._rates: dict[tuple[str, str, date], ExchangeRate] = {}
        self._read_at: dict[tuple[str, str, date], int] = {}
        self._skipped = 0

    def file(self) -> RateFile:
        numbered = ((number, row) for number, row in enumerate(self._lines, start=1) if any(map(str.strip, row)))
        header_line, header = next(numbered, (0, []))
        if not header:
            raise InputError(" ".join((phrase("The file is empty."), str(FORMS))))
        names = [name.strip().lower() for name in header]
        while names and not names[-1]:
            names.pop()
        columns = set(names)
        if len(columns) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(
                phrase(
                    "Line %(line)s: the column %(column)s is there twice. Remove one.",
                    line=header_line,
                    column=repr(twice),
                )
            )
        days = next((name for name in names if name in _DAY_NAMES), None)
        if days is not None and columns == {days, "from", "to", "rate"}:
            self._direction = Direction.TO_TARGET
            self._long(numbered, names, ("from", "to"))
        elif days is not None and columns == {days, "currency", "rate"}:
            self._need_target()
            self._long(numbered, names, ("currency", None))
        elif days is not None and names[0] == days and len(names) > 1:
            self._need_target()
            self._wide(numbered, names, header_line)
        else:
            others = repr(", ".join(names)[:200])
            words = phrase(
                "Line %(line)s: the columns %(columns)s are not those of rates.", line=header_line, columns=others
            )
            raise InputError(f"{words} {FORMS}")
        self._refuse()
        if not self._rates:
            if self._skipped:
                raise InputError(
                    phrase(
                        "The file has no rates. The %(skipped)s rates of days before %(first_day)s are not used.",
                        skipped=integer(self._skipped),
                        first_day=shown_day(FIRST_DAY),
                    )
                )
            raise InputError(phrase("The file has no rates."))
        ordered = tuple(self._rates[key] for key in sorted(self._rates))
        return RateFile(ordered, self._skipped, self._direction is Direction.FROM_TARGET)

    def _need_target(self) -> None:
        if not self._target:
            raise InputError(phrase("The file does not name the currency to convert to. Enter it as the target."))
        if self._target not in CURRENCIES:
            raise InputError(
                phrase(
                    "The target %(target)s is not a currency. Use a code such as EUR (ISO 4217).",
                    target=repr(self._target[:20]),
                )
            )

    def _long(
        self, numbered: Iterator[tuple[int, list[str]]], names: Sequence[str], pair: tuple[str, str | None]
    ) -> None:
        for line, row in numbered:
            if self._is_full(line, row, names):
                return
            cells = dict(zip(names, row, strict=False))
            day = self._day(line, cells)
            currency = self._currency(line, pair[0], cells[pair[0]])
            target = self._currency(line, pair[1], cells[pair[1]]) if pair[1] else self._target
            rate = self._rate(line, "rate", cells["rate"])
            if day and currency and target and rate is not None:
                self._add(line, "rate", ExchangeRate(day, currency, target, rate))

    def _wide(self, numbered: Iterator[tuple[int, list[str]]], names: Sequence[str], header_line: int) -> None:
        if self._direction is None:
            raise InputError(
                phrase(
                    "The file has a column for each currency. Choose what its numbers are: units of the target "
                    "for one unit of the currency (to_target), or units of the currency for one unit of the "
                    "target, as the European Central Bank publishes them (from_target)."
                )
            )
        currencies = [self._currency(header_line, f"{place + 2}", name) for place, name in enumerate(names[1:])]
        self._refuse()
        if len(currencies) > MOST_CURRENCIES:
            raise InputError(
                phrase(
                    "The file has %(currencies)s currencies; at most %(limit)s are read.",
                    currencies=integer(len(currencies)),
                    limit=MOST_CURRENCIES,
                )
            )
        for line, row in numbered:
            if self._is_full(line, row, names):
                return
            day = self._day(line, dict(zip(names, row, strict=False)))
            for currency, cell in zip(currencies, row[1:], strict=False):
                if day is None or currency is None or cell.strip().lower() in _ABSENT:
                    continue
                rate = self._rate(line, currency, cell)
                if rate is not None:
                    self._add(line, currency, ExchangeRate(day, currency, self._target, rate))

    def _is_full(self, line: int, row: list[str], names: Sequence[str]) -> bool:
        """Whether enough faults were found. A row with too few or too many cells is one; missing cells are empty."""
        if len(row) < len(names) or any(cell.strip() for cell in row[len(names) :]):
            self._fault(line, "", phrase("%(cells)s cells in place of %(columns)s", cells=len(row), columns=len(names)))
            row += [""] * (len(names) - len(row))
        if len(self._rates) > MOST_RATES:
            raise InputError(
                phrase(
                    "The file has more than %(limit)s rates. Keep only the days and currencies of your ad accounts.",
                    limit=integer(MOST_RATES),
                )
            )
        return len(self._problems) > 10 * MOST_PROBLEMS

    def _day(self, line: int, cells: Mapping[str, str]) -> date | None:
        name = next(name for name in _DAY_NAMES if name in cells)
        text = cells[name].strip()
        try:
            if not _DAY.fullmatch(text):
                raise ValueError(text)
            day = date.fromisoformat(text)
        except ValueError:
            self._fault(line, name, phrase("%(text)s is not a day. Write days as 2026-11-28", text=repr(text[:40])))
            return None
        if day > self._today + LATEST:
            self._fault(line, name, phrase("%(day)s is more than a year ahead", day=shown_day(day)))
            return None
        return day

    def _currency(self, line: int, column: str, text: str) -> str | None:
        code = text.strip().upper()
        if code in CURRENCIES:
            return code
        self._fault(
            line, column, phrase("%(code)s is not a currency. Use codes such as USD (ISO 4217)", code=repr(code[:20]))
        )
        return None

    def _rate(self, line: int, column: str, text: str) -> Decimal | None:
        """The number in the direction to the target; None, after adding a fault, for what is none."""
        typed = text.strip()
        if self._decimal_comma and "." not in typed and typed.count(",") == 1:
            typed = typed.replace(",", ".")
        if not _NUMBER.fullmatch(typed):
            self._fault(
                line,
                column,
                phrase(
                    "%(text)s is not a rate above zero. Write rates with a decimal point and without thousands "
                    "separators, such as 0.92",
                    text=repr(text.strip()[:40]),
                ),
            )
            return None
        number = Decimal(typed)
        if not number:
            self._fault(line, column, phrase("the rate is zero"))
            return None
        if not _LEAST < number < 1 / _LEAST:
            self._fault(
                line, column, phrase("%(text)s is too small or too large for a rate", text=repr(text.strip()[:40]))
            )
            return None
        if self._direction is Direction.FROM_TARGET:
            number = _rounded(EXACT.divide(Decimal(1), number)).normalize()
        elif -int(number.as_tuple().exponent) > PLACES:
            number = _rounded(number)
        if not SMALLEST <= number < LARGEST:
            self._fault(
                line, column, phrase("%(text)s is too small or too large for a rate", text=repr(text.strip()[:40]))
            )
            return None
        return number

    def _add(self, line: int, column: str, rate: ExchangeRate) -> None:
        if rate.currency == rate.target:
            if rate.rate != 1:
                self._fault(line, column, phrase("the rate of %(target)s to itself is not 1", target=rate.target))
            return
        if rate.day < FIRST_DAY:
            self._skipped += 1
            return
        key = (rate.target, rate.currency, rate.day)
        earlier = self._rates.setdefault(key, rate)
        first = self._read_at.setdefault(key, line)
        if earlier.rate != rate.rate:
            self._fault(
                line,
                column,
                phrase(
                    "%(currency)s has another rate of %(day)s in line %(line)s. Remove one of them",
                    currency=rate.currency,
                    day=shown_day(rate.day),
                    line=first,
                ),
            )

    def _fault(self, line: int, column: str, reason: str) -> None:
        self._problems.append(
            phrase("Line %(line)s, column %(column)s: %(reason)s.", line=line, column=column, reason=reason)
            if column
            else phrase("Line %(line)s: %(reason)s.", line=line, reason=reason)
        )

    def _refuse(self) -> None:
        if self._problems:
            more = len(self._problems) - MOST_PROBLEMS
            sentences = self._problems[:MOST_PROBLEMS]
            if more > 0:
                sentences.append(phrase("There are %(more)s more errors.", more=integer(more)))
            raise InputError(" ".join(sentences))


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-PLACES), rounding=ROUND_HALF_EVEN, context=EXACT)


# -- what there is


@dataclass(frozen=True, slots=True)
class RateJump:
    """Two rates of a currency that follow each other and differ by more than `JUMP`."""

    before: ExchangeRate
    after: ExchangeRate

    @property
    def text(self) -> str:
        """The jump in a sentence."""
        change = 100 * (self.after.rate / self.before.rate - 1)
        return phrase(
            "%(currency)s to %(target)s: %(before)s on %(day)s, then %(after)s on %(later_day)s (%(change)s %%)",
            currency=self.after.currency,
            target=self.after.target,
            before=shown_rate(self.before.rate),
            day=shown_day(self.before.day),
            after=shown_rate(self.after.rate),
            later_day=shown_day(self.after.day),
            change=in_language(f"{change:+,.0f}"),
        )


@dataclass(frozen=True, slots=True)
class RateSeries:
    """The rates of a currency to a target in the order of days; `gaps` are days between them without a rate."""

    currency: str
    target: str
    rates: tuple[ExchangeRate, ...]
    gaps: tuple[Span, ...]
    jumps: tuple[RateJump, ...]

    @property
    def latest(self) -> ExchangeRate:
        """The rate of the last day."""
        return self.rates[-1]

    @property
    def gap_days(self) -> int:
        """How many days the gaps have."""
        return sum(gap.days for gap in self.gaps)

    def as_json(self) -> dict[str, Any]:
        """The currency in short as plain values, as the API and the command line give it."""
        return {
            "currency": self.currency,
            "target": self.target,
            "rates": len(self.rates),
            "first": self.rates[0].day,
            "last": self.latest.day,
            "gap_days": self.gap_days,
            "jumps": [jump.text for jump in self.jumps],
        }


def series_of(rates: Iterable[ExchangeRate], valid_days: int) -> tuple[RateSeries, ...]:
    """The rates by target and currency."""
    of_pair: dict[tuple[str, str], list[ExchangeRate]] = defaultdict(list)
    for rate in rates:
        of_pair[rate.target, rate.currency].append(rate)
    return tuple(_series(sorted(own, key=lambda rate: rate.day), valid_days) for _, own in sorted(of_pair.items()))


def _series(rates: Sequence[ExchangeRate], valid_days: int) -> RateSeries:
    gaps = tuple(
        Span(before.day + timedelta(days=valid_days), after.day - timedelta(days=1))
        for before, after in pairwise(rates)
        if (after.day - before.day).days > valid_days
    )
    jumps = tuple(
        RateJump(before, after) for before, after in pairwise(rates) if abs(after.rate / before.rate - 1) > JUMP
    )
    return RateSeries(rates[0].currency, rates[0].target, tuple(rates), gaps, jumps)


@dataclass(frozen=True, slots=True)
class RatesChange:
    """What saving a file would do: rates that are `added`, `changed`, `unchanged` and `removed`.

    `jumps` are those of the currencies of the file as they would be afterwards.
    """

    file: RateFile
    added: int
    changed: int
    unchanged: int
    removed: int
    jumps: tuple[RateJump, ...]

    @property
    def summary(self) -> str:
        """The counts in a sentence."""
        parts = [phrase("%(rates)s new", rates=integer(self.added))]
        parts += [phrase("%(rates)s replaced by another rate", rates=integer(self.changed))] if self.changed else []
        parts += [phrase("%(rates)s unchanged", rates=integer(self.unchanged))] if self.unchanged else []
        parts += [phrase("%(rates)s deleted", rates=integer(self.removed))] if self.removed else []
        summary = phrase("%(rates)s rates: %(changes)s.", rates=integer(len(self.file.rates)), changes=", ".join(parts))
        if not self.file.skipped:
            return summary
        older = phrase(
            "%(rates)s of days before %(first_day)s are not used.",
            rates=integer(self.file.skipped),
            first_day=shown_day(FIRST_DAY),
        )
        return f"{summary} {older}"


def preview(store: Store, file: RateFile, *, replace_all: bool) -> RatesChange:
    """What saving the file would do; changes nothing."""
    stored = {(rate.target, rate.currency, rate.day): rate for rate in store.exchange_rates.list()}
    new = {(rate.target, rate.currency, rate.day): rate for rate in file.rates}
    same = sum(1 for key, rate in new.items() if key in stored and stored[key].rate == rate.rate)
    afterwards = new if replace_all else stored | new
    pairs = {key[:2] for key in new}
    series = series_of(
        (rate for key, rate in afterwards.items() if key[:2] in pairs), store.exchange_rates.valid_days()
    )
    kept = len(stored.keys() & new.keys())
    return RatesChange(
        file=file,
        added=len(new) - kept,
        changed=kept - same,
        unchanged=same,
        removed=len(stored) - kept if replace_all else 0,
        jumps=tuple(jump for each in series for jump in each.jumps),
    )


def save(guard: Guard, file: RateFile, name: str, *, replace_all: bool) -> RateImport:
    """Saves the rates of the file `name`. ForbiddenError, and InputError for too many rates."""
    guard.need_role(RoleRight.CHANGE_WORKSPACE)
    cleaned = "".join(character for character in " ".join(name.split()) if character.isprintable())
    return guard.store.exchange_rates.save(file.rates, cleaned[:LONGEST_FILE_NAME], replace=replace_all)


def delete(guard: Guard, target: str | None = None) -> int:
    """Deletes the rates to a target, or all; how many. ForbiddenError, and InputError if there are none to it."""
    guard.need_role(RoleRight.CHANGE_WORKSPACE)
    targets = guard.store.exchange_rates.targets()
    if target is not None and target not in targets:
        if not targets:
            raise InputError(phrase("There are no rates to %(target)s.", target=repr(target[:20])))
        raise InputError(
            phrase(
                "There are no rates to %(target)s. There are rates to %(targets)s.",
                target=repr(target[:20]),
                targets=first_of(targets, 5),
            )
        )
    return guard.store.exchange_rates.clear(target)


def set_valid_days(guard: Guard, days: int) -> None:
    """Changes for how many days a rate holds. ForbiddenError, and InputError for a number that cannot be."""
    guard.need_role(RoleRight.CHANGE_WORKSPACE)
    guard.store.exchange_rates.set_valid_days(days)


def as_csv(rates: Iterable[ExchangeRate]) -> str:
    """The rates as a file that `read_rates` reads: date, from, to, rate, in the order of days."""
    ordered = sorted(rates, key=lambda rate: (rate.day, rate.currency, rate.target))
    lines = (f"{rate.day},{rate.currency},{rate.target},{format(rate.rate, 'f')}" for rate in ordered)
    return "\n".join(["date,from,to,rate", *lines, ""])
