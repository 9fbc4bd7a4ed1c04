"""Users: who may sign in, and as what."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from adreel.errors import ExistsError, InputError, NotFoundError
from adreel.language import phrase
from adreel.store.audit import AuditAction, Means, Origin, Subject, record
from adreel.store.database import Database
from adreel.store.names import clean_name, is_id, not_found
from adreel.store.passwords import Passwords
from adreel.store.records import Level, Role, User
from adreel.store.secrets import fingerprint
from adreel.store.tables import account_shares, accounts, api_tokens, metric_presets, saved_queries, sessions, users

LONGEST_NAME = 60

PUBLIC = tuple(users.c[name] for name in ("id", "name", "role", "disabled", "created_at", "seen_at"))
"""The columns of a `User`."""


class Users:
    """The users of one home. Where there are any, one of them at least is an administrator who is not disabled."""

    __slots__ = ("_clock", "_database", "_passwords")

    def __init__(self, database: Database, passwords: Passwords, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._passwords = passwords
        self._clock = clock

    def add(self, name: str, password: str, role: Role) -> User:
        """A new user.

        InputError if the name is taken (in any case) or no name, if the password is no good one (see `Passwords`), and
        if the first user is to be no administrator.
        """
        values = self._new(name, password, role)
        with self._database.write() as connection:
            if role is not Role.ADMIN and not _admins(connection):
                raise InputError(phrase("The first user must be an administrator."))
            user = _add(connection, values)
            record(connection, user.created_at, AuditAction.USER_CREATE, Subject.of(user), {"role": user.role})
            return user

    def add_first(self, name: str, password: str) -> User:
        """The administrator of a home that has no users yet. InputError if there are users, and as `add`."""
        values = self._new(name, password, Role.ADMIN)
        with self._database.write() as connection:
            if _any(connection):
                raise ExistsError(phrase("There are users already; sign in, or ask an administrator to add you."))
            user = _add(connection, values)
            by = Origin.of(user, Means.PAGE)
            record(
                connection, user.created_at, AuditAction.USER_CREATE, Subject.of(user), {"role": user.role}, origin=by
            )
            return user

    def any(self) -> bool:
        """Whether there are users."""
        with self._database.read() as connection:
            return _any(connection)

    def get(self, name: str | int) -> User:
        """The user of that name (in any case), else the one of that id; a number is an id.

        NotFoundError names the nearest.
        """
        with self._database.read() as connection:
            row = _named(connection, name) if isinstance(name, str) else None
            if row is None and is_id(name):
                row = connection.execute(select(*PUBLIC).where(users.c.id == int(name))).first()
            if row is None:
                names = connection.execute(select(users.c.name)).scalars()
                raise not_found("user", str(name), names, phrase("Add a user first."))
        return user_of(row)

    def list(self) -> tuple[User, ...]:
        """All users, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(*PUBLIC).order_by(users.c.name_key)).all()
        return tuple(user_of(row) for row in rows)

    def check(self, name: str, password: str) -> User | None:
        """The user of that name and password, unless disabled; takes as long if there is no such user.

        RetryError if there is no memory for it.
        """
        with self._database.read() as connection:
            row = _named(connection, name, users.c.password)
        if row is None:
            self._passwords.waste(password)
            return None
        if not self._passwords.fits(row.password, password) or row.disabled:
            return None
        if self._passwords.outdated(row.password):
            self._keep_anew(row.id, row.password, password)
        return user_of(row)

    def _keep_anew(self, user_id: int, before: str, password: str) -> None:
        """Hashes a password that is right at today's cost; one that was changed meanwhile stays."""
        now = self._passwords.again(password)
        same = (users.c.id == user_id) & (users.c.password == before)
        with self._database.write() as connection:
            connection.execute(update(users).where(same).values(password=now))

    def set_password(
        self, user: User, password: str, *, keep_tokens: bool = False, besides: str | None = None
    ) -> tuple[int, int]:
        """Another password, which ends the user's sessions, and API tokens unless they are to be kept.

        The session whose secret is `besides` goes on. Returns how many sessions and tokens ended. InputError as `add`.
        """
        hashed = self._passwords.hashed(password, user.name)
        others = sessions.c.user_id == user.id
        if besides is not None:
            others &= sessions.c.secret_hash != fingerprint(besides)
        with self._database.write() as connection:
            _change(connection, user, password=hashed)
            browsers = connection.execute(delete(sessions).where(others)).rowcount
            mine = api_tokens.c.user_id == user.id
            tokens = 0 if keep_tokens else connection.execute(delete(api_tokens).where(mine)).rowcount
            ended = {"browsers_signed_out": browsers, "tokens_revoked": tokens}
            record(connection, self._clock(), AuditAction.USER_PASSWORD, Subject.of(user), ended)
        return browsers, tokens

    def set_role(self, user: User, role: Role) -> User:
        """The user in another role. InputError if no administrator would be left."""
        with self._database.write() as connection:
            if role is not Role.ADMIN:
                _refuse_last_admin(connection, user)
            changed = _change(connection, user, role=role)
            details = {"before": user.role, "after": changed.role}
            record(connection, self._clock(), AuditAction.USER_ROLE, Subject.of(changed), details)
            return changed

    def disable(self, user: User) -> User:
        """The user locked out, with every session ended; what they own stays. InputError as `set_role`."""
        with self._database.write() as connection:
            _refuse_last_admin(connection, user)
            connection.execute(delete(sessions).where(sessions.c.user_id == user.id))
            record(connection, self._clock(), AuditAction.USER_DISABLE, Subject.of(user))
            return _change(connection, user, disabled=True)

    def enable(self, user: User) -> User:
        """The user let in again; their API tokens work again, too."""
        with self._database.write() as connection:
            record(connection, self._clock(), AuditAction.USER_ENABLE, Subject.of(user))
            return _change(connection, user, disabled=False)

    def delete(self, user: User, *, heir: User | None = None) -> None:
        """Forgets the user with their sessions, tokens, shares, own presets and private queries.

        Their datasets and shared presets stay, and have no owner then.

        `heir` becomes an owner of the accounts that nobody else owns. InputError if there are such accounts and no
        heir, if the heir cannot own accounts, and as `set_role`.
        """
        with self._database.write() as connection:
            _refuse_last_admin(connection, user)
            alone = _owned_alone(connection, user)
            if alone:
                _hand_over(connection, user, alone, heir)
            # What the user shared stays for the others; their own presets go.
            shared = (metric_presets.c.user_id == user.id) & metric_presets.c.shared
            connection.execute(update(metric_presets).where(shared).values(user_id=None))
            private = saved_queries.c.user_id == user.id, ~saved_queries.c.shared
            connection.execute(delete(saved_queries).where(*private))
            if not connection.execute(delete(users).where(users.c.id == user.id)).rowcount:
                raise _deleted(user)
            heir_name = heir.name if heir is not None and alone else None
            record(connection, self._clock(), AuditAction.USER_DELETE, Subject.of(user), {"heir": heir_name})

    def _new(self, name: str, password: str, role: Role) -> dict[str, Any]:
        name = clean_name(name, phrase("a user"), LONGEST_NAME)
        # Outside of a transaction, which others would have to wait for.
        hashed = self._passwords.hashed(password, name)
        stamp = {"role": role, "disabled": False, "created_at": self._clock()}
        return {"name": name, "name_key": name_key(name), "password": hashed, **stamp}


def name_key(name: str) -> str:
    """A user's name as it is compared: names that differ only in case or spaces are one."""
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()


def user_of(row: Any) -> User:
    """The record of a row that has the columns `PUBLIC`."""
    values = {column.name: getattr(row, column.name) for column in PUBLIC}
    return User(**{**values, "role": Role(values["role"])})


def _any(connection: Connection) -> bool:
    return bool(connection.execute(select(exists(select(users.c.id)))).scalar())


def _named(connection: Connection, name: str, *more: Any) -> Row[Any] | None:
    if not name.isprintable():
        return None
    return connection.execute(select(*PUBLIC, *more).where(users.c.name_key == name_key(name))).first()


def _add(connection: Connection, values: dict[str, Any]) -> User:
    if connection.execute(select(users.c.id).where(users.c.name_key == values["name_key"])).first():
        raise ExistsError(phrase("There is a user %(name)s already; choose another name.", name=repr(values["name"])))
    return user_of(connection.execute(insert(users).values(values).returning(*PUBLIC)).one())


def _change(connection: Connection, user: User, **values: object) -> User:
    row = connection.execute(update(users).where(users.c.id == user.id).values(values).returning(*PUBLIC)).first()
    if row is None:
        raise _deleted(user)
    return user_of(row)


def _deleted(user: User) -> NotFoundError:
    return NotFoundError(phrase("The user %(name)s was deleted meanwhile.", name=repr(user.name)))


def _admins(connection: Connection) -> set[int]:
    """The ids of the administrators who are not disabled."""
    able = (users.c.role == Role.ADMIN) & ~users.c.disabled
    return set(connection.execute(select(users.c.id).where(able)).scalars())


def _refuse_last_admin(connection: Connection, user: User) -> None:
    if _admins(connection) == {user.id}:
        raise InputError(
            phrase(
                "%(name)s is the last administrator who can sign in and must stay one; make another user "
                "an administrator first.",
                name=repr(user.name),
            )
        )


def _owned_alone(connection: Connection, user: User) -> dict[int, str]:
    """The accounts of which the user is the only owner: their names, by id."""
    owners = account_shares.c.level == Level.OWNER
    alone = (
        select(account_shares.c.account_id)
        .where(owners)
        .group_by(account_shares.c.account_id)
        .having(func.count() == 1, func.max(account_shares.c.user_id) == user.id)
    )
    rows = connection.execute(select(accounts.c.id, accounts.c.name).where(accounts.c.id.in_(alone))).all()
    return {row.id: row.name for row in sorted(rows, key=lambda row: row.name)}


def _hand_over(connection: Connection, user: User, alone: dict[int, str], heir: User | None) -> None:
    names = ", ".join(alone.values())
    if heir is None:
        raise InputError(
            phrase(
                "%(name)s is the only owner of %(accounts)s; name a user who takes over, or add another owner first.",
                name=repr(user.name),
                accounts=names,
            )
        )
    row = connection.execute(select(*PUBLIC).where(users.c.id == heir.id)).first()
    if row is None:
        raise _deleted(heir)
    if heir.id == user.id or not can_own(user_of(row)):
        raise InputError(
            phrase(
                "%(name)s cannot take over %(accounts)s; name another user, an editor or an administrator.",
                name=repr(heir.name),
                accounts=names,
            )
        )
    rows = [{"account_id": account_id, "user_id": heir.id, "level": Level.OWNER} for account_id in alone]
    own = (account_shares.c.user_id == heir.id) & account_shares.c.account_id.in_(alone)
    connection.execute(delete(account_shares).where(own))
    connection.execute(insert(account_shares), rows)


def can_own(user: User) -> bool:
    """Whether the user could do with an account what its owner has to."""
    return not user.disabled and user.role is not Role.VIEWER
