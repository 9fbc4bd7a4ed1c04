"""Who may do what: the role of a user caps what the sharing of an account allows.

    viewer   looks at accounts that are shared with them, and at the data of their datasets; changes nothing
    editor   connects accounts; does with an account and its datasets what the account's level allows, and everything
             with datasets of their own
    admin    owns every account, and may do everything with every dataset

What a user may not see is not there for them: errors do not name it, either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from adreel.errors import ForbiddenError, InputError, NotFoundError
from adreel.store import Account, Level, Role, Run, SavedDataset, Store, User


class AccountRight(StrEnum):
    """What can be done with an account."""

    SEE = "see"
    USE = "use"
    SHARE = "share"
    EDIT = "edit"
    DELETE = "delete"


class DatasetRight(StrEnum):
    """What can be done with a dataset; `SEE` is also to read its table and its runs."""

    SEE = "see"
    RUN = "run"
    EDIT = "edit"
    DELETE = "delete"


NEEDED: Mapping[AccountRight, Level] = MappingProxyType(
    {
        AccountRight.SEE: Level.READ,
        AccountRight.USE: Level.READ,
        AccountRight.SHARE: Level.SHARE,
        AccountRight.EDIT: Level.EDIT,
        AccountRight.DELETE: Level.OWNER,
    }
)
"""The level of an account that an editor needs for each right."""

NEEDED_OF_ACCOUNT: Mapping[DatasetRight, Level] = MappingProxyType(
    {
        DatasetRight.SEE: Level.READ,
        DatasetRight.RUN: Level.EDIT,
        DatasetRight.EDIT: Level.EDIT,
        DatasetRight.DELETE: Level.EDIT,
    }
)
"""The level of its account that an editor needs for each right with another's dataset."""

VIEWERS = Level.READ
"""What a viewer has of an account at most."""

_Thing = TypeVar("_Thing", Account, SavedDataset)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. Without a `user` it is whoever runs this machine, who may do everything.

    `read_only` is an API token of the user that may only read.
    """

    user: User | None
    read_only: bool = False


class Guard:
    """What one actor may do. It remembers what is shared with them, so it serves one request or one command."""

    def __init__(self, store: Store, actor: Actor) -> None:
        """Looks nothing up yet."""
        self.actor = actor
        self.store = store
        self._levels: dict[int, Level] | None = None
        self._kept: Mapping[int, Level] | None = None

    # -- what there is for the actor

    def account(self, name: str | int, right: AccountRight = AccountRight.SEE) -> Account:
        """The account of that name or id, if the actor has the right.

        NotFoundError if they may not see it, as if it were not there; ForbiddenError if they may see it only.
        """
        found = self._find(self.store.accounts.get, self.accounts, name)
        self.need(right, found)
        return found

    def accounts(self) -> tuple[Account, ...]:
        """The accounts that the actor may see, by name."""
        return tuple(one for one in self.store.accounts.list() if self.may(AccountRight.SEE, one))

    def dataset(self, name: str | int, right: DatasetRight = DatasetRight.SEE) -> SavedDataset:
        """The dataset of that slug, name or id, if the actor has the right; errors as `account` and `Datasets.get`."""
        found = self._find(self.store.datasets.get, self.datasets, name)
        self.need(right, found)
        return found

    def datasets(self) -> tuple[SavedDataset, ...]:
        """The datasets that the actor may see, by name."""
        return tuple(one for one in self.store.datasets.list() if self.may(DatasetRight.SEE, one))

    def run(self, run_id: str, right: DatasetRight = DatasetRight.SEE) -> Run:
        """The run of that id or its beginning, if the actor has the right with its dataset; errors as `account`.

        What is left of a deleted dataset's runs is the administrators'.
        """
        found = self._run(run_id)
        if found.dataset_id is not None:
            self.need(right, self.store.datasets.get(found.dataset_id))
        else:
            self._refuse_reader(right, f"run {found.id}")
        return found

    def _run(self, run_id: str) -> Run:
        if self._unbounded():
            return self.store.runs.get(run_id)
        with suppress(InputError):
            found = self.store.runs.get(run_id)
            dataset_id = found.dataset_id
            if dataset_id is not None and self.may(DatasetRight.SEE, self.store.datasets.get(dataset_id)):
                return found
        return self.store.runs.get(run_id, among=[one.id for one in self.datasets()])

    def level(self, account: Account) -> Level:
        """How far the account is open to the actor, capped by their role."""
        return self._level(account.id)

    # -- what the actor may

    def may(self, right: AccountRight | DatasetRight, thing: Account | SavedDataset) -> bool:
        """Whether the actor has the right."""
        if isinstance(thing, Account):
            assert isinstance(right, AccountRight), "an account has the rights of accounts"
            allowed = self._may_with_account(right, thing)
        else:
            assert isinstance(right, DatasetRight), "a dataset has the rights of datasets"
            allowed = self._may_with_dataset(right, thing)
        return allowed and (right.value == "see" or not self.actor.read_only)

    def need(self, right: AccountRight | DatasetRight, thing: Account | SavedDataset) -> None:
        """Raises ForbiddenError, which says whom to ask, if the actor may not."""
        if not self.may(right, thing):
            kind = "account" if isinstance(thing, Account) else "dataset"
            self._refuse_reader(right, f"{kind} {thing.name!r}")
            raise ForbiddenError(f"{self._name()} cannot {right.value} {kind} {thing.name!r}. Ask {self._whom(thing)}.")

    def need_role(self, *roles: Role, reading: bool = False) -> None:
        """Raises ForbiddenError if the actor has none of the roles.

        So it does for a token that may only read, unless what follows is `reading`.
        """
        user = self.actor.user
        if not reading and self.actor.read_only:
            raise ForbiddenError(_READER)
        if user is None:
            return
        if user.disabled or user.role not in roles:
            words = {Role.ADMIN: "an administrator", Role.EDITOR: "an editor", Role.VIEWER: "a viewer"}
            state = "disabled" if user.disabled else words[user.role]
            wanted = " and ".join(f"{words[role].split()[1]}s" for role in Role if role in roles)
            raise ForbiddenError(f"Only {wanted} can do this. {user.name!r} is {state}. Ask an administrator.")

    def need_level(self, account: Account, wanted: Level, had: Level) -> None:
        """Raises ForbiddenError if the actor may not turn the level that somebody had of the account into another."""
        self.need(AccountRight.SHARE, account)
        own = self.level(account)
        if own < max(wanted, had):
            raise ForbiddenError(
                f"{self._name()} has access level {own} for account {account.name!r} and cannot grant or remove "
                f"{max(wanted, had)}. Ask {self._whom(account)}."
            )

    def forget_levels(self) -> None:
        """Looks up anew what is shared with the actor, after a share was changed."""
        self._levels = None

    def usable(self, name: str) -> Account:
        """The account that a dataset file names, if the actor may use it; the error says which menu is at fault."""
        try:
            return self.account(name, AccountRight.USE)
        except NotFoundError as error:
            raise NotFoundError(f"account: {error.message}") from error

    # -- the rules

    def _may_with_account(self, right: AccountRight, account: Account) -> bool:
        user = self.actor.user
        if user is not None and user.role is Role.VIEWER and right is not AccountRight.SEE:
            return False
        return self._level(account.id) >= NEEDED[right]

    def _may_with_dataset(self, right: DatasetRight, dataset: SavedDataset) -> bool:
        user = self.actor.user
        if user is None or self._unbounded():
            return True
        if user.disabled:
            return False
        own = dataset.owner_id == user.id
        level = self._level(dataset.account_id) if dataset.account_id is not None else self._kept_level(dataset, user)
        enough = own or level >= NEEDED_OF_ACCOUNT[right]
        return enough and (right is DatasetRight.SEE or user.role is Role.EDITOR)

    def _kept_level(self, dataset: SavedDataset, user: User) -> Level:
        """What the user had of a dataset before its account was deleted."""
        if self._kept is None:
            self._kept = self.store.shares.kept(user)
        kept = self._kept.get(dataset.id, Level.NONE)
        return min(kept, VIEWERS) if user.role is Role.VIEWER else kept

    def _unbounded(self) -> bool:
        """Whether the actor may do everything with every account and dataset."""
        user = self.actor.user
        return user is None or (user.role is Role.ADMIN and not user.disabled)

    def _level(self, account_id: int) -> Level:
        user = self.actor.user
        if user is None or self._unbounded():
            return Level.OWNER
        if user.disabled:
            return Level.NONE
        if self._levels is None or account_id not in self._levels:
            # Anew for one that is not known: it may have been connected since.
            self._levels = dict(self.store.shares.of_user(user))
        shared = self._levels.setdefault(account_id, Level.NONE)
        return min(shared, VIEWERS) if user.role is Role.VIEWER else shared

    # -- words

    def _find(self, get: Callable[..., _Thing], seen: Callable[[], Iterable[_Thing]], name: str | int) -> _Thing:
        """What `get` gives of that name, as if there were only what the actor may see."""
        if self._unbounded():
            return get(name)
        with suppress(InputError):
            found = get(name)
            if self.may(AccountRight.SEE if isinstance(found, Account) else DatasetRight.SEE, found):
                return found
        offered = [one.id for one in seen()]
        if not offered:
            kind = "account" if get == self.store.accounts.get else "dataset"
            raise NotFoundError(f"{kind} {name!r} was not found, or it is not shared with you.")
        return get(name, among=offered)

    def _refuse_reader(self, right: AccountRight | DatasetRight, what: str) -> None:
        if self.actor.read_only and right.value != "see":
            raise ForbiddenError(f"{_READER} It cannot {right.value} {what}.")

    def _name(self) -> str:
        return repr(self.actor.user.name) if self.actor.user is not None else "The operator of this machine"

    def _whom(self, thing: Account | SavedDataset) -> str:
        """Who can help: the owners of the account, by name where there are any."""
        if isinstance(thing, Account):
            account: Account | None = thing
        else:
            account = self.store.accounts.get(thing.account_id) if thing.account_id is not None else None
        if account is None:
            return "an administrator"
        owners = [user.name for user, level in self.store.shares.of(account).items() if level is Level.OWNER]
        return " or ".join([*owners[:3], "an administrator"])


_READER = "This API token is read-only."
