"""The verification of a request: its rows, primary keys and totals against those that TikTok counts.

A request is complete if its rows are as many as `total_number`, which is the same on every page, and no primary key is
there twice. Its totals agree if the sums of its rows are those of `total_metrics`, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow as pa

from adreel import catalog
from adreel.arrow import pc
from adreel.datasets.schema import Column
from adreel.errors import ProofError
from adreel.export.cells import digits
from adreel.language import integer, phrase, phrases
from adreel.pipeline.normalize import KEY_MARK, Fractions, key_words
from adreel.pipeline.plan import Request
from adreel.tiktok.response import ListPage

ROUNDS = 4
"""How often a request is read whose rows do not agree with TikTok's counts, before its verification fails."""

MOST_DIGITS = 30
"""Digits of a total that is compared with the rows."""

MOST_FRACTIONS = 5
"""Values with a fraction that are shown for each column of counts."""

_ID_PARTS = frozenset({"dimensions", "info", "entity"})
_LONGEST_ID = 80
_NO_ID = r"""^-?$|[\s\[\]{}"]|^[+-]?\d+\.\d*$|^[+-]?\d+\.\d*[eE]|[eE]\+\d+$|^(true|false)$"""
"""What no id is: nothing, spaces, lists and objects, numbers with a fraction or an exponent, booleans."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class ReadOutcome:
    """The result of one request or several: rows and totals, each as TikTok states them and as they were read.

    `rows_of` counts the rows by advertiser. `failed` are the skipped advertisers with the reasons. `faults` are
    sentences on what differs. `unread` has by column the number of values that could not be read, and one of them;
    `fractions` by column of counts the number of values with a fraction, and the first ones with their keys. It is not
    `steady` if TikTok's count changed between pages. `repeated` counts rows whose key is there already, of which
    `repeated_key` is one. `sums` are those of the rows by additive metric. `unassigned` has by advertiser the cost of
    a higher level and that of the rows, where TikTok does not assign all of it to them; `unsettled` likewise where both
    differ on days that TikTok has not completed; `unassigned_periods` the cost of products or LIVE sessions and that of
    their periods, where these have less. `shop_rows` counts the rows by `shop_key`. `campaigns` are those of
    GMV Max with what had them, each as ad account, shop and type; `overlaps` those that a basic report has on the same
    days, with their cost in both: their basic rows are not counted.
    """

    rows_expected: int = 0
    rows: int = 0
    repeated: int = 0
    pages: int = 0
    totals: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    rows_of: dict[str, int] = field(default_factory=dict)
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)
    fractions: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    steady: bool = True
    repeated_key: str = ""
    sums: dict[str, Decimal] = field(default_factory=dict)
    unassigned: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    unsettled: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    shop_rows: dict[str, int] = field(default_factory=dict)
    campaigns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    overlaps: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    unassigned_periods: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    def __add__(self, other: ReadOutcome) -> ReadOutcome:
        """The outcome of the requests of both."""
        return ReadOutcome(
            self.rows_expected + other.rows_expected,
            self.rows + other.rows,
            self.repeated + other.repeated,
            self.pages + other.pages,
            _merged(self.totals, other.totals, _added),
            self.failed | other.failed,
            _merged(self.rows_of, other.rows_of, lambda mine, yours: mine + yours),
            _merged(self.unread, other.unread, _more_unread),
            _merged(self.fractions, other.fractions, _more_fractions),
            tuple(dict.fromkeys(self.faults + other.faults)),
            self.steady and other.steady,
            self.repeated_key or other.repeated_key,
            _merged(self.sums, other.sums, lambda mine, yours: mine + yours),
            _merged(self.unassigned, other.unassigned, _added),
            _merged(self.unsettled, other.unsettled, _added),
            _merged(self.shop_rows, other.shop_rows, lambda mine, yours: mine + yours),
            _merged(self.campaigns, other.campaigns, lambda mine, yours: tuple(dict.fromkeys(mine + yours))),
            _merged(self.overlaps, other.overlaps, _added),
            _merged(self.unassigned_periods, other.unassigned_periods, _added),
        )

    def without(self, failed: Collection[str]) -> ReadOutcome:
        """The outcome without the rows of advertisers that other requests skipped."""
        removed = {advertiser: rows for advertiser, rows in self.rows_of.items() if advertiser in failed}
        if not removed:
            return self
        # A request with totals has one advertiser, so an outcome with totals is either kept or removed whole.
        return replace(
            self,
            rows_expected=self.rows_expected - sum(removed.values()),
            rows=self.rows - sum(removed.values()),
            totals={} if len(removed) == len(self.rows_of) else self.totals,
            rows_of={advertiser: rows for advertiser, rows in self.rows_of.items() if advertiser not in failed},
            unassigned={name: costs for name, costs in self.unassigned.items() if name not in failed},
            unsettled={name: costs for name, costs in self.unsettled.items() if name not in failed},
            unassigned_periods={name: costs for name, costs in self.unassigned_periods.items() if name not in failed},
            # All GMV Max requests of a chunk have one advertiser.
            campaigns={},
            overlaps={},
            faults=() if len(removed) == len(self.rows_of) else self.faults,
        )

    @property
    def complete(self) -> bool:
        """Whether the rows are as many as TikTok counts, each of them once."""
        return self.steady and self.rows == self.rows_expected and not self.repeated

    def differing(self) -> dict[str, tuple[Decimal, Decimal]]:
        """The totals that differ by more than the rounding of single rows can explain."""
        # TikTok rounds each row to cents, so a sum may be off by half a cent a row; counts are exact.
        half_cents = Decimal("0.005") * self.rows
        return {
            name: (expected, got)
            for name, (expected, got) in self.totals.items()
            if abs(expected - got) > (0 if catalog.metrics()[name].type == "int" else half_cents)
        }

    def with_faults(self, request: Request) -> ReadOutcome:
        """The outcome with a sentence for each total of the request that differs however often it is read."""
        faults = tuple(
            phrase(
                "%(metric)s: TikTok's own total for %(request)s is %(total)s, but its rows sum to %(sum)s.",
                metric=name,
                request=request_words(request),
                total=digits(expected, thousands_apart=True),
                sum=digits(got, thousands_apart=True),
            )
            for name, (expected, got) in self.differing().items()
        )
        return replace(self, faults=(*self.faults, *faults))


def _merged(
    mine: dict[str, _Value], yours: dict[str, _Value], add: Callable[[_Value, _Value], _Value]
) -> dict[str, _Value]:
    """Both mappings; the values of names that are in both are added."""
    return mine | yours | {name: add(mine[name], value) for name, value in yours.items() if name in mine}


def _added(mine: tuple[Decimal, Decimal], yours: tuple[Decimal, Decimal]) -> tuple[Decimal, Decimal]:
    return mine[0] + yours[0], mine[1] + yours[1]


def _more_unread(mine: tuple[int, str], yours: tuple[int, str]) -> tuple[int, str]:
    return mine[0] + yours[0], mine[1]


def _more_fractions(mine: tuple[int, list[str]], yours: tuple[int, list[str]]) -> tuple[int, list[str]]:
    return mine[0] + yours[0], [*mine[1], *yours[1]][:MOST_FRACTIONS]


@dataclass(frozen=True, slots=True)
class Part:
    """One page as it was written, by its `number` from 1: what verification needs of it.

    `total_rows`, `total_pages` and `totals` are TikTok's counts and totals of the whole request; `rows`, `rows_of` (by
    advertiser) and `sums` are those of the page's rows. `left_out` rows that TikTok counts are not selected.
    `campaigns` are those of rows of a shop. Parts `of_task` have, together, the rows of all pages but the first, from
    the file of a report task.
    """

    number: int
    rows: int
    total_rows: int
    total_pages: int
    sums: dict[str, str]
    totals: dict[str, str]
    rows_of: dict[str, int]
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)
    fractions: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    left_out: int = 0
    without_details: int = 0
    campaigns: list[str] = field(default_factory=list)
    of_task: bool = False

    def facts(self) -> dict[str, Any]:
        """The fields by name, to be stored beside the rows; not copied, as `asdict` would."""
        return {facts_field.name: getattr(self, facts_field.name) for facts_field in fields(self)}


def verified(request: Request, key: Sequence[str], parts: Sequence[Part], keys: Sequence[pa.Array]) -> ReadOutcome:
    """The outcome of a request from all its pages: `parts`, of which the first is page 1, and the keys of their rows.

    `key` names the columns of the primary key; `keys` are texts of `adreel.pipeline.normalize.key_texts`.
    """
    rows = sum(part.rows for part in parts)
    distinct = pc.count_distinct(pa.chunked_array(keys, pa.string()), mode="all").as_py()
    first = next(part for part in parts if part.number == 1)
    outcome = ReadOutcome(
        rows_expected=first.total_rows - sum(part.left_out for part in parts),
        rows=rows,
        repeated=rows - distinct,
        pages=len(parts),
        totals={
            name: (Decimal(expected), sum((Decimal(part.sums[name]) for part in parts), Decimal(0)))
            for name, expected in first.totals.items()
        },
        rows_of={
            advertiser.id: sum(part.rows_of[advertiser.id] for part in parts) for advertiser in request.advertisers
        },
        # Pages with different counts were read before and after a change of the report.
        steady=len({part.total_rows for part in parts}) == 1,
        repeated_key=_repeated_key(key, keys) if rows > distinct else "",
        sums={name: sum((Decimal(part.sums[name]) for part in parts), Decimal(0)) for name in first.sums},
    )
    if request.shop is not None:
        # Chunks of a run may be read in several languages, so it has no words.
        source = "/".join((request.advertisers[0].id, request.shop.id, request.promotion))
        outcome = replace(
            outcome,
            shop_rows={shop_key(request.advertisers[0].id, request.shop.id): rows},
            campaigns={campaign: (source,) for part in parts for campaign in part.campaigns},
        )
    undetailed = sum(part.without_details for part in parts)
    if undetailed:
        fault = phrase(
            "TikTok sent no details of %(missing)s of its %(audiences)s audiences of %(request)s. "
            "Columns of details are empty there.",
            missing=integer(undetailed),
            audiences=integer(rows),
            request=request_words(request),
        )
        outcome = replace(outcome, faults=(fault,))
    for part in parts:
        outcome = replace(
            outcome,
            unread=_merged(outcome.unread, part.unread, _more_unread),
            fractions=_merged(outcome.fractions, part.fractions, _more_fractions),
        )
    return outcome


def shop_key(advertiser_id: str, shop_id: str) -> str:
    """What identifies a shop of an ad account, as a text."""
    return f"{advertiser_id}/{shop_id}"


def _repeated_key(key: Sequence[str], keys: Sequence[pa.Array]) -> str:
    """One of the primary keys that are there more than once, in words."""
    counts = pc.value_counts(pa.chunked_array(keys, pa.string()))
    text = next(count["values"] for count in counts.to_pylist() if count["counts"] > 1)
    return key_words(dict(zip(key, text.split(KEY_MARK), strict=False)))


def refuse_null_keys(request: Request, key: Sequence[str], keys: pa.Array) -> None:
    """Raises ProofError if a row lacks a part of its primary key."""
    if keys.null_count:
        raise ProofError(
            phrases(
                "TikTok sent %(rows)s row of %(request)s without a value of the primary key (%(key)s). The "
                "table is unchanged. Run again in a few minutes.",
                "TikTok sent %(rows)s rows of %(request)s without a value of the primary key (%(key)s). The "
                "table is unchanged. Run again in a few minutes.",
                keys.null_count,
                rows=integer(keys.null_count),
                request=request_words(request),
                key=", ".join(key),
            )
        )


def refuse_invalid_ids(request: Request, columns: Iterable[Column], key: Sequence[str], table: pa.Table) -> None:
    """Raises ProofError if an id of the primary key is none, such as a rounded number: its row would be a new one."""
    for column in columns:
        if column.name in key and column.part in _ID_PARTS and "_id" in column.name and not column.breakdown:
            ids = table[column.name].filter(pc.match_substring_regex(table[column.name], _NO_ID))
            if len(ids):
                raise ProofError(
                    phrase(
                        "TikTok sent '%(value)s' as %(column)s of %(request)s, which is not an ID. The table is "
                        "unchanged. Run again in a few minutes.",
                        value=ids[0].as_py()[:_LONGEST_ID],
                        column=column.name,
                        request=request_words(request),
                    )
                )


def refuse_other_days(request: Request, table: pa.Table) -> None:
    """Raises ProofError if a row is of a day that was not requested."""
    for name in ("stat_time_day", "stat_time_hour"):
        if request.span is None or name not in table.column_names:
            continue
        ends = pc.min_max(table[name].cast(pa.date32(), safe=False))
        first, last = ends["min"].as_py(), ends["max"].as_py()
        if first is not None and (first < request.span.start or last > request.span.end):
            raise ProofError(
                phrase(
                    "TikTok sent rows of %(day)s, a day that was not requested, for %(request)s. The table "
                    "is unchanged. Run again in a few minutes.",
                    day=first if first < request.span.start else last,
                    request=request_words(request),
                )
            )


def incomplete(request: Request, outcome: ReadOutcome) -> ProofError:
    """The error for a request whose rows are not those that TikTok counts, however often it is read."""
    counts = phrases(
        "TikTok counts %(expected)s rows of %(request)s and sent %(rows)s rows with %(duplicates)s duplicate, in each "
        "of %(attempts)s attempts.",
        "TikTok counts %(expected)s rows of %(request)s and sent %(rows)s rows with %(duplicates)s duplicates, in each "
        "of %(attempts)s attempts.",
        outcome.repeated,
        expected=integer(outcome.rows_expected),
        request=request_words(request),
        rows=integer(outcome.rows),
        duplicates=integer(outcome.repeated),
        attempts=ROUNDS,
    )
    if outcome.repeated and outcome.steady and outcome.rows == outcome.rows_expected:
        advice = phrase(
            "The table is unchanged. Run again in a few hours. If the duplicates remain, report one of their keys to "
            "TikTok's support: %(key)s.",
            key=outcome.repeated_key,
        )
        return ProofError(f"{counts} {advice}")
    advice = phrase("The report changed while it was read. The table is unchanged. Run again in a few minutes.")
    return ProofError(f"{counts} {advice}")


def uneven(request: Request, counts: Sequence[int]) -> str:
    """The fault of batches of metrics for the same rows whose counts of rows differ."""
    return phrase(
        "TikTok sent different numbers of rows for the batches of metrics of %(request)s: %(numbers)s. "
        "Metrics of the missing rows are empty.",
        request=request_words(request),
        numbers=", ".join(integer(count) for count in counts),
    )


def request_words(request: Request) -> str:
    """The request for a person, as in `ad account Acme (123), 2026-08-01 to 2026-08-30`."""
    if "bc_id" in request.given:
        given = request.given
        who = phrase("Business Center %(name)s (%(id)s)", name=given["bc_name"] or "-", id=given["bc_id"])
    else:
        who = ", ".join(
            phrase("ad account %(name)s (%(id)s)", name=advertiser.name, id=advertiser.id)
            for advertiser in request.advertisers
        )
    if request.shop is not None:
        who = phrase("%(ad_account)s, shop %(shop)s", ad_account=who, shop=request.shop.words)
    return (
        phrase("%(ad_accounts)s, %(start)s to %(end)s", ad_accounts=who, start=request.span.start, end=request.span.end)
        if request.span
        else who
    )


def ids_in(rows: Iterable[Any], name: str) -> list[str]:
    """The ids of a list's rows, sorted; ProofError if a row has none, as its rows could not be requested."""
    ids = {row.get(name) if isinstance(row, Mapping) else None for row in rows}
    if not all(isinstance(row_id, str | int) and row_id not in ("", "-") for row_id in ids):
        raise ProofError(
            phrase("TikTok sent rows without %(id)s. The table is unchanged. Run again in a few minutes.", id=name)
        )
    return sorted(map(str, ids))


def refuse_missing_rows(path: str, params: Mapping[str, Any], expected: int, rows: int) -> None:
    """Raises ProofError if a list has another number of rows than TikTok counts."""
    if rows != expected:
        raise ProofError(
            phrase(
                "TikTok counts %(expected)s rows of GET %(path)s for ad account %(ad_account)s and sent "
                "%(rows)s. The table is unchanged. Run again in a few minutes.",
                expected=integer(expected),
                path=path,
                ad_account=params["advertiser_id"],
                rows=integer(rows),
            )
        )


def fraction_words(table: pa.Table, key: Sequence[str], fractions: Fractions) -> list[str]:
    """The first values of a page with a fraction, each with the primary key of its row."""
    first = list(fractions.texts)[:MOST_FRACTIONS]
    rows = table.select(key).take(first).to_pylist()
    return [f"{fractions.texts[row]} ({key_words(row_key)})" for row, row_key in zip(first, rows, strict=True)]


def row_counts(table: pa.Table, request: Request) -> dict[str, int]:
    """The number of rows of each advertiser of the request; of rows without one, all are of the first."""
    if len(request.advertisers) == 1 or "advertiser_id" not in table.column_names:
        return {advertiser.id: 0 for advertiser in request.advertisers} | {request.advertisers[0].id: len(table)}
    ids = table["advertiser_id"]
    counts = {str(count["values"]): int(count["counts"]) for count in pc.value_counts(ids).to_pylist()}
    return {advertiser.id: counts.get(advertiser.id, 0) for advertiser in request.advertisers}


def totals_of(page: ListPage, names: Iterable[str]) -> dict[str, str]:
    """TikTok's own totals of the named metrics, as texts; only those that it gives."""
    given = page.total_metrics or {}
    return {name: str(Decimal(str(given[name]))) for name in names if _is_number(given.get(name))}


def additive_metrics(columns: Iterable[Column]) -> list[str]:
    """The names of the metrics whose totals are the sums of the rows."""
    return [column.name for column in columns if column.additive and column.part == "metrics"]


def _is_number(value: Any) -> bool:
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return False
    # A total of more digits than any sum of rows that a table can hold is not compared.
    return value is not None and number.is_finite() and abs(number.adjusted()) < MOST_DIGITS
