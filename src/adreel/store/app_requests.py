"""How many requests each TikTok app sent, and how many TikTok refused for coming too fast, by five minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from adreel.store.database import Database
from adreel.store.tables import app_requests

PERIOD = timedelta(minutes=5)
"""The periods that requests are counted by; they begin at 00:00 UTC."""

KEPT = timedelta(days=8)
"""How long periods are kept. Older ones are added to the app's total, so that this never falls."""

_TOTAL = 0
"""The beginning of the row with the sum of all older periods."""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests that were sent, and those of them that TikTok refused for coming too fast."""

    sent: int
    refused: int


class AppRequests:
    """The counts of one home, which all its processes add to."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, app_id: str, counts: RequestCounts) -> None:
        """Adds requests to the present period."""
        now = self._clock()
        with self._database.write() as connection:
            if _add(connection, app_id, _period(now), counts):
                _fold(connection, app_id, _period(now - KEPT))

    def since(self, start: datetime) -> Mapping[str, Mapping[datetime, RequestCounts]]:
        """The counts of periods that begin then or later, by app and beginning; none of a period without requests."""
        statement = (
            select(app_requests)
            .where(app_requests.c.began >= max(int(start.timestamp()), _TOTAL + 1))
            .order_by(app_requests.c.app_id, app_requests.c.began)
        )
        apps: dict[str, dict[datetime, RequestCounts]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement):
                began = datetime.fromtimestamp(row.began, UTC)
                apps.setdefault(row.app_id, {})[began] = RequestCounts(row.sent, row.refused)
        return apps

    def totals(self) -> Mapping[str, RequestCounts]:
        """All requests that were ever counted, by app."""
        sums = (func.sum(app_requests.c.sent), func.sum(app_requests.c.refused))
        with self._database.read() as connection:
            rows = connection.execute(select(app_requests.c.app_id, *sums).group_by(app_requests.c.app_id)).all()
        return {app_id: RequestCounts(int(sent), int(refused)) for app_id, sent, refused in rows}


def _period(moment: datetime) -> int:
    seconds = int(PERIOD.total_seconds())
    return int(moment.timestamp()) // seconds * seconds


def _add(connection: Connection, app_id: str, began: int, counts: RequestCounts) -> bool:
    """Adds to a period, or makes it; returns whether it is new. The store has one writer at a time."""
    changes = {
        "sent": app_requests.c.sent + counts.sent,
        "refused": app_requests.c.refused + counts.refused,
    }
    mine = (app_requests.c.app_id == app_id) & (app_requests.c.began == began)
    if connection.execute(update(app_requests).where(mine).values(changes)).rowcount:
        return False
    values = {"app_id": app_id, "began": began, "sent": counts.sent, "refused": counts.refused}
    connection.execute(insert(app_requests).values(values))
    return True


def _fold(connection: Connection, app_id: str, before: int) -> None:
    """Adds the app's periods before that one to its total, and removes them."""
    old = (app_requests.c.app_id == app_id) & (app_requests.c.began > _TOTAL) & (app_requests.c.began < before)
    removed = delete(app_requests).where(old).returning(app_requests.c.sent, app_requests.c.refused)
    rows = connection.execute(removed).all()
    if rows:
        counts = RequestCounts(sum(row.sent for row in rows), sum(row.refused for row in rows))
        _add(connection, app_id, _TOTAL, counts)
