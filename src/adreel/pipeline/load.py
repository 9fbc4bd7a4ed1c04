"""Assembles a run's parts, verifies them as a whole, and commits them as one version of the table."""

from __future__ import annotations

import math
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.arrow import pc
from adreel.catalog import smart_plus
from adreel.datasets.coverage import (
    DaysOf,
    MissedDays,
    RunDays,
    as_json,
    covering,
    from_json,
    missed_days,
    missed_sentence,
)
from adreel.datasets.dataset import Dataset, day_column
from adreel.datasets.freshness import IncompleteDay, incomplete_days, incomplete_sentence, late_rows
from adreel.datasets.lookback import read_day, with_lookback
from adreel.datasets.replacement import merges_by_day
from adreel.datasets.row_hints import UNASSIGNED
from adreel.datasets.schema import arrow_schema, columns, key
from adreel.dates import Span, today_at
from adreel.enumerations import first_of
from adreel.errors import AdvertiserError
from adreel.export.cells import digits
from adreel.lake import Commit, Lake, Version, Window, Write
from adreel.language import Phrase, integer, phrase, phrases, shown_days
from adreel.pipeline.extract import batch_columns
from adreel.pipeline.kept_shops import kept_shops, superseded, unsettled_costs
from adreel.pipeline.normalize import key_texts, widened
from adreel.pipeline.overlaps import OVERLAP_COLUMNS, overlap_of, without_overlap
from adreel.pipeline.plan import Chunk, Plan, days_for
from adreel.pipeline.verify import ReadOutcome
from adreel.scheduling import next_time
from adreel.update_methods import Method

MOST_REASONS = 10
"""Warnings of one kind that a run shows; the others are counted."""

MANY_ROWS = 10
"""A table of fewer rows may lose most of them without a warning."""

JOINED_CELLS = 4_000_000
"""Cells that are joined in memory at a time: about 100 MB including the copy that a join makes."""

_MERGED = Phrase(
    "Only the days of this backfill were replaced. The next run replaces the whole table, as "
    "the update method is replace, and keeps only the dates of the dataset. To keep other "
    "days, set the update method to partition (update: {method: partition}), which pages call "
    "Replace partitions."
)

_IDS = re.compile(r"\d{10,}|page \d+")

_TEXT = Phrase("text")
_TYPES = {
    "int": Phrase("a whole number"),
    "money": Phrase("money"),
    "rate": Phrase("a rate"),
    "ratio": Phrase("a decimal"),
    "float": Phrase("a decimal"),
}
_TYPES |= {"day": Phrase("a date"), "hour": Phrase("a time"), "time": Phrase("a time"), "bool": Phrase("yes or no")}


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a commit: the version, its verification, and the size of the table.

    `notes` are about what was asked for, `warnings` about the rest; `skipped` has reasons by advertiser.
    """

    version: int
    verification: Mapping[str, Any]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    skipped: Mapping[str, str]
    table_rows: int
    table_columns: int


def commit_run(
    lake: Lake,
    slug: str,
    run_id: str,
    plan: Plan,
    now: datetime,
    outcomes: Iterable[ReadOutcome],
    *,
    other_days: bool = False,
    dataset_slug: str = "",
    newest: Version | None,
    writing: Callable[[], None] = lambda: None,
    landing: Callable[[], None] = lambda: None,
    unread_shops: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Committed:
    """Verifies the run's rows and commits them as one version, atomically; a second call for the same run does nothing.

    With `other_days`, days in place of the dataset's own, a replacement replaces only these days where it can.
    `dataset_slug` is the dataset's name on the command line if it is not that of the table. `newest` is the newest
    version before the run, None for none; the commit is refused if another run has changed the table since.
    `writing` is called when the rows are verified, before files are written, and `landing` right before the table
    changes: what it raises leaves the table as it was. `unread_shops` are shops of the table, by advertiser, that could
    not be read: their rows stay.

    Rows and primary keys were verified when each request was read, and no two requests are for the same rows. Raises
    AdvertiserError if no advertiser could be read, and the errors of `Lake.commit`.
    """
    outcome = combined(outcomes)
    outcome = replace(outcome, faults=(*outcome.faults, *shared_campaigns(outcome)))
    if outcome.failed and not {advertiser.id for read in plan.reads for advertiser in read.advertisers} - set(
        outcome.failed
    ):
        raise AdvertiserError(
            phrase(
                "No ad account could be read. The table is unchanged. %(reasons)s",
                reasons=_reasons(plan, outcome.failed),
            )
        )
    rows = _RunRows(lake, run_id, plan, outcome)
    write = _write(run_id, plan, now, outcome, rows.schema)
    replaces = write.method is Method.REPLACE and lake.exists(slug)
    merges = other_days and replaces and merges_by_day(lake, slug, plan.dataset)
    if merges:
        # Rows of Business Centers are in no window of an ad account, but have a key with the day.
        by_day = Method.PARTITION if plan.dataset.needs_advertisers else Method.UPSERT
        write = replace(write, method=by_day, reset_schema=False)
    elif outcome.failed and replaces and not write.reset_schema:
        write = _sparing(write, lake, slug, plan, outcome.failed)
    kept = kept_shops(lake, slug, plan, outcome, unread_shops)
    if kept.pairs and write.method is Method.REPLACE:
        write = _sparing(write, lake, slug, plan, outcome.failed)
    moved = superseded(plan, outcome, unread_shops, rows.reader)
    write = replace(write, spared=kept.spared(), superseded=moved)
    covered = _covered(newest, plan, now, outcome.failed, write, own=not other_days)
    write = replace(write, coverage=as_json(covered), follows=newest.number if newest is not None else -1)
    writing()
    done = lake.commit(slug, rows.reader, write, landing)
    verification = verification_of(outcome, done.rows_in, _currencies(plan, outcome.failed))
    incomplete = incomplete_days(plan.dataset, _of_read(plan.figure_days(), outcome.failed), now)
    verification |= {"incomplete": [day.as_json() for day in incomplete]} if incomplete else {}
    # A user confirmed a backfill that cannot merge and replaces all rows.
    confirmed = other_days and not merges and _replaces_all(plan.dataset) and done.rows_before and done.rows_after
    notes: list[str] = [_MERGED] if merges else [_confirmed(done)] if confirmed else []
    notes += () if other_days or not plan.dataset.needs_advertisers else _others(lake, slug, plan, done)
    # A person takes yesterday for complete, and knows that today is not. A later run may complete it by itself.
    is_late = late_rows(plan.dataset, incomplete) and not all(_is_read_again(plan.dataset, day) for day in incomplete)
    sentence = incomplete_sentence(plan.dataset, incomplete)
    notes += [sentence] if sentence and not is_late else []
    notes += unassigned_costs(plan, outcome)
    verification |= {UNASSIGNED: list(_unassigned(plan, outcome))} if outcome.unassigned else {}
    notes += unsettled_costs(plan, outcome)
    read = {advertiser.id: advertiser for advertiser, _ in _of_read(plan.days_read(), outcome.failed)}
    missed = () if other_days else missed_days(covered, read.values())
    if missed and plan.dataset.needs_advertisers:
        verification |= {"missed": [days.as_json() for days in missed]}
    warnings = (
        *(_missed(days, dataset_slug or slug, plan.dataset) for days in missed),
        *([sentence] if is_late else []),
        *(() if confirmed else _shrunk(done, write)),
        *_blank(done, plan),
        *warnings_of(plan, outcome),
        *overlap_warnings(outcome),
        *kept.warnings(plan),
        *_fractions(outcome, done, write),
        *column_warnings(done),
    )
    return Committed(done.version, verification, tuple(notes), warnings, outcome.failed, done.rows_after, done.columns)


def _missed(missed: MissedDays, slug: str, dataset: Dataset) -> str:
    """The warning of days that no run has read."""
    if dataset.needs_advertisers:
        return missed_sentence(missed, slug, dataset.update.method)
    return phrase(
        "The table lacks %(days)s. For a time no run succeeded, and later runs do not read that far back. To read "
        "them: %(command)s",
        days=shown_days(missed.days.start, missed.days.end),
        command=f"adreel run {slug} --start {missed.days.start} --end {missed.days.end}",
    )


def _covered(
    newest: Version | None, plan: Plan, now: datetime, failed: Mapping[str, str], write: Write, *, own: bool
) -> dict[str, DaysOf]:
    """What was read of the table's days up to this run."""
    if read_day(plan.dataset) is None:
        return {}
    read = _of_read(plan.days_read(), failed)
    days = tuple((advertiser, days, today_at(now, advertiser.offset)) for advertiser, days in read)
    reading = RunDays(
        days,
        own=own,
        alone=write.method is Method.REPLACE or write.whole_advertisers,
        spared=frozenset(failed) if write.whole_advertisers else frozenset(),
        keep_from=write.keep_from,
    )
    return covering(from_json(newest.coverage) if newest else {}, reading, plan.dataset)


def _is_read_again(dataset: Dataset, day: IncompleteDay) -> bool:
    """Whether the next scheduled run after the day is complete reads it again; a manual dataset waits for a person.

    The advertisers are taken to be where the latest day begins, as there the window has moved on furthest.
    """
    if dataset.dates is None or dataset.schedule is None or dataset.update.method is Method.APPEND:
        return False
    due = next_time(dataset.schedule, day.complete_at)
    if due is None:
        return False
    today = today_at(due, timedelta(hours=14))
    own = days_for(dataset, today)
    if own is None:
        return False
    span = with_lookback(dataset, own, today, day.day)
    return span.start <= day.day <= span.end


def _others(lake: Lake, slug: str, plan: Plan, done: Commit) -> Iterator[str]:
    """A note if the table keeps rows of ad accounts that the dataset no longer reads."""
    if done.rows_after <= done.rows_in:
        return
    read = {advertiser.id for read in plan.reads for advertiser in read.advertisers}
    others = sorted(_advertiser_ids(lake, slug) - read)
    if others:
        yield phrases(
            "The table has rows of %(number)s ad account that this run did not read: %(ad_accounts)s. They stay as "
            "earlier runs read them.",
            "The table has rows of %(number)s ad accounts that this run did not read: %(ad_accounts)s. They stay as "
            "earlier runs read them.",
            len(others),
            number=integer(len(others)),
            ad_accounts=first_of(others, MOST_REASONS),
        )


def _advertiser_ids(lake: Lake, slug: str) -> set[str]:
    """The ids of all ad accounts that have rows in the table."""
    ids: set[str | None] = set()
    for batch in lake.read(slug, columns=("advertiser_id",)):
        ids |= set(batch.column("advertiser_id").unique().to_pylist())
    return {advertiser_id for advertiser_id in ids if advertiser_id is not None}


def _fractions(outcome: ReadOutcome, done: Commit, write: Write) -> Iterator[str]:
    """Warnings of columns of counts that became decimals; later fractions change nothing and give no warning."""
    fresh = done.rows_before is None or write.reset_schema
    for name, (count, rows) in outcome.fractions.items():
        if fresh or name in done.widened:
            shown = "; ".join(rows)
            if count > len(rows):
                shown = phrase("%(rows)s; and %(more)s more", rows=shown, more=integer(count - len(rows)))
            yield phrases(
                "%(number)s value of %(column)s, a count, had fractions: %(rows)s. The column is a decimal from this "
                "version on.",
                "%(number)s values of %(column)s, a count, had fractions: %(rows)s. The column is a decimal from this "
                "version on.",
                count,
                number=integer(count),
                column=name,
                rows=shown,
            )


def _shrunk(done: Commit, write: Write) -> Iterator[str]:
    """A warning if the table lost all or most of its rows, even though TikTok confirmed their count."""
    before, after = done.rows_before or 0, done.rows_after
    if before and (not after or (before >= MANY_ROWS and 2 * after < before)):
        yield (
            phrase(
                "The table shrank from %(before)s to %(after)s rows. TikTok counted %(counted)s rows, and "
                "the update method is %(method)s. If you did not expect this, compare the versions before "
                "you use the data; earlier versions can be restored.",
                before=integer(before),
                after=integer(after),
                counted=integer(done.rows_in),
                method=write.method,
            )
        )


def _blank(done: Commit, plan: Plan) -> Iterator[str]:
    """A warning if a metric that has values in the table has none in the rows of this run."""
    metrics = {column.name for column in columns(plan.dataset) if column.part == "metrics"}
    blank = [name for name in done.blank if name in metrics]
    if blank and done.rows_in >= MANY_ROWS:
        yield (
            phrase(
                "TikTok sent no value of %(metrics)s in any of the %(rows)s rows of this run; earlier "
                "versions have values. If you did not expect this, compare the versions before you use the "
                "data; earlier versions can be restored.",
                metrics=_names(blank),
                rows=integer(done.rows_in),
            )
        )


def _replaces_all(dataset: Dataset) -> bool:
    """Whether a run that cannot merge days replaces all rows of the ad accounts that it reads."""
    method = dataset.update.method
    return method is Method.REPLACE or (method is Method.PARTITION and day_column(dataset) is None)


def _confirmed(done: Commit) -> str:
    return phrase(
        "The %(rows_before)s rows of the table were replaced with %(rows_after)s rows of other "
        "days, as confirmed. The next run reads the dates of the dataset again.",
        rows_before=integer(done.rows_before or 0),
        rows_after=integer(done.rows_after),
    )


def _currencies(plan: Plan, failed: Mapping[str, str]) -> list[str]:
    """The currencies of the advertisers that were read, sorted."""
    read = (advertiser for read in plan.reads for advertiser in read.advertisers if advertiser.id not in failed)
    return sorted({advertiser.currency for advertiser in read if advertiser.currency})


def _sparing(write: Write, lake: Lake, slug: str, plan: Plan, failed: Mapping[str, str]) -> Write:
    """A replacement that keeps the rows of the advertisers that failed, as TikTok may still have them."""
    advertiser_ids = {advertiser.id for read in plan.reads for advertiser in read.advertisers}
    everything = Window(frozenset((advertiser_ids | _advertiser_ids(lake, slug)) - set(failed)), date.min, date.max)
    return replace(write, method=Method.PARTITION, whole_advertisers=True, windows=(everything,))


def combined(outcomes: Iterable[ReadOutcome]) -> ReadOutcome:
    """The sum of the outcomes, without any row of an advertiser that one of them skipped."""
    outcomes = tuple(outcomes)
    failed = {advertiser: reason for outcome in outcomes for advertiser, reason in outcome.failed.items()}
    return sum((outcome.without(failed) for outcome in outcomes), ReadOutcome())


def _reasons(plan: Plan, failed: Mapping[str, str]) -> str:
    """The reasons why advertisers failed, each once with the advertisers: the first ones, and the number of others."""
    names = {advertiser.id: advertiser.name for read in plan.reads for advertiser in read.advertisers}
    by_reason: dict[str, list[str]] = defaultdict(list)
    first_reasons: dict[str, str] = {}
    for advertiser, reason in failed.items():
        name = names.get(advertiser, "")
        # The same reason of two advertisers differs in their IDs, pages, and the IDs of requests.
        same = _IDS.sub("", reason)
        by_reason[same].append(f"{name} ({advertiser})" if name and name != advertiser else advertiser)
        first_reasons.setdefault(same, reason)
    shown = "; ".join(
        f"{_listed(whose)}: {first_reasons[same]}" for same, whose in list(by_reason.items())[:MOST_REASONS]
    )
    more = len(by_reason) - MOST_REASONS
    return phrase("%(reasons)s; and %(more)s more reasons.", reasons=shown, more=more) if more > 0 else shown


def _listed(advertisers: Sequence[str]) -> str:
    """The advertisers, of many the first ones, with their number."""
    if len(advertisers) == 1:
        return advertisers[0]
    return phrase(
        "%(number)s ad accounts, %(ad_accounts)s, the first one's reason",
        number=integer(len(advertisers)),
        ad_accounts=first_of(advertisers, MOST_REASONS),
    )


def warnings_of(plan: Plan, outcome: ReadOutcome) -> tuple[str, ...]:
    """Warnings about values that could not be read and about differences from TikTok's counts and totals."""
    by_name = {column.name: column for column in columns(plan.dataset)}
    unread = [
        phrases(
            "%(number)s value of %(column)s could not be read as %(type)s and was left empty, for example %(example)s.",
            "%(number)s values of %(column)s could not be read as %(type)s and were left empty, for example "
            "%(example)s.",
            count,
            number=integer(count),
            column=name,
            type=_TYPES.get(by_name[name].type, _TEXT),
            example=repr(example),
        )
        for name, (count, example) in outcome.unread.items()
    ]
    faults = list(outcome.faults[:MOST_REASONS])
    if len(outcome.faults) > MOST_REASONS:
        faults.append(
            phrase(
                "%(number)s more differences of this kind were found.",
                number=integer(len(outcome.faults) - MOST_REASONS),
            )
        )
    return (*unread, *faults)


def shared_campaigns(outcome: ReadOutcome) -> Iterator[str]:
    """A sentence for each GMV Max campaign that more than one ad account, shop or type has."""
    for campaign, sources in outcome.campaigns.items():
        if len(sources) > 1:
            parts = (source.split("/") for source in sources)
            yield phrase(
                "cost: TikTok gives GMV Max campaign %(campaign)s to several: %(sources)s. Its cost is in the rows "
                "more than once. Select only one of these ad accounts or shops.",
                campaign=campaign,
                sources="; ".join(
                    phrase(
                        "ad account %(ad_account)s, shop %(shop)s (%(promotion)s)",
                        ad_account=ad_account,
                        shop=shop,
                        promotion=promotion,
                    )
                    for ad_account, shop, promotion in parts
                ),
            )


def overlap_warnings(outcome: ReadOutcome) -> Iterator[str]:
    """A warning for campaigns that a basic report and a GMV Max report both have."""
    if outcome.overlaps:
        campaigns = [
            f"{campaign} ({digits(basic, thousands_apart=True)}, {digits(shop, thousands_apart=True)})"
            for campaign, (basic, shop) in outcome.overlaps.items()
        ]
        yield phrases(
            "%(number)s campaign is in the basic report and in the GMV Max report, and is counted once, as GMV Max. "
            "With its cost in both: %(campaigns)s.",
            "%(number)s campaigns are in the basic report and in the GMV Max report, and are counted once, as GMV Max. "
            "With their cost in both: %(campaigns)s.",
            len(campaigns),
            number=integer(len(campaigns)),
            campaigns=first_of(campaigns, MOST_REASONS),
        )


def unassigned_costs(plan: Plan, outcome: ReadOutcome) -> Iterator[str]:
    """A note for each ad account on the cost of campaigns that TikTok does not give for the rows below them."""
    sentence = _LESS_OF_MATERIALS if plan.dataset.report == smart_plus.MATERIALS else _LESS_OF_CAMPAIGNS
    yield from _less(plan, sentence, outcome.unassigned)
    yield from _less(plan, _LESS_OF_PERIODS, outcome.unassigned_periods)


def _less(plan: Plan, sentence: str, costs: Mapping[str, tuple[Decimal, Decimal]]) -> Iterator[str]:
    advertisers = {advertiser.id: advertiser for read in plan.reads for advertiser in read.advertisers}
    for name, (above, cost) in list(costs.items())[:MOST_REASONS]:
        advertiser = advertisers[name]
        yield phrase(
            sentence,
            name=advertiser.name,
            id=advertiser.id,
            cost=digits(cost, thousands_apart=True),
            total=digits(above, thousands_apart=True),
            currency=advertiser.currency,
        )


def _unassigned(plan: Plan, outcome: ReadOutcome) -> Iterator[dict[str, str]]:
    """The same as numbers, for pages."""
    advertisers = {advertiser.id: advertiser for read in plan.reads for advertiser in read.advertisers}
    for name, (above, cost) in outcome.unassigned.items():
        advertiser = advertisers[name]
        names = {"advertiser_id": name, "name": advertiser.name, "currency": advertiser.currency}
        yield {**names, "cost": str(cost), "total": str(above)}


_LESS_OF_MATERIALS = Phrase(
    "Ad account %(name)s (%(id)s): the rows sum to %(cost)s of the %(total)s %(currency)s that Smart+ "
    "campaigns cost. Ads without these assets have no row, and TikTok may still add cost of the last days."
)
_LESS_OF_CAMPAIGNS = Phrase(
    "Ad account %(name)s (%(id)s): the rows sum to %(cost)s of the %(total)s %(currency)s that their campaigns "
    "cost. TikTok assigns the rest to no row; a report at campaign level has all of it."
)


_LESS_OF_PERIODS = Phrase(
    "Ad account %(name)s (%(id)s): the periods sum to %(cost)s of the %(total)s %(currency)s that their products or "
    "LIVE sessions cost. TikTok gives no period for the rest; a report at that level has all of it."
)


def column_warnings(done: Commit) -> Iterator[str]:
    """Warnings of what happened to columns of the table that the run did not read."""
    if done.kept:
        fewest, most = min(done.kept.values()), max(done.kept.values())
        if fewest != most:
            rows = phrase("%(fewest)s to %(most)s rows per column", fewest=integer(fewest), most=integer(most))
        elif len(done.kept) > 1:
            rows = phrases("%(rows)s row per column", "%(rows)s rows per column", most, rows=integer(most))
        else:
            rows = phrases("%(rows)s row", "%(rows)s rows", most, rows=integer(most))
        yield (
            phrase(
                "No longer selected: %(columns)s. Rows that the run read again keep their earlier values (%(rows)s), "
                "and new rows have none. To remove the columns, set reset_schema: true. To fill them again, select "
                "them.",
                columns=_names(done.kept),
                rows=rows,
            )
        )
    if done.emptied:
        yield phrases(
            "The earlier values of %(columns)s were removed, because it is no longer selected or has another type now. "
            "Restore version %(version)s to get them back.",
            "The earlier values of %(columns)s were removed, because they are no longer selected or have another type "
            "now. Restore version %(version)s to get them back.",
            len(done.emptied),
            columns=_names(done.emptied),
            version=done.version - 1,
        )


def _names(names: Iterable[str]) -> str:
    """Names of columns: the first ones, and the number of the others."""
    listed = list(names)
    shown = first_of(listed, MOST_REASONS)
    return phrases("column %(columns)s", "columns %(columns)s", len(listed), columns=shown)


def verification_of(outcome: ReadOutcome, rows: int, currencies: list[str]) -> dict[str, Any]:
    """TikTok's counts and totals beside the table's; `verified` if all agree.

    `checksums` names the totals of money in several currencies: they verify that all rows were read and are no amounts.
    """
    metrics = catalog.metrics()
    totals = {
        name: {"expected": _number(expected), "actual": _number(actual)}
        for name, (expected, actual) in outcome.totals.items()
    }
    differing = sorted(outcome.differing())
    return {
        "verified": rows == outcome.rows_expected and not (outcome.repeated or differing or outcome.faults),
        "rows_expected": outcome.rows_expected,
        "rows": rows,
        "duplicate_keys": outcome.repeated,
        "totals": totals,
        "differing": differing,
        "currencies": currencies,
        "checksums": sorted(name for name in totals if len(currencies) > 1 and metrics[name].type == "money"),
    }


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _write(run_id: str, plan: Plan, now: datetime, outcome: ReadOutcome, schema: pa.Schema) -> Write:
    dataset = plan.dataset
    read = tuple(_of_read(plan.days_read(), outcome.failed))
    # Rows of Business Centers are in no window of an ad account.
    in_windows = _of_read(plan.days(), outcome.failed)
    windows = [Window(frozenset({advertiser.id}), days.start, days.end) for advertiser, days in in_windows]
    return Write(
        run_id=run_id,
        method=dataset.update.method,
        schema=schema,
        key=key(dataset),
        day_column=day_column(dataset),
        windows=tuple(windows),
        keep_from=_keep_from(plan, now),
        reset_schema=dataset.reset_schema,
        days_read={advertiser.zone: (days.start, days.end) for advertiser, days in read},
    )


def _of_read(days: Iterable[tuple[Advertiser, Span]], failed: Collection[str]) -> Iterator[tuple[Advertiser, Span]]:
    """The days of each advertiser that did not fail."""
    return ((advertiser, span) for advertiser, span in days if advertiser.id not in failed)


def _keep_from(plan: Plan, now: datetime) -> date | None:
    """The first day of the rolling window in the westernmost zone, so that no advertiser loses a day early."""
    keep = plan.dataset.update.keep_days
    if keep is None or plan.dataset.update.method is not Method.PARTITION:
        return None
    days = [today_at(now, advertiser.offset) for read in plan.reads for advertiser in read.advertisers]
    return min(days) - timedelta(days=keep - 1) if days else None


class _RunRows:
    """The run's rows as one stream: without skipped advertisers, batches of metrics joined on the primary key."""

    def __init__(self, lake: Lake, run_id: str, plan: Plan, outcome: ReadOutcome) -> None:
        """Columns of counts of the outcome that had fractions are decimals; its overlaps are there once."""
        self._lake = lake
        self._run_id = run_id
        self._plan = plan
        self._failed = pa.array(sorted(outcome.failed), pa.string())
        self._decimals = tuple(outcome.fractions)
        self._overlaps = tuple(outcome.overlaps)
        self.schema = widened(arrow_schema(columns(plan.dataset)), self._decimals)

    def reader(self) -> pa.RecordBatchReader:
        """A new reader of all rows, whose memory does not grow with their number."""
        parts = self._lake.read_parts
        batches = parts(self._run_id, "", schema=self.schema) if len(self._plan.batches) == 1 else self._joined()
        if self._overlaps:
            looked_at = parts(self._run_id, "", schema=self.schema, columns=OVERLAP_COLUMNS).read_all()
            batches = without_overlap(batches, overlap_of(looked_at, self._overlaps))
        return pa.RecordBatchReader.from_batches(self.schema, (self._without_failed(batch) for batch in batches))

    def _without_failed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not len(self._failed):
            return batch
        return batch.filter(pc.invert(pc.is_in(batch["advertiser_id"], value_set=self._failed)))

    def _joined(self) -> Iterator[pa.RecordBatch]:
        """The rows chunk by chunk, as the batches of metrics of the same advertisers and days are in the same chunk."""
        names = list(key(self._plan.dataset))
        for chunk in self._plan.chunks():
            parts = self._lake.list_parts(self._run_id, f"{chunk.name}/")
            groups = self._groups(len(parts))
            for group in range(groups):
                tables = [self._batch(chunk, parts, number, group, groups) for number in range(len(self._plan.batches))]
                yield from joined(tables, names, self.schema).to_batches(max_chunksize=50_000)

    def _groups(self, parts: int) -> int:
        """The number of groups of ids that a join is split into to fit into memory, if every part is full."""
        cells = parts / len(self._plan.batches) * self._plan.page_size * len(self.schema)
        return max(1, math.ceil(cells / JOINED_CELLS))

    def _batch(self, chunk: Chunk, parts: Iterable[str], number: int, group: int, groups: int) -> pa.Table:
        """The rows of one batch of metrics in a chunk, limited to one group of ids."""
        own = [f"{chunk.name}/{request.name}" for request in chunk.requests if request.batch == number]
        # The parts of a split request have its name, a hyphen and a suffix.
        prefixes = tuple(name + end for name in own for end in "/-")
        schema = widened(arrow_schema(batch_columns(self._plan, number)), self._decimals)
        names = [name for name in parts if name.startswith(prefixes)]
        tables = (self._lake.read_parts(self._run_id, name, schema=schema).read_all() for name in names)
        grouped = (self._of_group(table, group, groups) if groups > 1 else table for table in tables)
        return pa.concat_tables([schema.empty_table(), *grouped]).combine_chunks()

    def _of_group(self, table: pa.Table, group: int, groups: int) -> pa.Table:
        ids = table[self._plan.dataset.id_dimension or "advertiser_id"].combine_chunks().dictionary_encode()
        numbers = [zlib.crc32(text.encode()) % groups for text in ids.dictionary.to_pylist()]
        return table.filter(pc.equal(pc.take(pa.array(numbers, pa.int32()), ids.indices), group))


def joined(tables: Sequence[pa.Table], names: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Tables joined on the key columns `names`, which they share; a row that a table lacks is null there.

    Pyarrow's own join cannot handle columns of lists.
    """
    keys = [key_texts(table, names) for table in tables]
    all_keys = pc.unique(pa.chunked_array(keys, pa.string()))
    places = [pc.index_in(all_keys, value_set=texts) for texts in keys]
    taken: dict[str, list[pa.ChunkedArray]] = defaultdict(list)
    for table, place in zip(tables, places, strict=True):
        for name in table.column_names:
            taken[name].append(table[name].take(place))
    return pa.Table.from_arrays(
        [pc.coalesce(*taken[name]) if len(taken[name]) > 1 else taken[name][0] for name in schema.names], schema=schema
    )
