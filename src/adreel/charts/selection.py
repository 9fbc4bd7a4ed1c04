"""Which rows of a table the cards use, by advertiser, filters and day, and the notes about that choice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from types import MappingProxyType

from adreel.charts.conversion import (
    Conversion,
    ConversionOffer,
    ConvertedDays,
    ConvertedRows,
    Converting,
    converting,
    has_amounts,
    offers_of,
    static_refusal,
)
from adreel.charts.daily_lists import columns, day_delay, has_late_metrics, key_columns, shared_notes
from adreel.charts.filters import CardFilter, FilterFacts, filter_conditions, filter_facts, filters_of
from adreel.charts.pacing import Budget
from adreel.charts.periods import FITTING_DAYS, ONE_DAY, CalendarPeriod, Comparison, calendar_span, compared_span
from adreel.charts.source import VIEW, CardSource, among, day_of, where, within
from adreel.datasets.dataset import Dataset
from adreel.datasets.freshness import LateMetrics, last_complete_day, late_metrics
from adreel.dates import Span, fixed_offset, shared_today
from adreel.enumerations import first_of
from adreel.errors import InputError
from adreel.exchange_rates import Rates, target_without_choice
from adreel.lake.engine import literal, quoted
from adreel.language import Phrase, integer, phrase, phrases, shown_day, shown_days, within_sentence
from adreel.update_methods import Method

LAST_ZONE = timedelta(hours=-12)
"""The zone in which a day ends last, used for rows with an unknown zone."""

MOST_NAMED = 3
"""How many advertisers or days a note names one by one."""


@dataclass(frozen=True, slots=True)
class CardChoices:
    """What a person chose to see.

    `currency` None: the one with the most rows, `preferred_currency` if the rows have it. `days` are the last complete
    ones, a calendar period or a range; None: all. Without `advertisers` all are shown. `comparison` are the days to
    compare with, or where they are; `filters` restrict the rows, all at once. `budget` is for the card of pacing.

    With `convert` money of all currencies is shown in that one; with `fixed_rates` at the rates of the last complete
    day shown, so that a comparison shows no changes of rates.

    Of what is not chosen: with `fitting_days` the days are the longest of `FITTING_DAYS` that can be compared, else
    `days`. `convert_if_possible` is the currency that money of several is converted to where there are rates for all
    of it, empty for the usual one; None: it is not converted.
    """

    currency: str | None = None
    days: int | CalendarPeriod | Span | None = 30
    advertisers: tuple[str, ...] = ()
    comparison: Comparison | Span = "previous"
    filters: tuple[CardFilter, ...] = ()
    preferred_currency: str | None = None
    budget: Budget | None = None
    convert: str | None = None
    fixed_rates: bool = False
    fitting_days: bool = False
    convert_if_possible: str | None = None


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

    `currency` is the one that money is shown in, None without money. `window` are the days that are summed: complete
    for every advertiser when the rows were read. `previous` is the period compared with, if the table has it
    completely; `open_days` were incomplete. `complete_until` is the table's last complete day. All four are None or
    empty without days. `filters` are those that the table has, `missing` are sentences on charts that it lacks
    metrics for.

    `convert` is the currency that money is converted to, None if it is not; `conversion_refusal` says why it cannot be,
    and `conversions` are those that can be chosen, for tables that `has_amounts`.

    `days` is the number of days or the period that is shown. Of the `shown_advertisers` those in other currencies,
    `left_out_advertisers`, are in no figure. `no_previous` says why there is no comparison, `choice_notes` what of the
    choices the table does not have, `range_notes` which days the figures cover of a table without days; `range` are
    these days, if they are the same for all ad accounts.
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
    complete_until: date | None = None
    filters: tuple[FilterFacts, ...] = ()
    missing: tuple[str, ...] = ()
    convert: str | None = None
    conversions: tuple[ConversionOffer, ...] = ()
    conversion_refusal: str | None = None
    has_amounts: bool = False
    days: int | CalendarPeriod | Span | None = None
    shown_advertisers: int = 0
    left_out_advertisers: int = 0
    no_previous: str | None = None
    choice_notes: tuple[str, ...] = ()
    range_notes: tuple[str, ...] = ()
    range: Span | None = None


@dataclass(frozen=True, slots=True)
class CardSelection:
    """The rows that the cards use.

    `condition` selects advertisers, ranges and filters, as SQL. `refusal` says why no card can be shown;
    `previous_name` is what the period compared with is called in a sentence. `notes` apply
    to every card. `budget_refusal` says why the `budget` cannot be compared with, `days_without_rows` are days of it
    that are over and of which the ad accounts have no rows. `zones` is the number of time zones of the advertisers,
    `left_out` the currencies that are not shown; with `one_currency` their advertisers are left out of every card.
    With a `conversion` money is converted; without one, and with a `facts.conversion_refusal`, no money can be shown.
    `single_currency` says whether all rows are in the currency of `facts`. `late` are metrics that were not complete on
    the last day of the window or of the period compared with.
    """

    facts: CardFacts
    condition: str
    refusal: str | None
    notes: tuple[str, ...]
    zones: int
    left_out: tuple[str, ...]
    one_currency: bool
    previous_name: str = Phrase("previous period")
    budget: Budget | None = None
    budget_refusal: str | None = None
    days_without_rows: tuple[date, ...] = ()
    conversion: Conversion | None = None
    single_currency: bool = False
    late: tuple[LateMetrics, ...] = ()

    def complete_until(self, columns: Collection[str]) -> date | None:
        """The last day on which all these columns are complete; None if they are on all days that are summed."""
        days = (late.complete_until for late in self.late if not set(columns).isdisjoint(late.metrics))
        return min(days, default=None)

    @property
    def shown(self) -> Span | None:
        """The days that a line shows: those of the window and the open days."""
        return _shown(self.facts)

    @property
    def read(self) -> tuple[Span, ...]:
        """All days that are read: those shown and the period compared with, as one span if no day is between them."""
        shown, previous = self.shown, self.facts.previous
        if shown is None or previous is None:
            return (shown,) if shown else ()
        first, last = sorted((shown, previous))
        if last.start > first.end + ONE_DAY:
            return first, last
        return (Span(first.start, max(first.end, last.end)),)


def _shown(facts: CardFacts) -> Span | None:
    return Span(facts.window.start, max((facts.window.end, *facts.open_days))) if facts.window else None


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of one account with one currency, zone and range; `matching` of them pass the filters."""

    advertiser: str
    currency: str
    zone: str
    range: tuple[date, date] | None
    first: date | None
    last: date | None
    rows: int
    matching: int


def select(
    source: CardSource,
    dataset: Dataset,
    names: Collection[str],
    choices: CardChoices,
    read_at: datetime,
    methods: Collection[Method],
    rates: Rates | None = None,
    advertisers: Mapping[str, str] = MappingProxyType({}),
) -> CardSelection:
    """The rows for the cards. `names` are the table's columns, `methods` the update methods that wrote its rows.

    `rates` are for choices that convert money, `advertisers` names of ad accounts by ID.

    Raises InputError for choices that the table does not have.
    """
    selected = partial(
        _selected, source, dataset, names, read_at=read_at, methods=methods, rates=rates, advertisers=advertisers
    )
    target = target_without_choice(rates, choices.convert_if_possible)
    if target is not None and choices.currency is None and choices.convert is None:
        unconverted = replace(choices, convert_if_possible=None)
        several = len(_currencies(_shown_groups(source, dataset, names, unconverted))) > 1
        converted = selected(replace(unconverted, convert=target)) if several else None
        if converted is not None and converted.conversion is not None:
            return converted
    return selected(choices)


def _shown_groups(source: CardSource, dataset: Dataset, names: Collection[str], choices: CardChoices) -> list[_Group]:
    """The groups of the advertisers and filters that are chosen, with each advertiser's newest range."""
    groups = _groups(source, dataset, names, filter_conditions(filters_of(dataset, names), choices.filters))
    accounts = choices.advertisers
    return _newest([group for group in groups if group.matching and (not accounts or group.advertiser in accounts)])


def _selected(
    source: CardSource,
    dataset: Dataset,
    names: Collection[str],
    choices: CardChoices,
    read_at: datetime,
    methods: Collection[Method],
    rates: Rates | None,
    advertisers: Mapping[str, str],
) -> CardSelection:
    offers = filters_of(dataset, names)
    filters = filter_conditions(offers, choices.filters)
    groups = _groups(source, dataset, names, filters)
    _check(choices, groups)
    accounts = [group for group in groups if not choices.advertisers or group.advertiser in choices.advertisers]
    chosen = [group for group in accounts if group.matching]
    currencies = _currencies(_newest(chosen))
    currency = _currency(currencies, choices) if "currency" in names else None
    convert = choices.convert if has_amounts(dataset, names) else None
    currency = convert or currency
    # Of a report with money all cards go over the accounts of one currency, so that their figures are of the same ads.
    one_currency = len(currencies) > 1 and currency is not None and convert is None and _has_money(dataset, names)
    shown_advertisers = {group.advertiser for group in chosen}
    if one_currency:
        chosen = [group for group in chosen if group.currency == currency]
    newest = _newest(chosen)
    facts = replace(
        _facts(_newest(groups), newest, currency), filters=filter_facts(source, dataset, offers, choices.filters)
    )
    if "currency" not in names:
        facts = replace(facts, currencies=())
    accounts_condition = _condition(choices, chosen, newest)
    if one_currency:
        # A plain comparison lets DuckDB skip parts of files.
        in_currency = (
            f"{quoted('currency')} = {literal(currency)}" if currency else f"coalesce({quoted('currency')}, '') = ''"
        )
        accounts_condition = f"({accounts_condition or 'TRUE'}) AND {in_currency}"
    condition = " AND ".join(f"({part})" for part in (accounts_condition, *filters) if part)
    days_notes: tuple[str, ...] = ()
    late: tuple[LateMetrics, ...] = ()
    if dataset.time != "none" and newest:
        facts, choices, days_notes = _with_compared_days(
            source, dataset, facts, newest, accounts_condition, choices, read_at, advertisers
        )
        late = _late_metrics(dataset, facts, newest, read_at)
    facts = replace(
        facts,
        convert=convert,
        conversions=_conversions(dataset, names, facts, rates),
        has_amounts=has_amounts(dataset, names),
    )
    converted = Converting()
    if convert is not None:
        table_rows = ConvertedRows(source, dataset, names, condition, frozenset(group.currency for group in newest))
        range_end = max((group.range[1] for group in newest if group.range is not None), default=None)
        converted = _converted(table_rows, facts, choices, rates, range_end)
        facts = replace(facts, conversion_refusal=converted.refusal)
        if converted.previous_refusal is not None:
            reason = phrase("No comparison: %(reason)s", reason=converted.previous_refusal)
            facts = replace(facts, previous=None, no_previous=reason)
    refusal = budget_refusal = None
    if Method.APPEND in (dataset.update.method, *methods) or dataset.update.key is not None:
        # The other methods keep one row of each key; these may keep several.
        repeated = partial(_several_times, source, dataset, names, condition)
        refusal = repeated(_shown(facts))
        budget_refusal = repeated(choices.budget.days) if choices.budget is not None and facts.window else None
        if facts.previous is not None and repeated(facts.previous) is not None:
            reason = phrase("The days to compare with were read several times.")
            facts = replace(facts, previous=None, no_previous=reason)
    left_out = shown_advertisers - {group.advertiser for group in chosen}
    facts = replace(
        facts,
        shown_advertisers=len(shown_advertisers),
        left_out_advertisers=len(left_out),
        choice_notes=(
            *_choice_notes(choices, currency, facts, chosen),
            *days_notes,
            *shared_notes(source, dataset, names),
        ),
        range_notes=tuple(_range_notes(chosen, newest)),
        range=_range(newest),
    )
    return CardSelection(
        facts=facts,
        condition=condition,
        refusal=refusal,
        notes=(
            *facts.choice_notes,
            *facts.range_notes,
            *_dataset_notes(dataset),
        ),
        zones=len({group.zone for group in newest}),
        left_out=tuple(currency.code for currency in currencies if convert is None and currency.code != facts.currency),
        one_currency=one_currency,
        previous_name=_previous_name(choices),
        budget=choices.budget,
        budget_refusal=budget_refusal or converted.budget_refusal,
        days_without_rows=_lacking(source, dataset, facts, accounts_condition, choices.budget),
        conversion=converted.conversion,
        single_currency=one_currency or (convert is None and len(currencies) < 2),
        late=late,
    )


def _late_metrics(
    dataset: Dataset, facts: CardFacts, groups: Sequence[_Group], read_at: datetime
) -> tuple[LateMetrics, ...]:
    """The metrics that were not complete on the last day that is summed; none if nothing of that day was."""
    if facts.window is None or facts.window.end in facts.open_days or not has_late_metrics(dataset):
        return ()
    last = max(facts.window.end, facts.previous.end) if facts.previous else facts.window.end
    return late_metrics(dataset, (_offset(group.zone) for group in groups), last, read_at)


def _conversions(
    dataset: Dataset, names: Collection[str], facts: CardFacts, rates: Rates | None
) -> tuple[ConversionOffer, ...]:
    codes = {currency.code for currency in facts.currencies}
    return offers_of(dataset, names, codes, rates.targets if rates is not None else ())


def _converted(
    rows: ConvertedRows, facts: CardFacts, choices: CardChoices, rates: Rates | None, range_end: date | None
) -> Converting:
    """How the money of the days that `facts` have is converted, or why it is not.

    That of a table without days is converted at the rates of the last day that its figures cover, `range_end`.
    """
    assert facts.convert is not None
    reason = static_refusal(rows.dataset, rows.names)
    if reason is None and rows.dataset.time == "none" and range_end is not None:
        return converting(rows, ConvertedDays(Span(range_end, range_end)), facts.convert, rates, range_end)
    shown = _shown(facts)
    if reason is not None or shown is None or facts.window is None:
        return Converting(refusal=reason or phrase("The table has no days to convert."))
    budget, until = choices.budget, facts.complete_until
    spent = None
    if budget is not None and until is not None and budget.currency == facts.convert and budget.days.start <= until:
        spent = Span(budget.days.start, min(budget.days.end, until))
    days = ConvertedDays(shown, facts.previous, spent)
    fixed_day = facts.window.end if choices.fixed_rates else None
    return converting(rows, days, facts.convert, rates, fixed_day)


def _groups(source: CardSource, dataset: Dataset, names: Collection[str], filters: Sequence[str]) -> list[_Group]:
    """Counts rows by advertiser, currency, zone and range, in one query over the whole table."""
    day = day_of(dataset) if dataset.time != "none" else "NULL"
    selected = [quoted(name) if name in names else "NULL" for name in ("advertiser_id", "currency", "timezone")]
    selected += [quoted(name) if name in names else "NULL" for name in ("start_date", "end_date")]
    matching = f"count(*) FILTER ({where(*filters)})" if filters else "count(*)"
    rows = source.kept_rows(
        "SELECT",
        ", ".join(selected),
        f", min({day}), max({day}), count(*), {matching} FROM {VIEW} GROUP BY ALL ORDER BY ALL",
    )
    return [
        _Group(row[0] or "", row[1] or "", row[2] or "", (row[3], row[4]) if row[3] and row[4] else None, *row[5:])
        for row in rows
    ]


def _check(choices: CardChoices, groups: Sequence[_Group]) -> None:
    if isinstance(choices.days, int) and choices.days < 1:
        raise InputError(
            phrase("days: %(days)s is not a valid number of days. Choose 1 or more, or all.", days=choices.days)
        )
    accounts = {group.advertiser for group in groups}
    unknown = next((advertiser for advertiser in choices.advertisers if advertiser not in accounts), None)
    if unknown is not None:
        raise InputError(
            phrase(
                "advertiser: the table has no rows of ad account %(ad_account)s. Choose another.",
                ad_account=repr(unknown),
            )
        )
    currencies = {group.currency for group in groups}
    if choices.currency is not None and choices.currency not in currencies:
        codes = ", ".join(sorted(filter(None, currencies))) or phrase("none")
        raise InputError(
            phrase(
                "currency: the table has no rows in %(currency)s. Choose one of: %(currencies)s.",
                currency=repr(choices.currency),
                currencies=codes,
            )
        )


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
        return among("advertiser_id", choices.advertisers) if choices.advertisers else ""
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
    """The currency to show money in: the chosen or preferred one if the rows have it, else that with the most rows."""
    codes = [currency.code for currency in currencies]
    wished = choices.preferred_currency if choices.currency is None else choices.currency
    return wished if wished in codes else next(iter(codes), None)


def _facts(all_groups: Sequence[_Group], chosen: Sequence[_Group], currency: str | None) -> CardFacts:
    """`all_groups` are offered as filters, `chosen` are shown."""
    return CardFacts(
        rows=sum(group.matching for group in chosen),
        currencies=_currencies(all_groups),
        advertisers=_advertisers(all_groups),
        currency=currency,
        first=min((group.first for group in chosen if group.first), default=None),
        last=max((group.last for group in chosen if group.last), default=None),
    )


def _currencies(groups: Iterable[_Group]) -> tuple[CurrencyFacts, ...]:
    rows: Counter[str] = Counter()
    for group in groups:
        rows[group.currency] += group.matching
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


def _with_days(
    facts: CardFacts, groups: Sequence[_Group], choices: CardChoices, read_at: datetime, delay: timedelta
) -> tuple[CardFacts, tuple[str, ...]]:
    """The facts with the days to show: the window of complete days, then the open days. Also notes on these.

    TikTok completes a day `delay` after its end (see `datasets.freshness`).
    """
    if facts.first is None or facts.last is None:
        return facts, ()
    first, last = facts.first, facts.last
    today = shared_today(read_at, (_offset(group.zone) for group in groups))
    complete_until = min(last, *(last_complete_day(_offset(group.zone), delay, read_at) for group in groups))
    facts = replace(facts, complete_until=complete_until if complete_until >= first else None)
    asked = _asked_days(choices.days, Span(first, last), complete_until, today)
    notes = tuple(_clipped(asked, Span(first, last), today)) if isinstance(choices.days, str | Span) else ()
    start, end = max(asked.start, first), min(asked.end, last)
    if start > end:
        return replace(facts, window=asked), notes
    if complete_until < start:
        # No day was complete: they are shown, with a note, as there is nothing else.
        return replace(facts, window=Span(start, end), open_days=days_of(Span(start, end))), notes
    window = Span(start, min(end, complete_until))
    open_days = days_of(Span(complete_until + ONE_DAY, end)) if end > complete_until else ()
    return replace(facts, window=window, open_days=open_days), notes


def _with_compared_days(
    source: CardSource,
    dataset: Dataset,
    facts: CardFacts,
    newest: Sequence[_Group],
    condition: str,
    choices: CardChoices,
    read_at: datetime,
    advertisers: Mapping[str, str],
) -> tuple[CardFacts, CardChoices, tuple[str, ...]]:
    """The facts with the days to show and to compare with, the choices with these days, and notes on them."""
    named_groups = [replace(group, advertiser=advertisers.get(group.advertiser, group.advertiser)) for group in newest]
    for days in _days_to_try(choices):
        tried = replace(choices, days=days)
        with_days, notes = _with_days(facts, newest, tried, read_at, day_delay(dataset))
        compared, no_previous = _compared(source, dataset, with_days, named_groups, condition, tried)
        if no_previous is None:
            break
    return replace(compared, days=days, no_previous=no_previous), tried, notes


def _days_to_try(choices: CardChoices) -> tuple[int | CalendarPeriod | Span | None, ...]:
    """The days to show, the first that can be compared; the last ones are shown in any case."""
    fits = choices.fitting_days and choices.comparison != "none"
    return (*FITTING_DAYS, choices.days) if fits else (choices.days,)


def _asked_days(days: int | CalendarPeriod | Span | None, in_table: Span, complete_until: date, today: date) -> Span:
    """The chosen days, which the table need not have. Numbers of days count back from the last complete day."""
    match days:
        case Span():
            return days
        case str():
            return calendar_span(days, today)
        case int() if days <= (complete_until - in_table.start).days:
            return Span(complete_until - (days - 1) * ONE_DAY, in_table.end)
        case _:
            return in_table


def _clipped(asked: Span, in_table: Span, today: date) -> Iterator[str]:
    """A note if the table lacks some of the chosen days that are over."""
    spans = {"asked_days": span_text(asked), "table_days": span_text(in_table)}
    if asked.end < in_table.start or asked.start > in_table.end:
        yield phrase("The table has no rows of %(asked_days)s: its days are %(table_days)s.", **spans)
    elif asked.start < in_table.start or min(asked.end, today - ONE_DAY) > in_table.end:
        yield phrase("The table has only a part of %(asked_days)s: its days are %(table_days)s.", **spans)


def _offset(zone: str) -> timedelta:
    try:
        return fixed_offset(zone)
    except InputError:
        return LAST_ZONE


def days_of(span: Span | None) -> tuple[date, ...]:
    """Every day of a span; none without a span."""
    return tuple(span.start + number * ONE_DAY for number in range(span.days)) if span else ()


def _compared(
    source: CardSource,
    dataset: Dataset,
    facts: CardFacts,
    groups: Sequence[_Group],
    condition: str,
    choices: CardChoices,
) -> tuple[CardFacts, str | None]:
    """The facts with the period compared with if the table has it completely, else the reason why not.

    The `condition` is that of the advertisers alone: a campaign that did not deliver on a day is complete without.
    """
    window = facts.window
    before = compared_span(choices.comparison, window) if window else None
    if window is None or before is None or (choices.days is None and choices.comparison == "previous"):
        return facts, None
    reason = _incomplete(source, dataset, facts, groups, condition, before)
    if reason is None:
        return replace(facts, previous=before), None
    name = _previous_name(choices)
    if choices.comparison == "previous":
        return facts, phrase("No %(previous_period)s: %(reason)s", previous_period=name, reason=reason)
    return facts, phrase(
        "No comparison with the %(previous_period)s, %(days)s: %(reason)s",
        previous_period=name,
        days=span_text(before),
        reason=reason,
    )


def _incomplete(
    source: CardSource, dataset: Dataset, facts: CardFacts, groups: Sequence[_Group], condition: str, before: Span
) -> str | None:
    """Why the days cannot be compared with; None if the table has them completely."""
    window = facts.window
    if window is None or facts.first is None or facts.complete_until is None or window.end in facts.open_days:
        return phrase("the selected days are incomplete.")
    if before.start < facts.first:
        return phrase("the table begins on %(day)s.", day=shown_day(facts.first))
    if before.end > facts.complete_until:
        return phrase("the table is complete until %(day)s only.", day=shown_day(facts.complete_until))
    late = sorted({group.advertiser for group in groups if _is_late(group, before, window)})
    if late:
        return phrases(
            "the table does not have all days from %(day)s on for ad account %(ad_accounts)s.",
            "the table does not have all days from %(day)s on for ad accounts %(ad_accounts)s.",
            len(late),
            day=shown_day(before.start),
            ad_accounts=first_of(late, MOST_NAMED),
        )
    missing = [shown_day(day) for day in _days_without_rows(source, dataset, condition, before)]
    return phrase("the table has no rows of %(days)s.", days=first_of(missing, MOST_NAMED)) if missing else None


def _days_without_rows(source: CardSource, dataset: Dataset, condition: str, days: Span) -> list[date]:
    query = ["SELECT DISTINCT", day_of(dataset), "FROM", VIEW, where(condition, within(dataset, days))]
    with_rows = {day for (day,) in source.kept_rows(*query)}
    return [day for day in days_of(days) if day not in with_rows]


def _lacking(
    source: CardSource, dataset: Dataset, facts: CardFacts, condition: str, budget: Budget | None
) -> tuple[date, ...]:
    """The days of a budget that are over and have no rows."""
    until = facts.complete_until
    if budget is None or until is None or until < budget.days.start:
        return ()
    days = Span(budget.days.start, min(until, budget.days.end))
    return tuple(_days_without_rows(source, dataset, condition, days))


def _previous_name(choices: CardChoices) -> str:
    """What the days compared with are called in a sentence."""
    match choices.comparison:
        case Span():
            return phrase("compared period")
        case "year":
            return phrase("period a year before")
        case _:
            return phrase("previous period")


def _is_late(group: _Group, before: Span, window: Span) -> bool:
    """Whether an advertiser with rows in the window has its first row after the previous period began."""
    if group.first is None or group.last is None:
        return False
    return before.start < group.first and window.start <= group.last


def _choice_notes(
    choices: CardChoices, currency: str | None, facts: CardFacts, chosen: Sequence[_Group]
) -> Iterator[str]:
    if choices.currency not in (None, currency) and chosen:
        if choices.filters:
            yield phrase(
                "The filters leave no rows in %(currency)s; amounts are in %(other_currency)s.",
                currency=choices.currency,
                other_currency=currency,
            )
        elif len(choices.advertisers) > 1:
            yield phrase(
                "The selected ad accounts have no rows in %(currency)s; their amounts are in %(other_currency)s.",
                currency=choices.currency,
                other_currency=currency,
            )
        else:
            yield phrase(
                "The selected ad account has no rows in %(currency)s; its amounts are in %(other_currency)s.",
                currency=choices.currency,
                other_currency=currency,
            )
    for card_filter in facts.filters:
        without = [value.value for value in card_filter.selected if not value.rows]
        if without:
            yield phrase(
                "The table has no rows of %(filter)s %(values)s.",
                filter=within_sentence(card_filter.title),
                values=first_of(without, MOST_NAMED),
            )
    if choices.filters and not chosen:
        yield phrase("No rows match all filters together.")


def _range(newest: Sequence[_Group]) -> Span | None:
    """The days that all figures of a table without days cover; None if they differ."""
    ranges = {group.range for group in newest}
    (days,) = ranges if len(ranges) == 1 else (None,)
    return Span(*days) if days is not None else None


def _range_notes(chosen: Sequence[_Group], newest: Sequence[_Group]) -> list[str]:
    ranges = sorted({group.range for group in newest if group.range is not None})
    notes = []
    if len(ranges) == 1:
        notes.append(phrase("Figures cover %(days)s.", days=span_text(Span(*ranges[0]))))
    elif ranges:
        spans = first_of([span_text(Span(*days)) for days in ranges], MOST_NAMED)
        notes.append(phrase("Figures cover the newest range of each ad account: %(ranges)s.", ranges=spans))
    older = sum(group.matching for group in chosen) - sum(group.matching for group in newest)
    if older:
        notes.append(
            phrases(
                "%(rows)s row of earlier ranges left out, as ranges overlap and cannot be summed.",
                "%(rows)s rows of earlier ranges left out, as ranges overlap and cannot be summed.",
                older,
                rows=integer(older),
            )
        )
    return notes


def _dataset_notes(dataset: Dataset) -> list[str]:
    notes = []
    if dataset.lifetime:
        notes.append(phrase("Figures are TikTok's lifetime figures."))
    if dataset.time != "none" and dataset.dates is not None and _asks_for_today_alone(dataset):
        notes.append(phrase("The dataset reads each day only while it is in progress, so days may be incomplete."))
    return notes


def _asks_for_today_alone(dataset: Dataset) -> bool:
    assert dataset.dates is not None
    start = dataset.dates.start
    return dataset.dates.period == "today" or (start is not None and start.fixed is None and start.back == 0)


def span_text(span: Span) -> str:
    """A span of days as text."""
    return shown_days(span.start, span.end)


def _several_times(
    source: CardSource, dataset: Dataset, names_in_table: Collection[str], condition: str, days: Span | None
) -> str | None:
    """Why nothing can be summed, if the table has rows with the same key; None if it has not."""
    names = [name for name in key_columns(dataset) if name in names_in_table]
    hashed = f"hash({', '.join(map(quoted, names))})"
    clause = where(condition, within(dataset, days) if days else "")
    ((rows, keys),) = source.kept_rows(f"SELECT count(*), count(DISTINCT {hashed}) FROM", VIEW, clause)
    if rows == keys:
        return None
    return phrase(
        "%(repeated)s of %(rows)s rows repeat another row's %(columns)s, as happens with the update method "
        "append, and would be counted twice. Choose days that were read once, or change the update "
        "method to upsert or replace.",
        repeated=integer(rows - keys),
        rows=integer(rows),
        columns=", ".join(names),
    )
