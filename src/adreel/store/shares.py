"""Shares: how far each account is shared with whom. What that means together with roles is in `adreel.access`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from adreel.errors import InputError, NotFoundError
from adreel.language import Phrase, phrase
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.database import Database
from adreel.store.records import Account, Level, User
from adreel.store.tables import account_shares, accounts, dataset_shares, users
from adreel.store.users import PUBLIC, can_own, user_of


class Shares:
    """The shares of one home. An account that has an owner keeps one; what nobody owns is the administrators'."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def of(self, account: Account) -> Mapping[User, Level]:
        """The users with whom the account is shared by name, highest level first."""
        statement = (
            select(*PUBLIC, account_shares.c.level)
            .join(account_shares)
            .where(account_shares.c.account_id == account.id)
            .order_by(users.c.name_key)
        )
        with self._database.read() as connection:
            levels = {user_of(row): Level(row.level) for row in connection.execute(statement)}
        return dict(sorted(levels.items(), key=lambda item: -item[1].rank))

    def owners(self) -> Mapping[int, tuple[User, ...]]:
        """The owners of every account that has any, by the account's id, each by name."""
        statement = (
            select(*PUBLIC, account_shares.c.account_id)
            .join(account_shares)
            .where(account_shares.c.level == Level.OWNER)
            .order_by(users.c.name_key)
        )
        owners: dict[int, tuple[User, ...]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement):
                owners[row.account_id] = (*owners.get(row.account_id, ()), user_of(row))
        return owners

    def level(self, account: Account, user: User) -> Level:
        """How far the account is shared with this user by name."""
        with self._database.read() as connection:
            return _level(connection, account, user)

    def everyone(self, account: Account) -> Level:
        """How far the account is shared with every user."""
        with self._database.read() as connection:
            level = connection.execute(select(accounts.c.everyone).where(accounts.c.id == account.id)).scalar()
        return Level(level or Level.NONE)

    def set(self, account: Account, user: User, level: Level) -> None:
        """Shares the account with a user so far, or no more.

        InputError if the account's last owner would go, or if the new one cannot own accounts.
        """
        with self._database.write() as connection:
            _need(connection, account)
            row = connection.execute(select(*PUBLIC).where(users.c.id == user.id)).first()
            if row is None:
                raise NotFoundError(phrase("The user %(name)s was deleted meanwhile.", name=repr(user.name)))
            has = _level(connection, account, user)
            if level is Level.OWNER and has is not Level.OWNER and not can_own(user_of(row)):
                words = (
                    Phrase("%(name)s is disabled and cannot own an account; only editors and admins can.")
                    if row.disabled
                    else Phrase("%(name)s is a %(role)s and cannot own an account; only editors and admins can.")
                )
                raise InputError(phrase(words, name=repr(user.name), role=row.role))
            if has is Level.OWNER and level is not Level.OWNER and _owners(connection, account) == 1:
                raise InputError(
                    phrase(
                        "%(user)s is the last owner of the account %(account)s and must stay one; add another owner "
                        "first.",
                        user=repr(user.name),
                        account=repr(account.name),
                    )
                )
            _set_level(connection, account, user, level)
            details = {"user": user.name, "before": has, "after": level}
            record(connection, self._clock(), AuditAction.ACCOUNT_SHARE, Subject.of(account), details)

    def set_everyone(self, account: Account, level: Level) -> None:
        """Shares the account with every user so far. InputError for a level of owner, which needs a name."""
        if level is Level.OWNER:
            raise InputError(phrase("Everyone cannot own an account; choose users as its owners."))
        with self._database.write() as connection:
            _need(connection, account)
            mine = accounts.c.id == account.id
            has = connection.execute(select(accounts.c.everyone).where(mine)).scalar_one()
            connection.execute(update(accounts).where(mine).values(everyone=level))
            details = {"user": "everyone", "before": has, "after": level}
            record(connection, self._clock(), AuditAction.ACCOUNT_SHARE, Subject.of(account), details)

    def of_user(self, user: User) -> Mapping[int, Level]:
        """How far each account is shared with the user, by name or with everyone, by the account's id."""
        mine = (account_shares.c.account_id == accounts.c.id) & (account_shares.c.user_id == user.id)
        statement = select(accounts.c.id, accounts.c.everyone, account_shares.c.level).outerjoin(account_shares, mine)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return {row.id: max(Level(row.everyone), Level(row.level or Level.NONE)) for row in rows}

    def kept(self, user: User) -> Mapping[int, Level]:
        """What the user had of each dataset through its account when that was deleted, by the dataset's id."""
        mine = select(dataset_shares.c.dataset_id, dataset_shares.c.level).where(dataset_shares.c.user_id == user.id)
        with self._database.read() as connection:
            return {row.dataset_id: Level(row.level) for row in connection.execute(mine)}


def _need(connection: Connection, account: Account) -> None:
    if not connection.execute(select(accounts.c.id).where(accounts.c.id == account.id)).first():
        raise NotFoundError(phrase("The account %(name)s was deleted meanwhile.", name=repr(account.name)))


def _level(connection: Connection, account: Account, user: User) -> Level:
    of_both = (account_shares.c.account_id == account.id) & (account_shares.c.user_id == user.id)
    return Level(connection.execute(select(account_shares.c.level).where(of_both)).scalar() or Level.NONE)


def _owners(connection: Connection, account: Account) -> int:
    owners = (account_shares.c.account_id == account.id) & (account_shares.c.level == Level.OWNER)
    return connection.execute(select(func.count()).where(owners)).scalar_one()


def _set_level(connection: Connection, account: Account, user: User, level: Level) -> None:
    of_both = (account_shares.c.account_id == account.id) & (account_shares.c.user_id == user.id)
    connection.execute(delete(account_shares).where(of_both))
    if level is not Level.NONE:
        connection.execute(insert(account_shares).values(account_id=account.id, user_id=user.id, level=level))
