"""One version brought to one destination, and the test of a destination, whichever way its kind takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from adreel import errors
from adreel.destinations.kinds import DeliveryWay, DestinationKind, open_session
from adreel.destinations.publishing import Published, PublishOrder, publish
from adreel.destinations.session import Place
from adreel.errors import AdreelError, InputError, StopError
from adreel.lake import Lake
from adreel.lake.engine import quoted, sql
from adreel.language import Phrase, phrase

PROBE = "adreel_probe"

PROBE_SECONDS = 300

_NO_HISTORY = Phrase(
    "A history is for DuckDB and Postgres only, not for %(kind)s. Remove `history` from the dataset's `publish`."
)


def deliver(kind: str, address: str, lake: Lake, order: PublishOrder, folder: Path, now: datetime) -> Published:
    """Brings the version there, and proves it. Errors as `publish` and `CopyPublisher.run`.

    `folder` is for files on the way, of which none is of use later; one process at a time uses it.
    """
    way = DestinationKind(kind).way
    DestinationKind(kind).require()
    if way is DeliveryWay.SESSION:
        with open_session(kind, address) as session:
            return publish(session, lake, order, now)
    if order.history is not None:
        raise InputError(phrase(_NO_HISTORY, kind=str(DestinationKind(kind).label)))
    from adreel.destinations.copies import CopyPublisher, TableCopy

    copy: TableCopy
    schema = lake.table(order.slug, order.version).schema
    if way is DeliveryWay.DLT:
        from adreel.destinations.dlt_copy import DltCopy
        from adreel.destinations.dlt_engines import ENGINES

        copy = DltCopy(ENGINES[DestinationKind(kind)], address, order.place, schema, folder)
    else:
        from adreel.destinations.file_copy import open_files

        copy = open_files(kind, address, order.place, schema, folder)
    return CopyPublisher(copy, lake, order, now).run()


def probe(kind: str, address: str, schema: str) -> None:
    """Makes a table at a destination, reads it and takes it back. Raises what hinders it."""
    way = DestinationKind(kind).way
    DestinationKind(kind).require()
    if way is DeliveryWay.SESSION:
        _probe_session(kind, address, schema)
    elif way is DeliveryWay.DLT:
        _probe_apart(kind, address, schema)
    else:
        import pyarrow as pa

        from adreel.destinations.file_copy import open_files

        with tempfile.TemporaryDirectory(prefix="adreel-") as folder:
            open_files(kind, address, Place(schema, PROBE), pa.schema([]), Path(folder)).probe()


class _Undone(Exception):  # noqa: N818 - no fault
    """Ends a transaction that leaves nothing."""


def _probe_session(kind: str, address: str, schema: str) -> None:
    place = Place(schema, f"_{PROBE}")
    with open_session(kind, address) as session:
        try:
            with session.transaction("adreel probe"):
                session.run(sql("CREATE SCHEMA IF NOT EXISTS", quoted(schema)))
                session.run(sql("CREATE TABLE", place.sql, "(number BIGINT)"))
                session.run(sql("INSERT INTO", place.sql, "VALUES (1)"))
                session.rows(sql("SELECT number FROM", place.sql))
                raise _Undone
        except _Undone:
            return


# -- in a process of its own, as dlt takes 100 MB that a server does not give back


def _probe_apart(kind: str, address: str, schema: str) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "adreel.destinations.delivery"],
            input=json.dumps([kind, address, schema]).encode(),
            stdout=subprocess.PIPE,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        words = phrase("The destination did not answer within %(seconds)s seconds.", seconds=PROBE_SECONDS)
        raise errors.RetryError(words) from None
    if done.returncode:
        raise StopError(phrase("The test of the destination died with code %(code)s.", code=done.returncode))
    failure = json.loads(done.stdout)
    if failure is not None:
        name, text = failure
        raise getattr(errors, name)(text)


def _probe_dlt(kind: str, address: str, schema: str) -> tuple[str, str] | None:
    """The name and the text of the error; None without one."""
    import pyarrow as pa

    from adreel.destinations.dlt_copy import DltCopy
    from adreel.destinations.dlt_engines import ENGINES

    columns = pa.schema([("number", pa.int64())])
    with tempfile.TemporaryDirectory(prefix="adreel-") as folder:
        try:
            DltCopy(ENGINES[DestinationKind(kind)], address, Place(schema, PROBE), columns, Path(folder)).probe()
        except AdreelError as error:
            return type(error).__name__, str(error)
    return None


if __name__ == "__main__":
    # Whatever drivers print is no answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    json.dump(_probe_dlt(*json.load(sys.stdin)), answer)
