"""Accounts: grants, their tokens, and the advertisers that they cover."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, delete, insert, select, true, update

from adreel.errors import ExistsError, InputError, NotFoundError
from adreel.language import phrase
from adreel.store.apps import rotate_app
from adreel.store.audit import WORKSPACE, AuditAction, Subject, record
from adreel.store.database import Database, Unchanged
from adreel.store.destinations import rotate_destinations
from adreel.store.names import clean_name, is_id, kept_name, not_found
from adreel.store.records import Account, AccountAdvertiser, AccountStatus, AdvertiserInfo, Level, User
from adreel.store.secrets import ADD_AGAIN, Keys
from adreel.store.tables import (
    account_advertisers,
    account_shares,
    accounts,
    dataset_shares,
    datasets,
    notification_addresses,
    users,
)

_PUBLIC = tuple(column for column in accounts.columns if column.name not in ("token", "app_secret", "everyone"))
_FACTS = ("name", "currency", "timezone", "display_timezone", "status", "country")


class Accounts:
    """The accounts of one home."""

    __slots__ = ("_all", "_clock", "_database", "_keys")

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._all = Unchanged(database, self._read)

    def add(
        self,
        name: str,
        *,
        token: str,
        app_id: str,
        base_url: str,
        app_secret: str = "",
        owner: str = "",
        selection: Iterable[str] | None = None,
        scopes: Iterable[int] | None = None,
        user: User | None = None,
    ) -> Account:
        """A new account, valid from now, which `user` owns; without one it is the administrators'.

        `owner` is the display name of who granted it at TikTok. InputError if the name is taken or `selection` is
        empty.
        """
        name = clean_name(name, phrase("an account"))
        now = self._clock()
        values = {
            "name": name,
            "app_id": app_id,
            "base_url": base_url,
            "owner": owner,
            "selection": _selection(selection),
            "scopes": list(scopes) if scopes is not None else None,
            "status": AccountStatus.VALID,
            "created_at": now,
            "updated_at": now,
            "last_checked_at": now,
        }
        with self._database.write() as connection:
            _refuse_taken(connection, name)
            # In here, as the keys may be rotated at any time, and an old one dropped, by who holds the transaction.
            values |= {"token": self._keys.encrypt(token), "app_secret": self._hidden(app_secret)}
            row = connection.execute(insert(accounts).values(values).returning(*_PUBLIC)).one()
            if user is not None:
                share = {"account_id": row.id, "user_id": user.id, "level": Level.OWNER}
                connection.execute(insert(account_shares).values(share))
            account = _account(row)
            record(connection, now, AuditAction.ACCOUNT_CONNECT, Subject.of(account))
        return account

    def get(self, name: str | int, *, among: Collection[int] | None = None) -> Account:
        """The account of that name, else the one of that id; a number is an id. NotFoundError names the nearest.

        Only those whose ids are `among` these are looked at and named, if they are given.
        """
        offered = true() if among is None else accounts.c.id.in_(among)
        with self._database.read() as connection:
            row = None
            if isinstance(name, str):
                named = accounts.c.name.in_((name, kept_name(name)))
                row = connection.execute(select(*_PUBLIC).where(offered, named)).first()
            if row is None and is_id(name):
                row = connection.execute(select(*_PUBLIC).where(offered, accounts.c.id == int(name))).first()
            if row is None:
                names = connection.execute(select(accounts.c.name).where(offered)).scalars()
                raise not_found("account", str(name), names, phrase("Connect an account first."))
        return _account(row)

    def list(self) -> tuple[Account, ...]:
        """All accounts, by name."""
        return self._all.get()

    def _read(self) -> tuple[Account, ...]:
        with self._database.read() as connection:
            rows = connection.execute(select(*_PUBLIC).order_by(accounts.c.name)).all()
        return tuple(_account(row) for row in rows)

    def rename(self, account: Account, name: str) -> Account:
        """The account under another name, which its datasets take over. InputError if the name is taken."""
        name = clean_name(name, phrase("an account"))
        with self._database.write() as connection:
            _refuse_taken(connection, name, besides=account.id)
            renamed = _change(connection, account, name=name, updated_at=self._clock())
            record(connection, self._clock(), AuditAction.ACCOUNT_RENAME, Subject.of(renamed), {"before": account.name})
            connection.execute(update(datasets).where(datasets.c.account_id == account.id).values(account_name=name))
        return renamed

    def set_token(
        self,
        account: Account,
        token: str,
        *,
        app_id: str | None = None,
        app_secret: str | None = None,
        base_url: str | None = None,
        owner: str | None = None,
        scopes: Iterable[int] | None = None,
    ) -> Account:
        """The account connected again: a new token, valid from now. What is None stays, except `scopes`."""
        now = self._clock()
        given = {"app_id": app_id, "base_url": base_url, "owner": owner}
        changes = {name: value for name, value in given.items() if value is not None}
        with self._database.write() as connection:
            if app_secret is not None:
                changes["app_secret"] = self._hidden(app_secret)
            record(connection, now, AuditAction.ACCOUNT_RECONNECT, Subject.of(account))
            return _change(
                connection,
                account,
                token=self._keys.encrypt(token),
                status=AccountStatus.VALID,
                updated_at=now,
                last_checked_at=now,
                scopes=list(scopes) if scopes is not None else None,
                **changes,
            )

    def set_status(self, account: Account, status: AccountStatus) -> Account:
        """What TikTok said about the token just now."""
        now = self._clock()
        changes = {"updated_at": now} if status is not account.status else {}
        with self._database.write() as connection:
            return _change(connection, account, status=status, last_checked_at=now, **changes)

    def choose_advertisers(self, account: Account, selection: Iterable[str] | None) -> Account:
        """The account with these advertisers named by hand; None for all that the grant covers."""
        chosen, now = _selection(selection), self._clock()
        with self._database.write() as connection:
            if chosen != (None if account.selection is None else list(account.selection)):
                count = "all" if chosen is None else len(chosen)
                record(connection, now, AuditAction.ACCOUNT_ADVERTISERS, Subject.of(account), {"selected": count})
            return _change(connection, account, selection=chosen, updated_at=now)

    def delete(self, account: Account) -> None:
        """Forgets the account and its token. Its datasets stay, disconnected, and keep the account's name.

        What users had of them through the account, they keep.
        """
        with self._database.write() as connection:
            _keep_shares(connection, account)
            if not connection.execute(delete(accounts).where(accounts.c.id == account.id)).rowcount:
                raise _deleted(account)
            record(connection, self._clock(), AuditAction.ACCOUNT_DELETE, Subject.of(account))

    def token(self, account: Account) -> str:
        """The token in clear text. InputError that names ADREEL_SECRET_KEY if no key fits."""
        return self._shown(account, accounts.c.token)

    def app_secret(self, account: Account) -> str:
        """The secret of the app that the account was connected by, or empty. Errors as `token`."""
        return self._shown(account, accounts.c.app_secret)

    def _shown(self, account: Account, column: Column[str]) -> str:
        """What an encrypted column holds; empty for one that holds nothing."""
        encrypted = self._encrypted(account, column)
        try:
            return self._keys.decrypt(encrypted, _whose(account.name)) if encrypted else ""
        except InputError:
            # The keys may have been rotated, and the old one dropped, between the two looks.
            again = self._encrypted(account, column)
            if again == encrypted:
                raise
            return self._keys.decrypt(again, _whose(account.name)) if again else ""

    def _encrypted(self, account: Account, column: Column[str]) -> str:
        with self._database.read() as connection:
            row = connection.execute(select(column).where(accounts.c.id == account.id)).first()
        if row is None:
            raise _deleted(account)
        return str(row[0])

    def _hidden(self, text: str) -> str:
        return self._keys.encrypt(text) if text else ""

    def rotate_tokens(self, *, drop_old: bool = False) -> int:
        """Encrypts all secrets anew under the newest key, also those of addresses; returns how many accounts.

        All, or none. With `drop_old` the key file has no other key afterwards. Errors as `token` and `Keys.drop_old`.
        """
        with self._database.write() as connection:
            count = self._rotate(connection)
            record(
                connection,
                self._clock(),
                AuditAction.KEYS_ROTATE,
                WORKSPACE,
                {"accounts": count, "old_key_removed": drop_old},
            )
        if drop_old:
            # Within a transaction of its own, in which nobody else writes: what was written since is looked at, too,
            # and nothing that is not on the disk yet is relied on.
            with self._database.write() as connection:
                self._rotate(connection)
                self._keys.drop_old()
        return count

    def _rotate(self, connection: Connection) -> int:
        hidden = (accounts.c.token, accounts.c.app_secret)
        rows = connection.execute(select(accounts.c.id, accounts.c.name, *hidden)).all()
        for row in rows:
            changes = {"token": self._keys.rotate(row.token, _whose(row.name))}
            if row.app_secret:
                changes["app_secret"] = self._keys.rotate(row.app_secret, _whose(row.name))
            connection.execute(update(accounts).where(accounts.c.id == row.id).values(changes))
        self._rotate_addresses(connection)
        rotate_app(connection, self._keys)
        rotate_destinations(connection, self._keys)
        return len(rows)

    def _rotate_addresses(self, connection: Connection) -> None:
        hidden = notification_addresses.c.url
        for row in connection.execute(select(notification_addresses.c.id, notification_addresses.c.name, hidden)).all():
            url = self._keys.rotate(row.url, phrase("notification address %(name)s", name=repr(row.name)), ADD_AGAIN)
            mine = notification_addresses.c.id == row.id
            connection.execute(update(notification_addresses).where(mine).values(url=url))

    def save_advertisers(self, account: Account, advertisers: Iterable[AdvertiserInfo]) -> None:
        """Takes over the account's whole list as TikTok gave it just now.

        Advertisers that are not on it are marked gone; an empty text leaves what was known.
        """
        now = self._clock()
        given = {advertiser.advertiser_id: advertiser for advertiser in advertisers}
        with self._database.write() as connection:
            _change(connection, account, last_checked_at=now)
            rows = connection.execute(_of(account)).mappings().all()
            stored = {row["advertiser_id"]: dict(row) for row in rows}
            merged = [_merged(stored.get(key, {}), given.get(key)) for key in stored | given]
            connection.execute(delete(account_advertisers).where(account_advertisers.c.account_id == account.id))
            if merged:
                stamp = {"account_id": account.id, "refreshed_at": now}
                connection.execute(insert(account_advertisers), [stamp | row for row in merged])

    def advertisers(self, account: Account) -> tuple[AccountAdvertiser, ...]:
        """The advertisers that the account ever covered, by id, also those that are gone."""
        with self._database.read() as connection:
            rows = connection.execute(_of(account).order_by(account_advertisers.c.advertiser_id)).mappings().all()
        return tuple(AccountAdvertiser(**row) for row in rows)


def _keep_shares(connection: Connection, account: Account) -> None:
    """Writes down what each user has of the account's datasets, as the shares go with the account."""
    everyone = Level(
        connection.execute(select(accounts.c.everyone).where(accounts.c.id == account.id)).scalar() or Level.NONE
    )
    named = (account_shares.c.user_id == users.c.id) & (account_shares.c.account_id == account.id)
    rows = connection.execute(select(users.c.id, account_shares.c.level).outerjoin(account_shares, named)).all()
    levels = {row.id: max(everyone, Level(row.level or Level.NONE)) for row in rows}
    ids = connection.execute(select(datasets.c.id).where(datasets.c.account_id == account.id)).scalars().all()
    shares = [
        {"dataset_id": dataset_id, "user_id": user_id, "level": level}
        for dataset_id in ids
        for user_id, level in levels.items()
        if level is not Level.NONE
    ]
    if shares:
        connection.execute(insert(dataset_shares), shares)


def _account(row: Row[Any]) -> Account:
    values = row._asdict()
    selection = values["selection"]
    values["selection"] = tuple(selection) if selection is not None else None
    scopes = values["scopes"]
    values["scopes"] = tuple(scopes) if scopes is not None else None
    values["status"] = AccountStatus(values["status"])
    return Account(**values)


def _change(connection: Connection, account: Account, **values: object) -> Account:
    statement = update(accounts).where(accounts.c.id == account.id).values(values).returning(*_PUBLIC)
    row = connection.execute(statement).first()
    if row is None:
        raise _deleted(account)
    return _account(row)


def _deleted(account: Account) -> NotFoundError:
    return NotFoundError(phrase("The account %(name)s was deleted meanwhile.", name=repr(account.name)))


def _merged(stored: Mapping[str, Any], given: AdvertiserInfo | None) -> dict[str, Any]:
    if given is None:
        return {**stored, "gone": True}
    facts = {fact: getattr(given, fact) or stored.get(fact, "") for fact in _FACTS}
    return {"advertiser_id": given.advertiser_id, "gone": False, **facts}


def _of(account: Account) -> Select[Any]:
    return select(account_advertisers).where(account_advertisers.c.account_id == account.id)


def _refuse_taken(connection: Connection, name: str, besides: int | None = None) -> None:
    holder = connection.execute(select(accounts.c.id).where(accounts.c.name == name)).scalar()
    if holder is not None and holder != besides:
        raise ExistsError(
            phrase("There is an account %(name)s already; choose another name, or reconnect that one.", name=repr(name))
        )


def _selection(ids: Iterable[str] | None) -> list[str] | None:
    """The ids once each, in the order given."""
    if ids is None:
        return None
    selection = list(dict.fromkeys(ids))
    if not selection:
        raise InputError(phrase("No ad account is selected; select at least one, or all that the account covers."))
    return selection


def _whose(name: str) -> str:
    return f"account {name!r}"
