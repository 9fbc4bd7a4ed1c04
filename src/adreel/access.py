"""The rights of users: the role of a user limits the access level that an account is shared with.

    viewer   views shared accounts and the data of their datasets; changes nothing
    editor   connects accounts; has the rights of the access level with an account and its datasets, and every right
             with their own datasets
    admin    owns every account, and has every right with every dataset

Accounts and datasets that a user may not see count as not found; errors do not reveal them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import TypeVar

from adreel.errors import ForbiddenError, InputError, NotFoundError
from adreel.language import Phrase, either, listed, phrase
from adreel.settings import Settings
from adreel.store import Account, Level, Role, Run, SavedDataset, Store, User


class RoleRight(Enum):
    """A right that follows from the role alone; its value completes "Only administrators can"."""

    CONNECT = Phrase("connect accounts")
    CREATE = Phrase("create datasets")
    DUPLICATE = Phrase("duplicate datasets")
    IMPORT = Phrase("import datasets")
    PREVIEW = Phrase("preview unsaved datasets")
    SAVE_QUERIES = Phrase("save queries")
    SHARE_QUERIES = Phrase("share saved queries")
    BULK = Phrase("run, tag or delete datasets")
    SAVE_PRESETS = Phrase("save, change or delete metric presets")
    SHARE_LINKS = Phrase("share tables by link")
    SHARE_VIEWS = Phrase("share saved views")
    CHANGE_SELF = Phrase("change a password or revoke API tokens")
    KEEP_VIEWS = Phrase("save views")
    KEEP_DASHBOARDS = Phrase("change dashboards")
    VIEW_USERS = Phrase("view users")
    CREATE_USERS = Phrase("create users")
    CHANGE_USERS = Phrase("change users")
    DELETE_USERS = Phrase("delete users")
    VIEW_SETTINGS = Phrase("view workspace settings")
    CHANGE_WORKSPACE = Phrase("change workspace settings")
    VIEW_DESTINATIONS = Phrase("view destinations")
    CHANGE_DESTINATIONS = Phrase("add, test or delete destinations")
    ROTATE_KEYS = Phrase("rotate encryption keys")
    VIEW_AUDIT = Phrase("view the audit log")
    VIEW_RETENTION = Phrase("view the retention policy")
    CHANGE_RETENTION = Phrase("change the retention policy")
    PRUNE = Phrase("delete what the retention policy does not keep")
    BACK_UP = Phrase("back up the home")


class AccountRight(StrEnum):
    """A right with an account."""

    SEE = "see"
    USE = "use"
    SHARE = "share"
    EDIT = "edit"
    DELETE = "delete"


class DatasetRight(StrEnum):
    """A right with a dataset; `SEE` includes its table and its runs."""

    SEE = "see"
    RUN = "run"
    RESTORE = "restore"
    EDIT = "edit"
    DELETE = "delete"


EDITORS = frozenset({Role.ADMIN, Role.EDITOR})

ROLES: Mapping[RoleRight, frozenset[Role]] = MappingProxyType(
    {
        RoleRight.CONNECT: EDITORS,
        RoleRight.CREATE: EDITORS,
        RoleRight.DUPLICATE: EDITORS,
        RoleRight.IMPORT: EDITORS,
        RoleRight.PREVIEW: EDITORS,
        RoleRight.SAVE_QUERIES: frozenset(Role),
        RoleRight.SHARE_QUERIES: EDITORS,
        RoleRight.BULK: EDITORS,
        RoleRight.SAVE_PRESETS: EDITORS,
        RoleRight.SHARE_LINKS: EDITORS,
        RoleRight.SHARE_VIEWS: EDITORS,
        RoleRight.CHANGE_SELF: frozenset(Role),
        RoleRight.KEEP_VIEWS: frozenset(Role),
        RoleRight.KEEP_DASHBOARDS: frozenset(Role),
        RoleRight.VIEW_USERS: frozenset({Role.ADMIN}),
        RoleRight.CREATE_USERS: frozenset({Role.ADMIN}),
        RoleRight.CHANGE_USERS: frozenset({Role.ADMIN}),
        RoleRight.DELETE_USERS: frozenset({Role.ADMIN}),
        RoleRight.VIEW_SETTINGS: frozenset({Role.ADMIN}),
        RoleRight.CHANGE_WORKSPACE: frozenset({Role.ADMIN}),
        RoleRight.VIEW_DESTINATIONS: EDITORS,
        RoleRight.CHANGE_DESTINATIONS: frozenset({Role.ADMIN}),
        RoleRight.ROTATE_KEYS: frozenset({Role.ADMIN}),
        RoleRight.VIEW_AUDIT: frozenset({Role.ADMIN}),
        RoleRight.VIEW_RETENTION: frozenset({Role.ADMIN}),
        RoleRight.CHANGE_RETENTION: frozenset({Role.ADMIN}),
        RoleRight.PRUNE: frozenset({Role.ADMIN}),
        RoleRight.BACK_UP: frozenset({Role.ADMIN}),
    }
)
"""The roles that have each right."""

READING = frozenset(
    {
        RoleRight.VIEW_USERS,
        RoleRight.VIEW_SETTINGS,
        RoleRight.VIEW_AUDIT,
        RoleRight.VIEW_RETENTION,
        RoleRight.VIEW_DESTINATIONS,
    }
)
"""The rights that a read-only token has too, if its user has them."""

NEEDED: Mapping[AccountRight, Level] = MappingProxyType(
    {
        AccountRight.SEE: Level.READ,
        AccountRight.USE: Level.READ,
        AccountRight.SHARE: Level.SHARE,
        AccountRight.EDIT: Level.EDIT,
        AccountRight.DELETE: Level.OWNER,
    }
)
"""The minimum access level that an editor needs for each right with an account."""

NEEDED_OF_ACCOUNT: Mapping[DatasetRight, Level] = MappingProxyType(
    {
        DatasetRight.SEE: Level.READ,
        DatasetRight.RUN: Level.EDIT,
        DatasetRight.RESTORE: Level.EDIT,
        DatasetRight.EDIT: Level.EDIT,
        DatasetRight.DELETE: Level.EDIT,
    }
)
"""The minimum access level for its account that an editor needs for each right with another user's dataset."""

VIEWERS = Level.READ
"""The highest access level of a viewer."""

_Resource = TypeVar("_Resource", Account, SavedDataset)


@dataclass(frozen=True, slots=True)
class Actor:
    """The user who acts; None is the operator of this machine, who has every right.

    `read_only`: the user acts by an API token that may only read.
    """

    user: User | None
    read_only: bool = False


class Guard:
    """The rights of an actor. It caches access levels, so it is for a single request or command."""

    def __init__(self, store: Store, actor: Actor) -> None:
        """The access levels are read from the store when they are first needed."""
        self.actor = actor
        self.store = store
        self._levels: dict[int, Level] | None = None
        self._kept: Mapping[int, Level] | None = None

    # -- accounts, datasets and runs of the actor

    def account(self, name: str | int, right: AccountRight = AccountRight.SEE) -> Account:
        """The account of that name or id, if the actor has the right.

        Raises NotFoundError if they may not see it, ForbiddenError if they may see it without having the right.
        """
        account = self._find(self.store.accounts.get, self.accounts, name)
        self.need(right, account)
        return account

    def accounts(self) -> tuple[Account, ...]:
        """The accounts that the actor may see, by name."""
        return tuple(account for account in self.store.accounts.list() if self.may(AccountRight.SEE, account))

    def dataset(self, name: str | int, right: DatasetRight = DatasetRight.SEE) -> SavedDataset:
        """The dataset of that slug, name or id, if the actor has the right; errors as `account` and `Datasets.get`."""
        dataset = self._find(self.store.datasets.get, self.datasets, name)
        self.need(right, dataset)
        return dataset

    def datasets(self) -> tuple[SavedDataset, ...]:
        """The datasets that the actor may see, by name."""
        return tuple(dataset for dataset in self.store.datasets.list() if self.may(DatasetRight.SEE, dataset))

    def run(self, run_id: str, right: DatasetRight = DatasetRight.SEE) -> Run:
        """The run of that id or its beginning, if the actor has the right with its dataset; errors as `account`.

        Runs of deleted datasets belong to administrators.
        """
        run = self._run(run_id)
        if run.dataset_id is not None:
            self.need(right, self.store.datasets.get(run.dataset_id))
        else:
            self._refuse_read_only(right, phrase(_WITH_RUNS[right], run=run.id))
        return run

    def _run(self, run_id: str) -> Run:
        if self._unbounded():
            return self.store.runs.get(run_id)
        with suppress(InputError):
            run = self.store.runs.get(run_id)
            if run.dataset_id is not None and self.may(DatasetRight.SEE, self.store.datasets.get(run.dataset_id)):
                return run
        return self.store.runs.get(run_id, among=[dataset.id for dataset in self.datasets()])

    def level(self, account: Account) -> Level:
        """The access level of the actor for the account, limited by their role."""
        return self._level(account.id)

    # -- rights of the actor

    def may(self, right: AccountRight | DatasetRight, resource: Account | SavedDataset) -> bool:
        """Whether the actor has the right."""
        if isinstance(resource, Account):
            assert isinstance(right, AccountRight), "an account has the rights of accounts"
            allowed = self._may_with_account(right, resource)
        else:
            assert isinstance(right, DatasetRight), "a dataset has the rights of datasets"
            allowed = self._may_with_dataset(right, resource)
        return allowed and (right.value == "see" or not self.actor.read_only)

    def need(self, right: AccountRight | DatasetRight, resource: Account | SavedDataset) -> None:
        """Raises ForbiddenError, which names users to ask, if the actor does not have the right."""
        if not self.may(right, resource):
            words = _words_of(right)
            action = phrase(words.singular, name=repr(resource.name))
            self._refuse_read_only(right, action)
            self._refuse_role(words.plural, EDITORS)
            raise ForbiddenError(self._lack(right, resource, action))

    def need_role(self, right: RoleRight) -> None:
        """Raises ForbiddenError if the actor's role does not have the right.

        A read-only token is refused as well, except for the rights of `READING`.
        """
        if self.actor.read_only and right not in READING:
            raise _read_only(right.value)
        self._refuse_role(right.value, ROLES[right])

    def may_role(self, right: RoleRight) -> bool:
        """Whether the actor's role has the right; a read-only token has those of `READING`."""
        user = self.actor.user
        has_role = user is None or (user.role in ROLES[right] and not user.disabled)
        return has_role and (right in READING or not self.actor.read_only)

    def need_level(self, account: Account, new: Level, old: Level) -> None:
        """Raises ForbiddenError if the actor may not change a user's access level for the account from old to new."""
        self.need(AccountRight.SHARE, account)
        own = self.level(account)
        if own < max(new, old):
            raise ForbiddenError(
                phrase(
                    "%(user)s has access level %(own)s for account %(account)s and cannot grant or remove "
                    "access level %(new)s. Ask %(owners)s.",
                    user=self._name(),
                    own=own,
                    account=repr(account.name),
                    new=max(new, old),
                    owners=self._owners(account),
                )
            )

    def forget_levels(self) -> None:
        """Clears the cached access levels, after a share was changed."""
        self._levels = None

    def usable(self, name: str) -> Account:
        """The account of a dataset file, if the actor may use it. Errors as `account`."""
        return self.account(name, AccountRight.USE)

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
        """The access level of the user before the account of the dataset was deleted."""
        if self._kept is None:
            self._kept = self.store.shares.kept(user)
        kept = self._kept.get(dataset.id, Level.NONE)
        return min(kept, VIEWERS) if user.role is Role.VIEWER else kept

    def _unbounded(self) -> bool:
        """Whether the actor has every right with every account and dataset."""
        user = self.actor.user
        return user is None or (user.role is Role.ADMIN and not user.disabled)

    def _level(self, account_id: int) -> Level:
        user = self.actor.user
        if user is None or self._unbounded():
            return Level.OWNER
        if user.disabled:
            return Level.NONE
        if self._levels is None or account_id not in self._levels:
            # Read again for an unknown account, which may have been connected since.
            self._levels = dict(self.store.shares.of_user(user))
        shared = self._levels.setdefault(account_id, Level.NONE)
        return min(shared, VIEWERS) if user.role is Role.VIEWER else shared

    # -- errors

    def _find(
        self, get: Callable[..., _Resource], visible: Callable[[], Iterable[_Resource]], name: str | int
    ) -> _Resource:
        """The account or dataset of that name among those that are `visible` to the actor."""
        if self._unbounded():
            return get(name)
        with suppress(InputError):
            resource = get(name)
            if self.may(AccountRight.SEE if isinstance(resource, Account) else DatasetRight.SEE, resource):
                return resource
        visible_ids = [resource.id for resource in visible()]
        if not visible_ids:
            if get == self.store.accounts.get:
                words = phrase("Account %(name)s was not found, or it is not shared with you.", name=repr(name))
                raise NotFoundError(words, kind="account")
            words = phrase("Dataset %(name)s was not found, or it is not shared with you.", name=repr(name))
            raise NotFoundError(words, kind="dataset")
        return get(name, among=visible_ids)

    def _refuse_read_only(self, right: AccountRight | DatasetRight, action: str) -> None:
        if self.actor.read_only and right.value != "see":
            raise _read_only(action)

    def _refuse_role(self, action: str, roles: frozenset[Role]) -> None:
        """Raises ForbiddenError if the actor is disabled or has none of the roles."""
        user = self.actor.user
        if user is None or (user.role in roles and not user.disabled):
            return
        words = (
            Phrase(
                "Only %(allowed)s can %(action)s. %(user)s is disabled. Ask an administrator (%(admins)s) to enable "
                "the user."
            )
            if user.disabled
            else Phrase(
                "Only %(allowed)s can %(action)s. %(user)s is %(role)s. Ask an administrator (%(admins)s) to change "
                "this role."
            )
        )
        admins = [admin.name for admin in self.store.users.list() if admin.role is Role.ADMIN and not admin.disabled]
        raise ForbiddenError(
            phrase(
                words,
                allowed=listed(_ROLE_NAMES[role].plural for role in Role if role in roles),
                action=action,
                user=user.name,
                role=_ROLE_NAMES[user.role].singular,
                admins=", ".join(admins[:3]),
            )
        )

    def _lack(self, right: AccountRight | DatasetRight, resource: Account | SavedDataset, action: str) -> str:
        """Why an editor cannot do that: the level that they have and need, and users who can grant it."""
        if isinstance(right, AccountRight):
            assert isinstance(resource, Account), "an account has the rights of accounts"
            return phrase(
                "%(user)s cannot %(action)s with access level %(level)s. Ask %(owners)s for access level %(needed)s.",
                user=self._name(),
                action=action,
                level=self.level(resource),
                owners=self._owners(resource),
                needed=NEEDED[right],
            )
        assert isinstance(resource, SavedDataset), "a dataset has the rights of datasets"
        if resource.account_id is None:
            return phrase(
                "%(user)s cannot %(action)s, whose account was deleted. Ask an administrator.",
                user=self._name(),
                action=action,
            )
        return phrase(
            "%(user)s cannot %(action)s with access level %(level)s for account %(account)s. Ask %(owners)s for access "
            "level %(needed)s.",
            user=self._name(),
            action=action,
            level=self._level(resource.account_id),
            account=repr(resource.account_name),
            owners=self._owners(resource),
            needed=NEEDED_OF_ACCOUNT[right],
        )

    def _name(self) -> str:
        return self.actor.user.name if self.actor.user is not None else phrase("The operator of this machine")

    def _owners(self, resource: Account | SavedDataset) -> str:
        """The users to ask for a right: the first owners of the account by name, or an administrator."""
        if isinstance(resource, Account):
            account: Account | None = resource
        else:
            account = self.store.accounts.get(resource.account_id) if resource.account_id is not None else None
        if account is None:
            return phrase("an administrator")
        owners = [user.name for user, level in self.store.shares.of(account).items() if level is Level.OWNER]
        return either([*owners[:3], phrase("an administrator")])


def _read_only(action: str) -> ForbiddenError:
    return ForbiddenError(
        phrase(
            "This API token is read-only. It cannot %(action)s. Create a token with full access in your profile.",
            action=action,
        )
    )


@dataclass(frozen=True, slots=True)
class _ActionName:
    """Words for one, and for several; what is done to one has a place for its name."""

    singular: Phrase
    plural: Phrase


_ROLE_NAMES = {
    Role.ADMIN: _ActionName(Phrase("an administrator"), Phrase("administrators")),
    Role.EDITOR: _ActionName(Phrase("an editor"), Phrase("editors")),
    Role.VIEWER: _ActionName(Phrase("a viewer"), Phrase("viewers")),
}


def _words_of(right: AccountRight | DatasetRight) -> _ActionName:
    # Rights of both kinds with one value are equal.
    return _WITH_ACCOUNTS[right] if isinstance(right, AccountRight) else _WITH_DATASETS[right]


_WITH_ACCOUNTS = {
    AccountRight.SEE: _ActionName(Phrase("see account %(name)s"), Phrase("see accounts")),
    AccountRight.USE: _ActionName(
        Phrase("use account %(name)s"), Phrase("use accounts for estimates, previews and datasets")
    ),
    AccountRight.SHARE: _ActionName(Phrase("share account %(name)s"), Phrase("share accounts")),
    AccountRight.EDIT: _ActionName(Phrase("edit account %(name)s"), Phrase("edit accounts")),
    AccountRight.DELETE: _ActionName(Phrase("delete account %(name)s"), Phrase("delete accounts")),
}

_WITH_DATASETS = {
    DatasetRight.SEE: _ActionName(Phrase("see dataset %(name)s"), Phrase("see datasets")),
    DatasetRight.RUN: _ActionName(Phrase("run dataset %(name)s"), Phrase("run datasets")),
    # What a restore brings back is a version of the dataset's table.
    DatasetRight.RESTORE: _ActionName(
        Phrase("restore versions of dataset %(name)s"), Phrase("restore versions of datasets")
    ),
    DatasetRight.EDIT: _ActionName(Phrase("edit dataset %(name)s"), Phrase("edit datasets")),
    DatasetRight.DELETE: _ActionName(Phrase("delete dataset %(name)s"), Phrase("delete datasets")),
}

_WITH_RUNS = {
    DatasetRight.SEE: Phrase("see run %(run)s"),
    DatasetRight.RUN: Phrase("run run %(run)s"),
    DatasetRight.RESTORE: Phrase("restore run %(run)s"),
    DatasetRight.EDIT: Phrase("edit run %(run)s"),
    DatasetRight.DELETE: Phrase("delete run %(run)s"),
}


def guard_of(settings: Settings, store: Store) -> Guard:
    """The rights of the user in ADREEL_USER, or of the operator of this machine, who may do everything.

    Raises NotFoundError for an unknown user, ForbiddenError for a disabled one.
    """
    if not settings.user:
        return Guard(store, Actor(None))
    try:
        user = store.users.get(settings.user)
    except NotFoundError as error:
        raise NotFoundError(f"ADREEL_USER: {error.message}") from error
    if user.disabled:
        raise ForbiddenError(f"ADREEL_USER: user {user.name!r} is disabled. Ask an administrator.")
    return Guard(store, Actor(user))
