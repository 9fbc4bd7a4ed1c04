"""Exchange rates of the workspace, by day, with where each comes from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

from sqlalchemy import Connection, delete, func, insert, select, update

from adreel.errors import InputError
from adreel.language import integer, phrase
from adreel.store.audit import WORKSPACE, AuditAction, acting_as, record
from adreel.store.database import Database
from adreel.store.tables import exchange_rates, rate_imports, rate_settings

MOST_RATES = 100_000
"""Rates of a workspace: those of thirty currencies for nine years."""

VALID_DAYS = 7
"""Days for which a rate holds unless the workspace says otherwise: over weekends and holidays."""

LONGEST_VALIDITY = 366

LONGEST_FILE_NAME = 200

_AT_ONCE = 500
"""Days that one statement names; SQLite takes some thousands."""


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """One unit of `currency` was worth `rate` units of `target` from `day` on; `import_id` is 0 before it is saved."""

    day: date
    currency: str
    target: str
    rate: Decimal
    import_id: int = 0


@dataclass(frozen=True, slots=True)
class RateImport:
    """An import of rates: when, by whom, and the name of the file; empty for rates that were pasted."""

    id: int
    imported_at: datetime
    imported_by: str
    file: str


class ExchangeRates:
    """The rates of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def targets(self) -> tuple[str, ...]:
        """The currencies that there are rates to, by code."""
        statement = select(exchange_rates.c.target).distinct().order_by(exchange_rates.c.target)
        with self._database.read() as connection:
            return tuple(connection.execute(statement).scalars())

    def usual_target(self) -> str | None:
        """The currency that there are rates of most currencies to, then most rates; None without rates."""
        columns = exchange_rates.c
        most = (func.count(columns.currency.distinct()).desc(), func.count().desc(), columns.target)
        statement = select(columns.target).group_by(columns.target).order_by(*most).limit(1)
        with self._database.read() as connection:
            return connection.execute(statement).scalar()

    def list(
        self,
        target: str | None = None,
        *,
        currencies: Collection[str] | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> tuple[ExchangeRate, ...]:
        """The rates by target, currency and day; those to `target`, of `currencies` and of days between both only."""
        columns = (exchange_rates.c[name] for name in ("day", "currency", "target", "rate", "import_id"))
        statement = select(*columns).order_by(exchange_rates.c.target, exchange_rates.c.currency, exchange_rates.c.day)
        if target is not None:
            statement = statement.where(exchange_rates.c.target == target)
        if currencies is not None:
            statement = statement.where(exchange_rates.c.currency.in_(sorted(currencies)))
        if since is not None:
            statement = statement.where(exchange_rates.c.day >= since)
        if until is not None:
            statement = statement.where(exchange_rates.c.day <= until)
        with self._database.read() as connection:
            return tuple(
                ExchangeRate(row.day, row.currency, row.target, Decimal(row.rate), row.import_id)
                for row in connection.execute(statement)
            )

    def imports(self) -> Mapping[int, RateImport]:
        """The imports that rates are left of, by id."""
        columns = (rate_imports.c[name] for name in ("id", "imported_at", "imported_by", "file"))
        with self._database.read() as connection:
            rows = connection.execute(select(*columns).order_by(rate_imports.c.id)).all()
        return {row.id: RateImport(**row._asdict()) for row in rows}

    def valid_days(self) -> int:
        """The days for which a rate holds, the first included, if no other of its currency follows."""
        with self._database.read() as connection:
            return int(connection.execute(select(rate_settings.c.valid_days)).scalar() or VALID_DAYS)

    def set_valid_days(self, days: int) -> None:
        """Changes for how many days a rate holds. InputError for a number that cannot be."""
        if not 1 <= days <= LONGEST_VALIDITY:
            raise InputError(
                phrase(
                    "valid_days: enter 1 to %(limit)s days; not %(days)s.", limit=LONGEST_VALIDITY, days=integer(days)
                )
            )
        with self._database.write() as connection:
            if not connection.execute(update(rate_settings).values(valid_days=days)).rowcount:
                connection.execute(insert(rate_settings).values(id=1, valid_days=days))
            record(connection, self._clock(), AuditAction.RATES_CHANGE, WORKSPACE, {"valid_days": days})

    def save(self, rates: Sequence[ExchangeRate], file: str, *, replace: bool) -> RateImport:
        """Saves rates in place of those of the same days, or with `replace` in place of all.

        InputError if there would be more than `MOST_RATES`.
        """
        now, by = self._clock(), acting_as().name
        with self._database.write() as connection:
            if replace:
                connection.execute(delete(exchange_rates))
            else:
                _delete_same(connection, rates)
            kept = connection.execute(select(func.count()).select_from(exchange_rates)).scalar_one()
            if kept + len(rates) > MOST_RATES:
                raise InputError(
                    phrase(
                        "There would be %(rates)s rates, and at most %(limit)s are kept. Import only the days and "
                        "currencies of your ad accounts, or replace all rates.",
                        rates=integer(kept + len(rates)),
                        limit=integer(MOST_RATES),
                    )
                )
            values = {"imported_at": now, "imported_by": by, "file": file}
            added = insert(rate_imports).values(values).returning(rate_imports.c.id)
            import_id = connection.execute(added).scalar_one()
            if rates:
                rows = [
                    {
                        "target": rate.target,
                        "currency": rate.currency,
                        "day": rate.day,
                        "rate": format(rate.rate, "f"),
                        "import_id": import_id,
                    }
                    for rate in rates
                ]
                connection.execute(insert(exchange_rates), rows)
            _forget_imports(connection)
            targets = sorted({rate.target for rate in rates})
            details = {"rates": len(rates), "targets": targets, "file": file, "replaced": "all" if replace else ""}
            record(connection, now, AuditAction.RATES_IMPORT, WORKSPACE, details)
        return RateImport(import_id, now, by, file)

    def clear(self, target: str | None = None) -> int:
        """Deletes the rates to `target`, or all; returns how many."""
        statement = delete(exchange_rates)
        if target is not None:
            statement = statement.where(exchange_rates.c.target == target)
        with self._database.write() as connection:
            count = connection.execute(statement).rowcount
            _forget_imports(connection)
            details = {"rates": count, "target": target}
            record(connection, self._clock(), AuditAction.RATES_DELETE, WORKSPACE, details)
        return count


def _delete_same(connection: Connection, rates: Iterable[ExchangeRate]) -> None:
    """Deletes the stored rates of the same currencies and days."""

    def pair(rate: ExchangeRate) -> tuple[str, str]:
        return rate.target, rate.currency

    for (target, currency), of_pair in groupby(sorted(rates, key=pair), key=pair):
        days = [rate.day for rate in of_pair]
        for start in range(0, len(days), _AT_ONCE):
            connection.execute(
                delete(exchange_rates).where(
                    exchange_rates.c.target == target,
                    exchange_rates.c.currency == currency,
                    exchange_rates.c.day.in_(days[start : start + _AT_ONCE]),
                )
            )


def _forget_imports(connection: Connection) -> None:
    """Deletes imports of which no rate is left."""
    used = select(exchange_rates.c.import_id).distinct()
    connection.execute(delete(rate_imports).where(rate_imports.c.id.not_in(used)))
