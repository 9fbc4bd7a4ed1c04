"""A version of a dataset brought into a table of another connector's layout, which several datasets may share.

Everything is one transaction of the destination, as in `publishing`. Rows say which dataset they are of, so that each
dataset replaces its own, and no figure is there twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from adreel.datasets.layouts.tables import LayoutRows, LayoutTable
from adreel.destinations.layout_entities import EntityHistoryPublisher, EntityPublisher
from adreel.destinations.layout_reports import ReportPublisher
from adreel.destinations.layout_session import LAKE, LayoutSession
from adreel.destinations.publishing import Published, PublishMode, PublishOrder
from adreel.destinations.session import DestinationSession
from adreel.errors import InputError, ProofError
from adreel.lake import Lake
from adreel.lake.engine import quoted, sql
from adreel.language import Phrase, phrase


def publish_layout(
    session: DestinationSession, lake: Lake, order: PublishOrder, table: LayoutTable, now: datetime
) -> Published:
    """Brings the version into the layout's table.

    Raises ProofError if the rows there are not the version's afterwards, InputError for a table that is not adreel's,
    for ids that are no numbers and for days that another dataset published, and errors of the lake and of the
    destination. Everything there is then as it was.
    """
    target = LayoutSession(session, lake, order, table, now)
    # Datasets share tables, and reports write to those of entities: one at a time.
    lock = f"adreel schema {order.place.schema}"
    with session.transaction(lock):
        target.begin()
    _check_ids(target)
    try:
        with session.transaction(lock):
            published = _publish(target, may_change=not order.reload)
    except ProofError:
        # Somebody wrote to the table there, or it was restored.
        with session.transaction(lock):
            published = _publish(target, may_change=False).after_repair(order.place)
    return replace(published, notes=tuple(_notes(target)))


def _publish(target: LayoutSession, *, may_change: bool) -> Published:
    """Brings it there; a report whole if it may not be by its changes."""
    mark = target.prepare()
    is_there = mark is not None and mark.run_id == target.order.run_id and mark.columns == target.fingerprint
    if may_change and is_there:
        if target.table.rows is LayoutRows.REPORT:
            ReportPublisher(target).prove()
        return Published(PublishMode.NOTHING, target.rows, 0, 0)
    if target.table.rows is LayoutRows.REPORT:
        published = ReportPublisher(target).publish(mark if may_change else None)
    elif target.table.rows is LayoutRows.HISTORY:
        published = EntityHistoryPublisher(target).publish_since(mark)
    else:
        published = EntityPublisher(target).publish()
    target.write_mark(target.place)
    return published


def _check_ids(target: LayoutSession) -> None:
    """Raises InputError for ids that are no whole numbers, and for an entity of two ad accounts."""
    table, order = str(target.place), target.order
    with target.lake.version_query(order.slug, order.version, LAKE) as rows:
        for name in target.table.ids:
            column = quoted(name)
            where = f"{column} IS NOT NULL AND TRY_CAST({column} AS BIGINT) IS NULL"
            ((value,),) = rows(sql("SELECT min(", column, f") FROM {LAKE} WHERE", where))
            if value is not None:
                raise InputError(phrase(_NO_NUMBER, table=table, column=name, value=repr(value)))
        entity = target.table.ids[-1] if "advertiser_id" in target.table.ids else "advertiser_id"
        if entity != "advertiser_id":
            several = "GROUP BY 1 HAVING count(DISTINCT advertiser_id) > 1 LIMIT 1"
            for (value,) in rows(sql("SELECT", quoted(entity), f"FROM {LAKE}", several)):
                raise InputError(phrase(_TWO_ACCOUNTS, table=table, column=entity, value=str(value)))


def _notes(target: LayoutSession) -> Iterator[str]:
    """Which columns there stay empty, and which of the dataset are not there."""
    table = str(target.place)
    if target.table.empty:
        columns = ", ".join(target.table.empty)
        yield phrase(
            "Empty columns of %(table)s, for which the dataset has nothing: %(columns)s.", table=table, columns=columns
        )
    if target.table.left_out:
        columns = ", ".join(target.table.left_out)
        yield phrase("Columns of the dataset that are not in %(table)s: %(columns)s.", table=table, columns=columns)


_NO_NUMBER = Phrase(
    "%(table)s needs whole numbers as IDs, and the dataset has %(value)s in the column %(column)s. Nothing was changed "
    "there. Publish the dataset to a destination with tables of its own."
)
_TWO_ACCOUNTS = Phrase(
    "%(table)s has one row for each %(column)s, and the dataset has %(value)s in two ad accounts. Nothing was changed "
    "there. Limit `advertisers` of the dataset to one of them."
)
