"""What people do to datasets: each checks the right through `adreel.access`, writes, and gives what is saved."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from adreel.access import DatasetRight, Guard, RoleRight
from adreel.datasets.dataset import Dataset, PublishTarget, Source
from adreel.datasets.menus import nearest
from adreel.datasets.schema import key
from adreel.datasets.stored import (
    asks_the_same,
    converted,
    dataset_of,
    disconnected,
    publish_targets_of,
    refuse_deprecated,
    source_of,
    spec_of,
    timing_of,
)
from adreel.datasets.validation import Checked, check, parse
from adreel.dates import FutureDays, future_days, today_at
from adreel.enumerations import first_of
from adreel.errors import DatasetError, ExistsError, InputError, NotFoundError, Problem
from adreel.language import phrase
from adreel.store import Account, SavedDataset, Store
from adreel.store.datasets import NewDataset, Timing
from adreel.store.names import clean_name
from adreel.store.users import name_key
from adreel.update_methods import Method

if TYPE_CHECKING:
    from adreel.connections import Covered
    from adreel.lake import Lake


HISTORY_KINDS = frozenset({"duckdb", "postgres"})
"""Kinds of destinations that have a history beside a table."""

MOST_NAMES = 10
"""Accounts that are listed for a file whose account is not found."""


def save(guard: Guard, dataset: Dataset, now: datetime) -> SavedDataset:
    """The dataset of that name: the actor's new one, or the saved one changed.

    A file of an older connector runs as it is, so that its report may be deprecated. Errors otherwise as `create` and
    `change`; ExistsError if the name is taken by a dataset that the actor may not see.
    """
    saved = guard.store.datasets.named(dataset.name)
    if saved is None:
        return create_all(guard, [dataset])[0]
    if not guard.may(DatasetRight.SEE, saved):
        raise ExistsError(
            phrase("There is a dataset %(dataset)s already; choose another name.", dataset=repr(saved.name))
        )
    return change(guard, saved, dataset, now)


def create(guard: Guard, dataset: Dataset) -> SavedDataset:
    """A new dataset of the actor's over an account that they may use.

    ForbiddenError and NotFoundError as `Guard.usable`; ExistsError if the name is taken, by whomever and however late;
    InputError for a deprecated report.
    """
    guard.need_role(RoleRight.CREATE)
    refuse_deprecated(dataset.source)
    return create_all(guard, [dataset])[0]


def create_all(guard: Guard, datasets: Iterable[Dataset]) -> tuple[SavedDataset, ...]:
    """New datasets, also of deprecated reports, in one transaction: all or none. Errors otherwise as `create`."""
    guard.need_role(RoleRight.CREATE)
    return guard.store.datasets.create_all([_new(guard, dataset) for dataset in datasets])


def duplicate(guard: Guard, saved: SavedDataset, now: datetime, name: str | None = None) -> SavedDataset:
    """A copy of a dataset that the actor may see, without its table; `<name> copy` unless named. Errors as `create`."""
    guard.need(DatasetRight.SEE, saved)
    values = {
        **source_of(saved).values,
        "name": phrase("%(dataset)s copy", dataset=saved.name) if name is None else name,
    }
    # Both cannot have the same table.
    values.pop("publish", None)
    return create(guard, parse(Source(values, {}), now))


def convert(guard: Guard, saved: SavedDataset, now: datetime) -> tuple[SavedDataset, tuple[str, ...]]:
    """A dataset of a deprecated report as one of Performance, over the same table, and the columns that it loses.

    They were always empty. InputError for a dataset that needs no conversion.
    """
    guard.need(DatasetRight.EDIT, saved)
    before = dataset_of(saved, now)
    return change(guard, saved, parse(Source(converted(before), {}), now), now), tuple(before.null_columns)


def change(guard: Guard, saved: SavedDataset, dataset: Dataset, now: datetime) -> SavedDataset:
    """A saved dataset changed to this one, its name too, in one transaction.

    Its account may be another that the actor may use. InputError where rows of the table and new rows could not be
    told apart and for another report that is deprecated, ExistsError if the name is taken.
    """
    guard.need(DatasetRight.EDIT, saved)
    refuse_new_deprecated(dataset.source, saved)
    if not saved.connected or dataset.account != saved.account_name:
        account = guard.usable(dataset.account)
    else:
        account = guard.store.accounts.get(dataset.account)
    spec = spec_of(dataset.source)
    if spec != saved.spec:
        _refuse_destinations(guard, dataset, saved)
        _refuse_other_key(saved, dataset, now)
        _refuse_other_hours(guard, saved, dataset, now)
    name = clean_name(dataset.name, phrase("a dataset"))
    if spec == saved.spec and saved.account_id == account.id and name == saved.name:
        return saved
    changed = guard.store.datasets.update(
        saved,
        name=name,
        spec=spec,
        description=dataset.description,
        tags=dataset.tags,
        account=account,
        timing=_timing(dataset),
        same_timing=_same_timing(saved, dataset),
        same_request=asks_the_same(saved.spec, spec),
    )
    if publish_targets_of(saved) != dataset.publish:
        _forget_publications(guard, changed)
    return changed


def losses(
    guard: Guard, dataset: Dataset, lake: Lake, now: datetime, saved: SavedDataset | None = None
) -> tuple[str, ...]:
    """What the next run takes out of the table once `saved` is changed to this one, in sentences.

    `saved` is the dataset of that name unless it is given; nothing of one that the actor may not see.
    """
    # Imported here: the lake, which the other uses need not load.
    from adreel.datasets.replacement import loss_by_change

    changed = saved or guard.store.datasets.named(dataset.name)
    if changed is None or not guard.may(DatasetRight.SEE, changed):
        return ()
    try:
        before = dataset_of(changed, now)
    except DatasetError:
        return ()
    return loss_by_change(lake, changed.table_slug, before, dataset, now)


def changes(guard: Guard, dataset: Dataset, lake: Lake, now: datetime) -> tuple[str, ...]:
    """What saving the dataset changes: that there is one of its name already, and then as `losses`."""
    existing = guard.store.datasets.named(dataset.name)
    if existing is None or not guard.may(DatasetRight.SEE, existing):
        return ()
    if json.loads(spec_of(dataset.source)) == source_of(existing).values:
        return ()
    return (
        phrase("This changes the existing dataset %(dataset)s.", dataset=repr(existing.name)),
        *losses(guard, dataset, lake, now, existing),
    )


def checked(guard: Guard, source: Source, now: datetime, saved: SavedDataset | None = None) -> Checked:
    """As `check`, and with what this home knows: whether the account exists, and its ad accounts with their days.

    `saved` is the dataset whose source it is; one that is disconnected has a problem, whatever accounts there are.

    Ad accounts that are not known here are a note, as TikTok may cover them by now. No request is sent.
    """
    outcome = check(source, now)
    problems = list(outcome.problems)
    notes = list(outcome.dataset.notes) if outcome.dataset else []
    account = None
    if saved is not None and not saved.connected:
        problems.append(Problem("account", disconnected(saved)))
    else:
        try:
            account = guard.account(named) if (named := _account_name(source)) else None
        except NotFoundError:
            problems.append(unknown_account(guard, source))
    if account is not None and outcome.dataset is not None:
        faults, more = _of_advertisers(guard, account, outcome.dataset, source, now)
        problems += faults
        notes += more
    problems += _of_destinations(guard, outcome.dataset, source, saved)
    problems.sort(key=lambda problem: problem.line or 0)
    return Checked(None if problems else outcome.dataset, tuple(problems), tuple(notes))


def _of_destinations(
    guard: Guard, dataset: Dataset | None, source: Source, saved: SavedDataset | None
) -> Iterator[Problem]:
    """What is wrong with where a dataset publishes to: no such destination, and tables of other datasets."""
    line = source.lines.get("publish")
    if dataset is None or not dataset.publish:
        return
    others = [other for other in guard.store.datasets.list() if saved is None or other.id != saved.id]
    taken = {
        (name_key(target.destination), target.table or other.table_slug): other
        for other in others
        for target in publish_targets_of(other)
    }
    for target in dataset.publish:
        try:
            destination = guard.store.destinations.get(target.destination)
        except NotFoundError as error:
            yield Problem("publish", str(error), line=line)
        else:
            if destination.layout != "datasets":
                yield from _of_layout(destination.layout, dataset, target, line)
                continue
            if target.history and destination.kind not in HISTORY_KINDS:
                reason = phrase("only DuckDB and Postgres have history tables; leave out history")
                yield Problem("publish", reason, line=line)
        table = target.table or (saved.table_slug if saved else "")
        if (name_key(target.destination), table) in taken:
            reason = phrase("another dataset publishes to the table %(table)s; use another name", table=table)
            yield Problem("publish", reason, line=line)


def _of_layout(layout: str, dataset: Dataset, target: PublishTarget, line: int | None) -> Iterator[Problem]:
    """Why the dataset cannot fill a table of another connector's layout."""
    from adreel.datasets.layouts import refusal

    if target.table:
        yield Problem("publish", phrase("the layout of the destination names the table; leave out table"), line=line)
    if target.history:
        yield Problem("publish", phrase("the layout of the destination has no history tables"), line=line)
    reason = refusal(layout, dataset)
    if reason is not None:
        yield Problem("publish", reason, line=line)


def _forget_publications(guard: Guard, saved: SavedDataset) -> None:
    """Forgets how the dataset was published where it does not publish any more."""
    keys = {name_key(target.destination) for target in publish_targets_of(saved)}
    kept = [destination.id for destination in guard.store.destinations.list() if name_key(destination.name) in keys]
    guard.store.publications.forget(saved, kept)


def _refuse_destinations(guard: Guard, dataset: Dataset, saved: SavedDataset | None = None) -> None:
    problems = tuple(_of_destinations(guard, dataset, dataset.source, saved))
    if problems:
        raise DatasetError(problems)


def unknown_account(guard: Guard, source: Source) -> Problem:
    """The problem of a file whose account is not found, with the nearest or what to do."""
    name = _account_name(source)
    names = [account.name for account in guard.accounts()]
    near = nearest(name, names)
    # The key in front says that it is an account, and the nearest come after the reason.
    if names:
        reason = phrase("%(account)s was not found.", account=repr(name))
        if not near:
            available = phrase("Available: %(accounts)s.", accounts=first_of(names, MOST_NAMES))
            reason = f"{reason} {available}"
    elif guard.store.accounts.list():
        reason = phrase("%(account)s was not found, or it is not shared with you.", account=repr(name))
    else:
        reason = phrase("%(account)s was not found. Connect an account first.", account=repr(name))
    command = f"adreel accounts connect {shlex.quote(name)}"
    advice = "" if near else phrase("Connect it: %(command)s", command=command)
    return Problem("account", reason, near, source.lines.get("account"), advice)


def _account_name(source: Source) -> str:
    return str(source.values.get("account") or "").strip()


def _of_advertisers(
    guard: Guard, account: Account, dataset: Dataset, source: Source, now: datetime
) -> tuple[list[Problem], tuple[str, ...]]:
    """What is wrong with, and to be noted of, a dataset's ad accounts and their days; nothing if none is known."""
    # Imported here: TikTok's client, which the other uses need not load.
    from adreel.connections import covered, unreadable_notes

    stored = guard.store.accounts.advertisers(account)
    if not stored:
        return [], ()
    covering = covered(stored, dataset.advertisers or account.selection, all_needed=dataset.needs_advertisers)
    notes = unreadable_notes(covering, skip_failing=dataset.skip_failing)
    future = _future(covering, dataset, now)
    faults = [Problem("dates", future.fault, line=source.lines.get("dates"))] if future.fault else []
    return faults, (*notes, *((future.note,) if future.note else ()))


def _future(covering: Covered, dataset: Dataset, now: datetime) -> FutureDays:
    if dataset.dates is None:
        return FutureDays()
    return future_days(dataset.dates, (today_at(now, advertiser.offset) for advertiser in covering.advertisers))


def refuse_future_days(store: Store, account: Account, dataset: Dataset, now: datetime) -> None:
    """Raises DatasetError if the dates are in the future in all of its ad accounts, as far as these are known."""
    # Imported here: TikTok's client, which the other uses need not load.
    from adreel.connections import covered

    stored = store.accounts.advertisers(account)
    future = _future(covered(stored, dataset.advertisers or account.selection), dataset, now)
    if stored and future.fault:
        raise DatasetError((Problem("dates", future.fault),))


def tag(guard: Guard, saved: SavedDataset, tags: Iterable[str]) -> SavedDataset:
    """A saved dataset with these tags and no others, in its file too. InputError for what cannot be a tag."""
    guard.need(DatasetRight.EDIT, saved)
    wanted = list(dict.fromkeys(clean_name(name, phrase("a tag")) for name in tags))
    if wanted == list(saved.tags):
        return saved
    values = {name: value for name, value in json.loads(saved.spec).items() if name != "tags"}
    spec = spec_of(Source(values | ({"tags": wanted} if wanted else {}), {}))
    return guard.store.datasets.update(
        saved, spec=spec, tags=wanted, timing=timing_of(saved), same_timing=True, same_request=True
    )


def retag(guard: Guard, saved: SavedDataset, tags: Iterable[str], *, put: bool) -> SavedDataset:
    """A saved dataset with these tags added (`put`) or removed; errors as `tag`."""
    named = [" ".join(name.split()) for name in tags]
    others = [name for name in saved.tags if put or name not in named]
    return tag(guard, saved, [*others, *named] if put else others)


def refuse_new_deprecated(source: Source, saved: SavedDataset | None) -> None:
    """Raises InputError for a deprecated report, unless `saved` is of it already."""
    if saved is None or source.values.get("report") != source_of(saved).values.get("report"):
        refuse_deprecated(source)


def _new(guard: Guard, dataset: Dataset) -> NewDataset:
    _refuse_destinations(guard, dataset)
    return NewDataset(
        dataset.name,
        guard.usable(dataset.account),
        spec_of(dataset.source),
        dataset.description,
        tuple(dataset.tags),
        guard.actor.user,
        _timing(dataset),
    )


def _timing(dataset: Dataset) -> Timing:
    return Timing(dataset.schedule, dataset.stale_after)


def _same_timing(saved: SavedDataset, dataset: Dataset) -> bool:
    return timing_of(saved) == _timing(dataset)


def _refuse_other_key(saved: SavedDataset, dataset: Dataset, now: datetime) -> None:
    """Rows named by another key cannot stand in one table, unless the table is set up afresh by each run."""
    before = key(dataset_of(saved, now))
    after = key(dataset)
    fresh = dataset.update.method is Method.REPLACE and dataset.reset_schema
    if before != after and not fresh:
        raise InputError(
            phrase(
                "This change alters the primary key of %(dataset)s from %(before)s to %(after)s, but its "
                "table has rows with the old key. Create a new dataset instead, or set reset_schema: true "
                "with the update method replace.",
                dataset=repr(saved.name),
                before=", ".join(before),
                after=", ".join(after),
            )
        )


def _refuse_other_hours(guard: Guard, saved: SavedDataset, dataset: Dataset, now: datetime) -> None:
    """A table keeps its hours as it began: no Delta table goes back to the protocol that text is for."""
    before = dataset_of(saved, now)
    both_by_hour = before.time == dataset.time == "hour"
    if both_by_hour and before.hour_type != dataset.hour_type and guard.store.runs.good(saved):
        raise InputError(
            phrase(
                "The table of %(dataset)s keeps hours as %(before)s, and cannot change to %(after)s. Create a new "
                "dataset with hour_type: %(after)s, backfill its days, and then delete this one.",
                dataset=repr(saved.name),
                before=before.hour_type,
                after=dataset.hour_type,
            )
        )
