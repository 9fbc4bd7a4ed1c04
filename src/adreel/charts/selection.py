"""Which rows of a table the cards use, by advertiser and day, and the notes about that choice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

from adreel.charts.source import VIEW, CardSource, among, day_of, where, within
from adreel.datasets.dataset import Dataset, key_columns
from adreel.datasets.schema import columns
from adreel.dates import Span, fixed_offset, today_at
from adreel.enumerations import first_of
from adreel.errors import InputError
from adreel.lake.engine import literal, quoted
from adreel.update_methods import Method

DAYS = (7, 14, 30, 60, 90)
"""The numbers of days that a menu offers; any other is allowed as well."""

LAST_ZONE = timedelta(hours=-12)
"""The zone in which a day ends last, used for rows with an unknown zone."""

MOST_NAMED = 3
"""How many advertisers or days a note names one by one."""

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CardChoices:
    """A person's filters. `currency` None: the one with the most rows; `days` None: all; `advertiser` None: all."""

    currency: str | None = None
    days: int | None = 30
    advertiser: str | None = None


@dataclass(frozen=True, slots=True)
class CurrencyFacts:
    """A currency of the table and its number of rows; `code` is empty if unknown."""

    code: str
    rows: int


@dataclass(frozen=True, slots=True)
class AdvertiserFacts:
    """An advertiser of the table; `first` and `last` are the first and last day with rows of it."""

    id: str
    currency: str
    zone: str
    rows: int
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a table offers to filter by, and what the cards show of it.

    `currency` is the one that money is shown in, None without money. `window` are the days that are summed: over in
    every advertiser's zone when the rows were read. `previous` is the previous period of equal length, if the table has
    it completely; `open_days` were in progress. All three are None or empty without days.
    """

    rows: int
    currencies: tuple[CurrencyFacts, ...]
    advertisers: tuple[AdvertiserFacts, ...]
    currency: str | None
    first: date | None
    last: date | None
    window: Span | None = None
    previous: Span | None = None
    open_days: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class CardSelection:
    """The rows that the cards use.

    `condition` selects advertisers and ranges, as SQL. `refusal` says why no card can be shown, `no_previous` why there
    is no previous period. `notes` apply to every card. `zones` is the number of time zones of the advertisers,
    `left_out` the currencies that are not shown; with `one_currency` their advertisers are left out of every card.
    """

    facts: CardFacts
    condition: str
    refusal: str | None
    no_previous: str | None
    notes: tuple[str, ...]
    zones: int
    left_out: tuple[str, ...]
    one_currency: bool

    @property
    def shown(self) -> Span | None:
        """The days that a line shows: those of the window and the open days."""
        return _shown(self.facts)

    @property
    def read(self) -> Span | None:
        """All days that are read: those shown and the previous period."""
        shown, previous = self.shown, self.facts.previous
        return Span(previous.start, shown.end) if shown and previous else shown


def _shown(facts: CardFacts) -> Span | None:
    return Span(facts.window.start, max((facts.window.end, *facts.open_days))) if facts.window else None


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of one account with one currency, zone and range."""

    advertiser: str
    currency: str
    zone: str
    range: tuple[date, date] | None
    first: date | None
    last: date | None
    rows: int


def select(
    source: CardSource,
    dataset: Dataset,
    names: Collection[str],
    choices: CardChoices,
    read_at: datetime,
    methods: Collection[Method],
) -> CardSelection:
    """The rows for the cards. `names` are the table's columns, `methods` the update methods that wrote its rows.

    Raises InputError for choices that the table does not have.
    """
    groups = _groups(source, dataset, names)
    _check(choices, groups)
    chosen = [group for group in groups if choices.advertiser in (None, group.advertiser)]
    currencies = _currencies(_newest(chosen))
    currency = _currency(currencies, choices) if "currency" in names else None
    # Of a report with money all cards go over the accounts of one currency, so that their figures are of the same ads.
    one_currency = len(currencies) > 1 and currency is not None and _has_money(dataset, names)
    if one_currency:
        chosen = [group for group in chosen if group.currency == currency]
    newest = _newest(chosen)
    facts = _facts(_newest(groups), newest, currency)
    if "currency" not in names:
        facts = replace(facts, currencies=())
    condition = _condition(choices, chosen, newest)
    if one_currency:
        condition = f"({condition or 'TRUE'}) AND coalesce({quoted('currency')}, '') = {literal(currency or '')}"
    no_previous = None
    if dataset.time != "none" and newest:
        facts, no_previous = _compared(source, dataset, _with_days(facts, newest, choices, read_at), newest, condition)
    refusal = None
    if Method.APPEND in (dataset.update.method, *methods) or dataset.update.key is not None:
        # The other methods keep one row of each key; these may keep several.
        repeated = partial(_several_times, source, dataset, names, condition)
        refusal = repeated(_shown(facts))
        if facts.previous is not None and repeated(facts.previous) is not None:
            facts, no_previous = replace(facts, previous=None), "The days before were read several times."
    return CardSelection(
        facts=facts,
        condition=condition,
        refusal=refusal,
        no_previous=no_previous,
        notes=(*_choice_notes(choices, currency), *_range_notes(chosen, newest), *_dataset_notes(dataset)),
        zones=len({group.zone for group in newest}),
        left_out=tuple(currency.code for currency in currencies if currency.code != facts.currency),
        one_currency=one_currency,
    )


def _groups(source: CardSource, dataset: Dataset, names: Collection[str]) -> list[_Group]:
    """Counts rows by advertiser, currency, zone and range, in one query over the whole table."""
    day = day_of(dataset) if dataset.time != "none" else "NULL"
    selected = [quoted(name) if name in names else "NULL" for name in ("advertiser_id", "currency", "timezone")]
    selected += [quoted(name) if name in names else "NULL" for name in ("start_date", "end_date")]
    rows = source.rows(
        "SELECT",
        ", ".join(selected),
        f", min({day}), max({day}), count(*) FROM {VIEW} GROUP BY ALL ORDER BY ALL",
    )
    return [
        _Group(row[0] or "", row[1] or "", row[2] or "", (row[3], row[4]) if row[3] and row[4] else None, *row[5:])
        for row in rows
    ]


def _check(choices: CardChoices, groups: Sequence[_Group]) -> None:
    if choices.days is not None and choices.days < 1:
        raise InputError(f"days: {choices.days} is not a valid number of days. Choose 1 or more, or all.")
    accounts = {group.advertiser for group in groups}
    if choices.advertiser is not None and choices.advertiser not in accounts:
        raise InputError(f"advertiser: the table has no rows of ad account {choices.advertiser!r}. Choose another.")
    currencies = {group.currency for group in groups}
    if choices.currency is not None and choices.currency not in currencies:
        codes = ", ".join(sorted(filter(None, currencies))) or "none"
        raise InputError(f"currency: the table has no rows in {choices.currency!r}. Choose one of: {codes}.")


def _newest(groups: Sequence[_Group]) -> list[_Group]:
    """The groups with each advertiser's newest range: ranges overlap, so figures of two ranges are never summed."""
    ends: dict[str, tuple[date, date]] = {}
    for group in groups:
        if group.range is not None:
            start, end = group.range
            ends[group.advertiser] = max(ends.get(group.advertiser, (end, start)), (end, start))
    return [group for group in groups if group.range is None or ends[group.advertiser] == group.range[::-1]]


def _condition(choices: CardChoices, chosen: Sequence[_Group], newest: Sequence[_Group]) -> str:
    """The SQL condition that rows are of the chosen advertiser and of the newest ranges."""
    if len(newest) == len(chosen):
        return "" if choices.advertiser is None else among("advertiser_id", [choices.advertiser])
    accounts: dict[tuple[date, date] | None, set[str]] = defaultdict(set)
    for group in newest:
        accounts[group.range].add(group.advertiser)
    return " OR ".join(
        f"({among('advertiser_id', sorted(ids))} AND {_in_range(days)})" for days, ids in accounts.items()
    )


def _in_range(days: tuple[date, date] | None) -> str:
    if days is None:
        return f"{quoted('start_date')} IS NULL OR {quoted('end_date')} IS NULL"
    return f"{quoted('start_date')} = DATE '{days[0]}' AND {quoted('end_date')} = DATE '{days[1]}'"


def _has_money(dataset: Dataset, names: Collection[str]) -> bool:
    """Whether the dataset is a report with amounts; an entity list with budgets is not."""
    return bool(dataset.metrics) and any(column.type == "money" for column in columns(dataset) if column.name in names)


def _currency(currencies: Sequence[CurrencyFacts], choices: CardChoices) -> str | None:
    """The currency to show money in: the chosen one if the rows have it, else the one with the most rows."""
    codes = [currency.code for currency in currencies]
    return choices.currency if choices.currency in codes else next(iter(codes), None)


def _facts(all_groups: Sequence[_Group], chosen: Sequence[_Group], currency: str | None) -> CardFacts:
    """`all_groups` are offered as filters, `chosen` are shown."""
    return CardFacts(
        rows=sum(group.rows for group in chosen),
        currencies=_currencies(all_groups),
        advertisers=_advertisers(all_groups),
        currency=currency,
        first=min((group.first for group in chosen if group.first), default=None),
        last=max((group.last for group in chosen if group.last), default=None),
    )


def _currencies(groups: Iterable[_Group]) -> tuple[CurrencyFacts, ...]:
    rows: Counter[str] = Counter()
    for group in groups:
        rows[group.currency] += group.rows
    return tuple(CurrencyFacts(code, rows[code]) for code in sorted(rows, key=lambda code: (-rows[code], code)))


def _advertisers(groups: Iterable[_Group]) -> tuple[AdvertiserFacts, ...]:
    of_account: dict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        of_account[group.advertiser].append(group)
    return tuple(
        AdvertiserFacts(
            id=account,
            currency=account_groups[-1].currency,
            zone=account_groups[-1].zone,
            rows=sum(group.rows for group in account_groups),
            first=min((group.first for group in account_groups if group.first), default=None),
            last=max((group.last for group in account_groups if group.last), default=None),
        )
        for account, account_groups in sorted(of_account.items())
    )


def _with_days(facts: CardFacts, groups: Sequence[_Group], choices: CardChoices, read_at: datetime) -> CardFacts:
    """The facts with the days to show: the window of complete days, then the open days."""
    if facts.first is None or facts.last is None:
        return facts
    today = min(today_at(read_at, _offset(group.zone)) for group in groups)
    last_whole_day = min(facts.last, today - _ONE_DAY)
    if last_whole_day < facts.first:
        # All days were in progress: they are shown, with a note, as there is nothing else.
        return replace(facts, window=Span(facts.first, facts.last), open_days=days_of(Span(facts.first, facts.last)))
    start = facts.first
    if choices.days is not None and choices.days <= (last_whole_day - start).days:
        start = last_whole_day - (choices.days - 1) * _ONE_DAY
    return replace(
        facts, window=Span(start, last_whole_day), open_days=days_of(Span(last_whole_day + _ONE_DAY, facts.last))
    )


def _offset(zone: str) -> timedelta:
    try:
        return fixed_offset(zone)
    except InputError:
        return LAST_ZONE


def days_of(span: Span | None) -> tuple[date, ...]:
    """Every day of a span; none without a span."""
    return tuple(span.start + number * _ONE_DAY for number in range(span.days)) if span else ()


def _compared(
    source: CardSource, dataset: Dataset, facts: CardFacts, groups: Sequence[_Group], condition: str
) -> tuple[CardFacts, str | None]:
    """The facts with the previous period if the table has it completely, else the reason why not."""
    window = facts.window
    if window is None or window.start == facts.first or window.end in facts.open_days:
        return facts, None
    before = Span(window.start - window.days * _ONE_DAY, window.start - _ONE_DAY)
    late = sorted({group.advertiser for group in groups if _is_late(group, before, window)})
    if late:
        return facts, (
            f"No previous period: the table does not have all days from {before.start} on for "
            f"{'ad account' if len(late) == 1 else 'ad accounts'} {first_of(late, MOST_NAMED)}."
        )
    day = day_of(dataset)
    days = {
        day_with_rows
        for (day_with_rows,) in source.rows(
            "SELECT DISTINCT", day, "FROM", VIEW, where(condition, within(dataset, before))
        )
    }
    missing = [str(day) for day in days_of(before) if day not in days]
    if missing:
        return facts, f"No previous period: the table has no rows of {first_of(missing, MOST_NAMED)}."
    return replace(facts, previous=before), None


def _is_late(group: _Group, before: Span, window: Span) -> bool:
    """Whether an advertiser with rows in the window has its first row after the previous period began."""
    if group.first is None or group.last is None:
        return False
    return before.start < group.first and window.start <= group.last


def _choice_notes(choices: CardChoices, currency: str | None) -> list[str]:
    if choices.currency in (None, currency):
        return []
    return [f"The selected ad account has no rows in {choices.currency}; its amounts are in {currency}."]


def _range_notes(chosen: Sequence[_Group], newest: Sequence[_Group]) -> list[str]:
    ranges = sorted({group.range for group in newest if group.range is not None})
    notes = []
    if len(ranges) == 1:
        notes.append(f"Figures cover {span_text(Span(*ranges[0]))}.")
    elif ranges:
        spans = first_of([span_text(Span(*days)) for days in ranges], MOST_NAMED)
        notes.append(f"Figures cover the newest range of each ad account: {spans}.")
    older = sum(group.rows for group in chosen) - sum(group.rows for group in newest)
    if older:
        notes.append(f"{_rows_text(older)} of earlier ranges left out, as ranges overlap and cannot be summed.")
    return notes


def _dataset_notes(dataset: Dataset) -> list[str]:
    notes = []
    if dataset.lifetime:
        notes.append("Figures are TikTok's lifetime figures.")
    if dataset.time != "none" and dataset.dates is not None and _asks_for_today_alone(dataset):
        notes.append("The dataset reads each day only while it is in progress, so days may be incomplete.")
    return notes


def _asks_for_today_alone(dataset: Dataset) -> bool:
    assert dataset.dates is not None
    start = dataset.dates.start
    return dataset.dates.period == "today" or (start is not None and start.fixed is None and start.back == 0)


def span_text(span: Span) -> str:
    """A span of days as text."""
    return str(span.start) if span.start == span.end else f"{span.start} to {span.end}"


def _several_times(
    source: CardSource, dataset: Dataset, names_in_table: Collection[str], condition: str, days: Span | None
) -> str | None:
    """Why nothing can be summed, if the table has rows with the same key; None if it has not."""
    names = [name for name in key_columns(dataset) if name in names_in_table]
    hashed = f"hash({', '.join(map(quoted, names))})"
    clause = where(condition, within(dataset, days) if days else "")
    ((rows, keys),) = source.rows(f"SELECT count(*), count(DISTINCT {hashed}) FROM", VIEW, clause)
    if rows == keys:
        return None
    return (
        f"{rows - keys:,} of {_rows_text(rows)} repeat another row's {', '.join(names)}, as happens with the update "
        "method append, and would be counted twice. Choose days that were read once, or change the update method to "
        "upsert or replace."
    )


def _rows_text(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"
