"""Destinations added, tested and deleted; datasets published to them when they are due, and how that stands."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from adreel.access import DatasetRight, Guard, RoleRight
from adreel.datasets import service as datasets
from adreel.datasets.dataset import PublishTarget, Source
from adreel.datasets.layouts import WarehouseLayout, bound, refusal
from adreel.datasets.publish_targets import written_target
from adreel.datasets.restatement import day_kinds
from adreel.datasets.stored import dataset_of, publish_targets_of, source_of
from adreel.datasets.validation import parse
from adreel.destinations.delivery import deliver, probe
from adreel.destinations.history import KindsBetween
from adreel.destinations.kinds import DeliveryWay, DestinationAddress, open_session, read_address
from adreel.destinations.layout_publishing import publish_layout
from adreel.destinations.publishing import Published, PublishOrder
from adreel.destinations.session import Place
from adreel.destinations.status import Due, PublicationStatus, due, publishers, statuses
from adreel.enumerations import first_of
from adreel.errors import AdreelError, BusyError, InputError
from adreel.lake import Lake
from adreel.language import phrase
from adreel.logs import logger_of
from adreel.store import Destination, SavedDataset, Store
from adreel.store.audit import AuditAction, Subject
from adreel.store.destinations import NewDestination, PublishedVersion
from adreel.store.users import name_key

RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""How long after the first, second and later failed tries the next one is; the last goes on.

A try that a person asks for, and a test of the destination, begin with the first again.
"""

FOLDER = Path("tmp") / "publishing"
"""The folder of the home for files on their way to destinations; none of them is of use to a later process."""

LONGEST_SCHEMA = 63

MOST_NAMES = 5

logger = logger_of(__name__)


# -- destinations


def add(
    guard: Guard,
    name: str,
    address: DestinationAddress,
    schema: str | None = None,
    layout: WarehouseLayout = WarehouseLayout.DATASETS,
) -> Destination:
    """Saves a destination once it has been reached; the schema is that of the layout unless it is given.

    Errors as `test`; ExistsError, InputError for the name.
    """
    new = new_destination(guard, name, address, schema, layout)
    reach(new)
    return guard.store.destinations.add(new)


def change(
    guard: Guard, destination: Destination, address: DestinationAddress | None = None, schema: str | None = None
) -> Destination:
    """The destination at another address or schema, once that has been reached; what is None stays.

    At another place, all tables are published anew; those of the old place stay there. Errors as `add`; BusyError while
    tables are published to it.
    """
    new = new_destination(
        guard,
        destination.name,
        address or read_address(guard.store.destinations.address(destination)),
        destination.schema_name if schema is None else schema,
        WarehouseLayout(destination.layout),
    )
    with guard.store.locks.publishing(destination.id):
        reach(new)
        return guard.store.destinations.change(destination, new)


def new_destination(
    guard: Guard,
    name: str,
    address: DestinationAddress,
    schema: str | None = None,
    layout: WarehouseLayout = WarehouseLayout.DATASETS,
) -> NewDestination:
    """A destination to save that was not reached yet; the schema is that of the layout unless it is given.

    ForbiddenError; InputError for the schema, and for a layout that the kind does not have.
    """
    guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    schema = layout.schema if schema is None else schema.strip()
    if not schema or len(schema) > LONGEST_SCHEMA or "\0" in schema:
        raise InputError(phrase("The schema needs a name of at most %(limit)s characters.", limit=LONGEST_SCHEMA))
    if layout is not WarehouseLayout.DATASETS and address.kind.way is not DeliveryWay.SESSION:
        raise InputError(phrase("The layout %(layout)s is for DuckDB and Postgres only.", layout=layout.label))
    if address.kind.schema:
        if schema not in (layout.schema, address.kind.schema):
            raise InputError(phrase("A %(kind)s has no schemas; leave it out.", kind=str(address.kind.label)))
        schema = address.kind.schema
    return NewDestination(name, address.kind, address.full, address.shown, schema, layout)


def reach(new: NewDestination) -> None:
    """Makes a table at the destination, reads it and takes it back. Raises what hinders it."""
    probe(new.kind, new.address, new.schema_name)


def test(guard: Guard, destination: Destination) -> None:
    """Makes a table at the destination, reads it and takes it back. Raises what hinders it."""
    guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    guard.store.audit.add(AuditAction.DESTINATION_TEST, Subject.of(destination))
    probe(destination.kind, guard.store.destinations.address(destination), destination.schema_name)
    guard.store.publications.retry(destination)


def delete(guard: Guard, destination: Destination) -> None:
    """Forgets a destination; the tables there stay. InputError while datasets publish there."""
    guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    users = publishers(guard.store, destination)
    if users:
        raise InputError(
            phrase(
                "Datasets publish to %(destination)s: %(datasets)s. Remove it from their `publish` first.",
                destination=repr(destination.name),
                datasets=first_of([saved.name for saved in users], MOST_NAMES),
            )
        )
    guard.store.destinations.delete(destination)


# -- where a dataset publishes to


def attach(
    guard: Guard,
    saved: SavedDataset,
    destination: Destination,
    table: str | None,
    now: datetime,
    *,
    history: bool = False,
) -> SavedDataset:
    """The dataset, which publishes there too, or there to another table. DatasetError for a table that cannot be."""
    kept = [
        target for target in publish_targets_of(saved) if name_key(target.destination) != name_key(destination.name)
    ]
    return _retarget(guard, saved, [*kept, PublishTarget(destination.name, table or None, history)], now)


def detach(guard: Guard, saved: SavedDataset, name: str, now: datetime) -> SavedDataset:
    """The dataset, which does not publish there any more; the table there stays. InputError if it did not."""
    targets = publish_targets_of(saved)
    kept = [target for target in targets if name_key(target.destination) != name_key(name)]
    if len(kept) == len(targets):
        raise InputError(_nowhere(saved, name))
    return _retarget(guard, saved, kept, now)


def _retarget(guard: Guard, saved: SavedDataset, targets: list[PublishTarget], now: datetime) -> SavedDataset:
    values = dict(source_of(saved).values)
    values.pop("publish", None)
    if targets:
        values["publish"] = [written_target(target) for target in targets]
    return datasets.change(guard, saved, parse(Source(values, {}), now), now)


def ask(guard: Guard, saved: SavedDataset, destination: Destination, *, reload: bool = False) -> None:
    """Has a worker publish the newest version soon, and with `reload` drop the table there and make it anew.

    InputError if the dataset does not publish there.
    """
    guard.need(DatasetRight.RUN, saved)
    mine = [status for status in statuses(guard.store, saved) if status.destination == destination]
    if not mine:
        raise InputError(_nowhere(saved, destination.name))
    details = {"destination": destination.name, "reload": reload}
    guard.store.audit.add(AuditAction.PUBLISH, Subject.of(saved), details)
    guard.store.publications.ask(saved, destination, mine[0].table, reload=reload)


# -- publishing


def publish_due(store: Store, lake: Lake, destination_id: int, clock: Callable[[], datetime]) -> int:
    """Publishes all that is due to one destination, one dataset after the other; returns how many were tried.

    Raises BusyError if another process publishes there. What fails is stored and tried again later.
    """
    tried = 0
    with store.locks.publishing(destination_id):
        while True:
            mine = next((each for each in due(store, clock()) if each.destination.id == destination_id), None)
            if mine is None:
                return tried
            tried += 1
            try:
                reload = mine.status.publication is not None and mine.status.publication.reload
                _publish(store, lake, mine, clock, reload=reload)
            except AdreelError as error:
                logger.warning("Dataset %s was not published to %s: %s", mine.saved.name, mine.destination.name, error)


def publish_now(
    guard: Guard,
    lake: Lake,
    saved: SavedDataset,
    destination_name: str | None,
    clock: Callable[[], datetime],
    *,
    reload: bool = False,
) -> Iterator[tuple[PublicationStatus, Published]]:
    """Publishes the newest version of a dataset to its destinations, or to the one of that name.

    With `reload` the tables there are dropped and made anew. Raises InputError if the dataset publishes nowhere and if
    it has no version, BusyError if another process publishes there, and what hinders a publish.
    """
    guard.need(DatasetRight.RUN, saved)
    chosen = [status for status in statuses(guard.store, saved) if _is_named(status, destination_name)]
    if not chosen:
        raise InputError(_nowhere(saved, destination_name))
    for status in chosen:
        destination = status.destination or guard.store.destinations.get(status.name)
        if status.newest is None:
            command = f"adreel run {saved.slug}"
            raise InputError(phrase("The dataset has no version yet. Run it first: %(command)s", command=command))
        with guard.store.locks.publishing(destination.id):
            due_now = Due(saved, status, destination)
            guard.store.audit.add(AuditAction.PUBLISH, Subject.of(saved), {"destination": destination.name})
            yield status, _publish(guard.store, lake, due_now, clock, reload=reload, is_asked=True)


def _is_named(status: PublicationStatus, name: str | None) -> bool:
    return name is None or name_key(status.name) == name_key(name)


def _nowhere(saved: SavedDataset, name: str | None) -> str:
    if name is None:
        return phrase(
            "Dataset %(dataset)s publishes nowhere. Have it publish to a destination: %(command)s",
            dataset=repr(saved.name),
            command=f"adreel destinations attach {saved.slug} DESTINATION",
        )
    return phrase(
        "Dataset %(dataset)s does not publish to %(destination)s. To have it do so: %(command)s",
        dataset=repr(saved.name),
        destination=repr(name),
        command=f"adreel destinations attach {saved.slug} {shlex.quote(name)}",
    )


def _publish(
    store: Store, lake: Lake, mine: Due, clock: Callable[[], datetime], *, reload: bool, is_asked: bool = False
) -> Published:
    """Publishes and stores how that went. Raises what hindered it."""
    saved, destination, begun = mine.saved, mine.destination, time.monotonic()
    good = store.runs.good(saved)[0]
    assert good.version is not None, "a good run made a version"
    publisher = f"{destination.publisher}/{saved.id}"
    place = Place(destination.schema_name, mine.status.table)
    history = _kinds_between(store, lake, saved, clock()) if mine.status.history else None
    order = PublishOrder(saved.table_slug, good.version, good.id, publisher, place, reload, history)
    try:
        published = _bring(store, lake, order, mine, clock())
    except BusyError:
        raise
    except AdreelError as error:
        publication = mine.status.publication
        attempts = (publication.attempts if publication and not is_asked else 0) + 1
        wait = RETRIES[min(attempts, len(RETRIES)) - 1]
        now = clock()
        store.publications.failed(
            saved, destination, place.table, good.id, str(error), attempts=attempts, at=now, next_at=now + wait
        )
        raise
    seconds = time.monotonic() - begun
    version = PublishedVersion(
        place.table,
        good.version,
        good.id,
        published.mode,
        published.rows,
        published.written,
        published.removed,
        seconds,
    )
    store.publications.done(saved, destination, version, clock())
    if published.repairs:
        details = {"destination": destination.name, "table": str(place), "repair": " ".join(published.repairs)}
        store.audit.add(AuditAction.PUBLISH_REPAIR, Subject.of(saved), details)
    logger.info("Published version %d of %s to %s", good.version, saved.name, destination.name)
    return published


def _kinds_between(store: Store, lake: Lake, saved: SavedDataset, now: datetime) -> KindsBetween:
    """What the days of a dataset are to two of its versions, as comparisons say it."""
    return lambda before, after: day_kinds(store, lake, saved, before, after, now).of


def _bring(store: Store, lake: Lake, order: PublishOrder, mine: Due, now: datetime) -> Published:
    """Publishes into a table of the dataset's own, or into one of the destination's layout."""
    kind, layout = mine.destination.kind, mine.destination.layout
    address = store.destinations.address(mine.destination)
    if layout == WarehouseLayout.DATASETS:
        folder = store.keys.home / FOLDER / str(mine.destination.id)
        return deliver(kind, address, lake, order, folder, now)
    dataset = dataset_of(mine.saved, now)
    reason = refusal(layout, dataset)
    if reason is not None:
        raise InputError(phrase("Dataset %(dataset)s: %(reason)s.", dataset=repr(mine.saved.name), reason=reason))
    table = bound(layout, dataset, lake.table(order.slug, order.version).schema)
    with open_session(kind, address) as session:
        return publish_layout(session, lake, order, table, now)
