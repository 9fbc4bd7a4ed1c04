"""Who may do what: every role, level and right against a table written by hand, and the same on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel import sharing
from adreel.access import AccountRight, Actor, DatasetRight, Guard, RoleRight
from adreel.datasets import service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.validation import parse
from adreel.errors import AdreelError, ExitCode, ForbiddenError, InputError, NotFoundError
from adreel.store import Account, Level, Role, RunState, SavedDataset, Store, User, new_run_id
from home import Home
from people import PASSWORD, START, Clock, add_account, add_dataset, add_user, open_people

TABLE = """
role     level   account                      another's dataset            own dataset

admin    none    see use share edit delete    see run restore edit delete  see run restore edit delete
admin    read    see use share edit delete    see run restore edit delete  see run restore edit delete
admin    share   see use share edit delete    see run restore edit delete  see run restore edit delete
admin    edit    see use share edit delete    see run restore edit delete  see run restore edit delete
admin    owner   see use share edit delete    see run restore edit delete  see run restore edit delete

editor   none    -                            -                            see run restore edit delete
editor   read    see use                      see                          see run restore edit delete
editor   share   see use share                see                          see run restore edit delete
editor   edit    see use share edit           see run restore edit delete  see run restore edit delete
editor   owner   see use share edit delete    see run restore edit delete  see run restore edit delete

viewer   none    -                            -                            see
viewer   read    see                          see                          see
viewer   share   see                          see                          see
viewer   edit    see                          see                          see
viewer   owner   see                          see                          see
"""


def words(text: str) -> set[str]:
    return set(text.split()) - {"-"}


def table() -> dict[tuple[Role, Level], tuple[set[str], set[str], set[str]]]:
    """The rights with an account, with another's dataset of it and with one's own, by role and level."""
    rights = {}
    for line in TABLE.splitlines()[2:]:
        if line:
            role, level = Role(line[:9].strip()), Level(line[9:17].strip())
            rights[role, level] = (words(line[17:46]), words(line[46:75]), words(line[75:]))
    return rights


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_folder: Path, clock: Clock) -> Iterator[Store]:
    with open_people(store_folder, clock) as opened:
        yield opened


@dataclass
class Scene:
    """An account of somebody else's, with a dataset of somebody else's and one of Ute's, whom the test is about."""

    store: Store
    account: Account
    other: SavedDataset
    own: SavedDataset
    ute: User

    def guard(self, *, read_only: bool = False) -> Guard:
        return Guard(self.store, Actor(self.store.users.get("Ute"), read_only))


def scene(store: Store, role: Role = Role.EDITOR, level: Level = Level.NONE, *, everyone: bool = False) -> Scene:
    owner, ute = add_user(store, "Oda"), add_user(store, "Ute")
    account = add_account(store, "shop", owner)
    other = add_dataset(store, account, "Theirs", owner)
    own = add_dataset(store, account, "Mine", ute)
    if everyone:
        store.shares.set_everyone(account, level)
    else:
        store.shares.set(account, ute, level)
    return Scene(store, account, other, own, store.users.set_role(ute, role))


def rights_with_account(guard: Guard, account: Account) -> set[str]:
    """The rights that hold, asked in every way that there is; the ways have to agree."""
    allowed = set()
    for right in AccountRight:
        try:
            assert guard.account(account.name, right) == guard.account(account.id, right) == account
            allowed.add(right.value)
        except NotFoundError:
            assert not guard.may(AccountRight.SEE, account)
        except ForbiddenError:
            assert guard.may(AccountRight.SEE, account)
    assert allowed == {right.value for right in AccountRight if guard.may(right, account)}
    assert (account in guard.accounts()) is ("see" in allowed)
    return allowed


def rights_with_dataset(guard: Guard, saved: SavedDataset) -> set[str]:
    allowed = set()
    for right in DatasetRight:
        try:
            assert guard.dataset(saved.name, right) == guard.dataset(saved.id, right) == saved
            allowed.add(right.value)
        except NotFoundError:
            assert not guard.may(DatasetRight.SEE, saved)
        except ForbiddenError:
            assert guard.may(DatasetRight.SEE, saved)
    assert allowed == {right.value for right in DatasetRight if guard.may(right, saved)}
    assert (saved in guard.datasets()) is ("see" in allowed)
    return allowed


# The table

CASES = [
    (database, role, level)
    for role, level in table()
    for database in ("sqlite", "postgres")
    if database == "sqlite" or role is Role.EDITOR
]
"""Each row of the table in a file, and an editor's in Postgres, too: what a role is worth is no database's business."""


def test_the_table_has_every_role_at_every_level() -> None:
    assert set(table()) == set(product(Role, Level))


@pytest.mark.slow
@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize(("database_url", "role", "level"), CASES, indirect=["database_url"])
def test_every_right_is_as_the_table_has_it_and_changes_in_no_dataset_whose_account_is_deleted(
    store: Store, role: Role, level: Level, everyone: bool
) -> None:
    setting = scene(store, role, level, everyone=everyone and level is not Level.OWNER)
    account, another, own = table()[role, level]
    assert rights_with_account(setting.guard(), setting.account) == account
    assert rights_with_dataset(setting.guard(), setting.other) == another
    assert rights_with_dataset(setting.guard(), setting.own) == own
    check_reading_token(setting, account, another, own)
    store.accounts.delete(setting.account)
    other, mine = store.datasets.get(setting.other.id), store.datasets.get(setting.own.id)
    assert rights_with_dataset(setting.guard(), other) == another
    assert rights_with_dataset(setting.guard(), mine) == own
    late = Guard(store, Actor(add_user(store, "Late")))
    assert rights_with_dataset(late, other) == rights_with_dataset(late, mine) == set()


def check_reading_token(setting: Scene, account: set[str], another: set[str], own: set[str]) -> None:
    """A token that may only read has the right to see, and no other."""
    guard = setting.guard(read_only=True)
    assert rights_with_account(guard, setting.account) == account & {"see"}
    assert rights_with_dataset(guard, setting.other) == another & {"see"}
    assert rights_with_dataset(guard, setting.own) == own & {"see"}
    if own:
        with pytest.raises(ForbiddenError, match="API token is read-only"):
            guard.dataset("Mine", DatasetRight.RUN)


@pytest.mark.parametrize(("by_name", "to_all"), [(Level.READ, Level.EDIT), (Level.EDIT, Level.READ)])
def test_the_higher_of_a_users_and_everyones_level_counts(store: Store, by_name: Level, to_all: Level) -> None:
    setting = scene(store, Role.EDITOR, by_name)
    store.shares.set_everyone(setting.account, to_all)
    assert setting.guard().level(setting.account) is Level.EDIT
    assert store.shares.of_user(setting.ute) == {setting.account.id: Level.EDIT}


def test_a_new_account_replaces_the_rights_of_the_deleted_one(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.EDIT)
    store.accounts.delete(setting.account)
    store.datasets.update(setting.other, account=add_account(store, "shop 2"))
    assert rights_with_dataset(setting.guard(), store.datasets.get(setting.other.id)) == set()
    store.accounts.delete(store.accounts.get("shop 2"))
    assert rights_with_dataset(setting.guard(), store.datasets.get(setting.other.id)) == set()


@pytest.mark.parametrize("role", Role)
def test_a_disabled_user_has_no_rights(store: Store, role: Role) -> None:
    setting = scene(store, role, Level.OWNER)
    store.users.disable(setting.ute)
    guard = setting.guard()
    assert rights_with_account(guard, setting.account) == set()
    assert rights_with_dataset(guard, setting.other) == rights_with_dataset(guard, setting.own) == set()
    with pytest.raises(ForbiddenError, match="disabled"):
        guard.need_role(RoleRight.CHANGE_SELF)


def test_the_operator_of_the_machine_may_do_everything(store: Store) -> None:
    setting = scene(store)
    guard = Guard(store, Actor(None))
    assert rights_with_account(guard, setting.account) == set(AccountRight)
    assert rights_with_dataset(guard, setting.other) == set(DatasetRight)
    assert guard.level(setting.account) is Level.OWNER
    guard.need_role(RoleRight.ROTATE_KEYS)


@pytest.mark.parametrize("role", Role)
def test_the_role_caps_the_level(store: Store, role: Role) -> None:
    setting = scene(store, role, Level.OWNER)
    assert setting.guard().level(setting.account) is {Role.VIEWER: Level.READ}.get(role, Level.OWNER)
    store.shares.set(setting.account, setting.ute, Level.NONE)
    assert setting.guard().level(setting.account) is {Role.ADMIN: Level.OWNER}.get(role, Level.NONE)


def test_levels_compare_by_what_they_allow() -> None:
    assert sorted(Level, reverse=True) == [Level.OWNER, Level.EDIT, Level.SHARE, Level.READ, Level.NONE]
    assert max(Level.SHARE, Level.READ) is Level.SHARE
    for level, other in product(Level, Level):
        assert (level < other, level <= other) == (level.rank < other.rank, level.rank <= other.rank)
        assert (level > other, level >= other) == (level.rank > other.rank, level.rank >= other.rank)
    assert all(option.meaning.endswith(".") for option in (*Level, *Role))


def test_a_right_needs_a_role_and_for_a_reader_only_where_something_is_read(store: Store) -> None:
    ute = scene(store).ute
    Guard(store, Actor(ute)).need_role(RoleRight.CREATE)
    refusal = r"Only administrators can delete users\. Ute is an editor\. Ask an administrator \(Ada\) to change"
    with pytest.raises(ForbiddenError, match=refusal):
        Guard(store, Actor(ute)).need_role(RoleRight.DELETE_USERS)
    reader = Guard(store, Actor(ute, read_only=True))
    with pytest.raises(ForbiddenError, match=r"read-only\. It cannot create datasets\. Create a token"):
        reader.need_role(RoleRight.CREATE)
    with pytest.raises(ForbiddenError, match="Only administrators can view users"):
        reader.need_role(RoleRight.VIEW_USERS)
    Guard(store, Actor(store.users.get("Ada"), read_only=True)).need_role(RoleRight.VIEW_USERS)


# What errors give away


def test_hidden_items_are_not_found_and_not_named(store: Store) -> None:
    setting = scene(store)
    guard = setting.guard()
    with pytest.raises(NotFoundError, match=r"Account 'shop' was not found, or it is not shared with you\."):
        guard.account("shop")
    with pytest.raises(NotFoundError, match=r"Dataset 'Theirs' was not found\.$"):
        guard.dataset("Theirs")
    add_account(store, "shop 2", setting.ute)
    with pytest.raises(NotFoundError, match=r"Account 'shop' was not found\. Did you mean 'shop 2'\?"):
        guard.account("shop")


def test_a_name_of_a_visible_and_a_hidden_dataset_finds_the_visible_one(store: Store) -> None:
    setting = scene(store)
    with store._database.write() as connection:
        # As homes of before may have it: no new name equals a slug.
        connection.exec_driver_sql(f"UPDATE datasets SET name = 'theirs' WHERE id = {setting.own.id}")
    assert setting.guard().dataset("theirs").id == setting.own.id
    assert Guard(store, Actor(None)).dataset("theirs").name == "Theirs"


def test_a_refusal_names_a_person_to_ask(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.READ)
    asked = r"Ute cannot delete account 'shop' with access level read\. Ask Oda or an administrator for access level"
    with pytest.raises(ForbiddenError, match=asked):
        setting.guard().account("shop", AccountRight.DELETE)
    with pytest.raises(ForbiddenError, match=r"run dataset 'Theirs' with access level read for account 'shop'\. Ask"):
        setting.guard().dataset("Theirs", DatasetRight.RUN)
    store.accounts.delete(setting.account)
    with pytest.raises(ForbiddenError, match=r"run dataset 'Theirs', whose account was deleted\. Ask an adm"):
        setting.guard().dataset("Theirs", DatasetRight.RUN)


def test_a_run_is_seen_and_stopped_with_the_rights_of_its_dataset(store: Store) -> None:
    setting = scene(store)
    mine, theirs = store.runs.add(setting.own, "ab01"), store.runs.add(setting.other, "ab02")
    guard = setting.guard()
    assert guard.run("ab") == guard.run("ab01", DatasetRight.RUN) == mine
    for hidden in ("ab02", "ab02 ", "ac"):
        with pytest.raises(NotFoundError, match=hidden):
            guard.run(hidden)
    store.shares.set(setting.account, setting.ute, Level.READ)
    guard = setting.guard()
    assert guard.run("ab02") == theirs
    with pytest.raises(ForbiddenError, match="cannot run dataset 'Theirs'"):
        guard.run("ab02", DatasetRight.RUN)
    with pytest.raises(InputError, match=r"Several runs start with 'ab'"):
        guard.run("ab")


def test_runs_of_a_deleted_dataset_are_the_administrators(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.OWNER)
    run = store.runs.add(setting.own, new_run_id())
    store.datasets.delete(setting.own)
    with pytest.raises(NotFoundError):
        setting.guard().run(run.id)
    ada = store.users.get("Ada")
    assert Guard(store, Actor(ada)).run(run.id, DatasetRight.RUN).state is RunState.QUEUED
    reader = Guard(store, Actor(ada, read_only=True))
    assert reader.run(run.id).id == run.id
    with pytest.raises(ForbiddenError, match="read-only"):
        reader.run(run.id, DatasetRight.RUN)


def test_an_account_that_is_connected_while_a_guard_is_in_use_is_seen_by_it(store: Store) -> None:
    setting = scene(store)
    guard = setting.guard()
    assert guard.accounts() == ()
    mine = add_account(store, "mine", setting.ute)
    assert guard.account("mine", AccountRight.DELETE) == mine


# Sharing


def test_users_share_only_up_to_their_own_level(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.SHARE)
    guard, vic, oda = setting.guard(), add_user(store, "Vic"), store.users.get("Oda")
    for level in (Level.READ, Level.SHARE, Level.NONE, Level.SHARE):
        sharing.share(guard, setting.account, vic, level)
        assert store.shares.level(setting.account, vic) is level
    for user, level in ((vic, Level.EDIT), (vic, Level.OWNER), (oda, Level.READ), (oda, Level.NONE)):
        with pytest.raises(
            ForbiddenError,
            match=r"access level share for account .* and cannot grant or remove access level (ed|own)",
        ):
            sharing.share(guard, setting.account, user, level)
    store.shares.set(setting.account, vic, Level.EDIT)
    with pytest.raises(ForbiddenError, match="remove access level edit"):
        sharing.share(guard, setting.account, vic, Level.READ)
    sharing.share_with_everyone(guard, setting.account, Level.SHARE)
    assert store.shares.everyone(setting.account) is Level.SHARE
    with pytest.raises(ForbiddenError, match="grant or remove access level edit"):
        sharing.share_with_everyone(guard, setting.account, Level.EDIT)


@pytest.mark.parametrize("level", [Level.NONE, Level.READ])
def test_a_user_with_read_access_shares_nothing(store: Store, level: Level) -> None:
    setting = scene(store, Role.EDITOR, level)
    with pytest.raises(ForbiddenError, match="Ute cannot share account 'shop'"):
        sharing.share(setting.guard(), setting.account, setting.ute, Level.READ)
    with pytest.raises(ForbiddenError, match="Ute cannot share account 'shop'"):
        sharing.share_with_everyone(setting.guard(), setting.account, Level.NONE)


def test_a_viewer_who_owns_an_account_cannot_share_it(store: Store) -> None:
    setting = scene(store, Role.VIEWER, Level.OWNER)
    with pytest.raises(ForbiddenError, match=r"can share accounts\. Ute is a viewer"):
        sharing.share(setting.guard(), setting.account, store.users.get("Ada"), Level.READ)


def test_the_last_owner_of_an_account_stays(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.OWNER)
    guard, oda = setting.guard(), store.users.get("Oda")
    sharing.share(guard, setting.account, oda, Level.EDIT)
    for level in (Level.NONE, Level.EDIT):
        with pytest.raises(InputError, match="'Ute' is the last owner of the account 'shop'"):
            sharing.share(guard, setting.account, setting.ute, level)
        with pytest.raises(InputError, match="last owner"):
            sharing.share(Guard(store, Actor(None)), setting.account, setting.ute, level)
    sharing.share(guard, setting.account, setting.ute, Level.OWNER)
    sharing.share(guard, setting.account, oda, Level.OWNER)
    sharing.share(guard, setting.account, setting.ute, Level.READ)
    assert store.shares.of(setting.account) == {oda: Level.OWNER, setting.ute: Level.READ}
    assert list(store.shares.of(setting.account).values()) == [Level.OWNER, Level.READ]


def test_only_users_who_can_act_as_owner_become_owner(store: Store) -> None:
    setting = scene(store)
    operator = Guard(store, Actor(None))
    vic, lee = add_user(store, "Vic", Role.VIEWER), store.users.disable(add_user(store, "Lee"))
    for user, reason in ((vic, "a viewer"), (lee, "disabled")):
        with pytest.raises(InputError, match=f"{reason} and cannot own an account"):
            sharing.share(operator, setting.account, user, Level.OWNER)
        sharing.share(operator, setting.account, user, Level.EDIT)
    with pytest.raises(InputError, match="Everyone cannot own an account"):
        sharing.share_with_everyone(operator, setting.account, Level.OWNER)


def test_an_account_created_by_the_operator_belongs_to_administrators_until_it_has_an_owner(store: Store) -> None:
    ute = scene(store).ute
    account = add_account(store, "old")
    assert store.shares.of(account) == {}
    assert not Guard(store, Actor(ute)).may(AccountRight.SEE, account)
    ada = Guard(store, Actor(store.users.get("Ada")))
    sharing.share(ada, account, ute, Level.EDIT)
    sharing.share(ada, account, ute, Level.NONE)
    sharing.share(ada, account, ute, Level.OWNER)
    assert Guard(store, Actor(ute)).account("old", AccountRight.DELETE) == account


Step = tuple[str, int, int, int]
STEPS = st.tuples(
    st.sampled_from(["share", "share", "everyone", "role", "disable", "enable", "delete", "heir"]),
    st.integers(-1, 3),
    st.integers(0, 3),
    st.integers(0, 9),
)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(STEPS, max_size=25))
def test_no_sequence_of_changes_loses_the_last_owner_or_administrator(steps: list[Step]) -> None:
    with TemporaryDirectory() as folder, open_people(Path(folder), Clock()) as store:
        people = [store.users.add(name, PASSWORD, Role.ADMIN) for name in ("A", "B", "C", "D")]
        owned = [add_account(store, f"of {user.name}", user) for user in people[1:3]]
        store.users.set_role(people[1], Role.EDITOR)
        for step in steps:
            before = {account: dict(store.shares.of(account)) for account in owned}
            done = attempt(store, people, owned, step)
            for account in owned:
                assert Level.OWNER in store.shares.of(account).values()
            assert [user for user in store.users.list() if user.role is Role.ADMIN and not user.disabled]
            if not done:
                assert before == {account: dict(store.shares.of(account)) for account in owned}


def attempt(store: Store, people: list[User], owned: list[Account], step: Step) -> bool:
    """Does a step if it is allowed; of a share it checks that the actor went no further than their own level."""
    kind, actor, target, choice = step
    try:
        user = store.users.get(people[target].id)
        if kind in ("share", "everyone"):
            guard = Guard(store, Actor(store.users.get(people[actor].id) if actor >= 0 else None))
            share(guard, store, owned[choice % 2], user if kind == "share" else None, list(Level)[choice // 2])
        elif kind == "role":
            store.users.set_role(user, list(Role)[choice % 3])
        elif kind == "disable":
            store.users.disable(user)
        elif kind == "enable":
            store.users.enable(user)
        else:
            store.users.delete(user, heir=people[choice % 4] if kind == "heir" else None)
    except AdreelError:
        return False
    return True


def share(guard: Guard, store: Store, account: Account, user: User | None, level: Level) -> None:
    had = store.shares.everyone(account) if user is None else store.shares.level(account, user)
    own = guard.level(account)
    if user is None:
        sharing.share_with_everyone(guard, account, level)
    else:
        sharing.share(guard, account, user, level)
    assert own >= max(had, level, Level.SHARE)


# Saving


def dataset(name: str = "Spend", account: str = "shop", **keys: Any) -> Dataset:
    values = {
        "name": name,
        "account": account,
        "report": "performance",
        "data_level": "ad",
        "time_dimension": "day",
        "metrics": ["spend", "clicks"],
        "dates": {"start": "today-3", "end": "yesterday"},
    }
    return parse(Source(values | keys, {}), START)


def test_a_saved_dataset_belongs_to_the_user_who_saved_it(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.READ)
    saved = service.save(setting.guard(), dataset(), START)
    assert (saved.owner_id, saved.account_id) == (setting.ute.id, setting.account.id)
    again = service.save(setting.guard(), dataset(tags=["x"]), START)
    assert (again.id, again.tags, again.owner_id) == (saved.id, ("x",), setting.ute.id)
    assert service.save(Guard(store, Actor(None)), dataset("Other"), START).owner_id is None


def test_saving_never_overwrites_a_dataset_without_edit_rights(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.READ)
    store.users.set_role(store.users.get("Oda"), Role.ADMIN)
    service.save(Guard(store, Actor(store.users.get("Oda"))), dataset(), START)
    with pytest.raises(ForbiddenError, match="Ute cannot edit dataset 'Spend'"):
        service.save(setting.guard(), dataset(tags=["x"]), START)
    store.shares.set(setting.account, setting.ute, Level.NONE)
    mine = add_account(store, "mine", setting.ute)
    with pytest.raises(InputError, match="There is a dataset 'Spend' already; choose another name"):
        service.save(setting.guard(), dataset(account=mine.name), START)
    assert store.datasets.get("Spend").tags == ()


def test_a_dataset_needs_an_editor_and_an_account_that_they_may_use(store: Store) -> None:
    setting = scene(store, Role.EDITOR)
    with pytest.raises(NotFoundError, match="Account 'shop' was not found"):
        service.save(setting.guard(), dataset(), START)
    store.shares.set(setting.account, setting.ute, Level.READ)
    assert service.save(setting.guard(), dataset(), START).owner_id == setting.ute.id
    store.users.set_role(setting.ute, Role.VIEWER)
    with pytest.raises(ForbiddenError, match="Only administrators and editors can create datasets"):
        service.save(Guard(store, Actor(store.users.get("Ute"))), dataset("Other"), START)


def test_a_dataset_moves_only_to_an_account_that_the_user_may_use(store: Store) -> None:
    setting = scene(store, Role.EDITOR, Level.READ)
    saved = service.save(setting.guard(), dataset(), START)
    other = add_account(store, "other", store.users.get("Oda"))
    with pytest.raises(NotFoundError, match=r"Account 'other' was not found\.$"):
        service.change(setting.guard(), saved, dataset(account="other"), START)
    store.shares.set(other, setting.ute, Level.READ)
    moved = service.change(setting.guard(), saved, dataset(account="other"), START)
    assert (moved.account_id, moved.owner_id) == (other.id, setting.ute.id)
    store.accounts.delete(other)
    gone = store.datasets.get(moved.id)
    # Somebody else's by the same name is another account.
    anew = add_account(store, "other", store.users.get("Oda"))
    with pytest.raises(NotFoundError, match=r"Account 'other' was not found\.$"):
        service.change(setting.guard(), gone, dataset(account="other", tags=["y"]), START)
    store.shares.set(anew, setting.ute, Level.READ)
    assert service.change(setting.guard(), gone, dataset(account="other", tags=["y"]), START).account_id == anew.id


# The command line


@pytest.fixture
def shared(home: Home) -> Home:
    """Ada the administrator, Ed and Eli, who are editors, Vic, who is a viewer; Ed owns the account "eds"."""
    people = {"Ada": Role.ADMIN, "Ed": Role.EDITOR, "Eli": Role.EDITOR, "Vic": Role.VIEWER}
    with open_people(home.path, Clock()) as store:
        for name, role in people.items():
            store.users.add(name, PASSWORD, role)
    acting(home, "Ed")
    home.add_account("eds")
    home.good("run", "-f", home.file(account="eds", name="Spend"))
    return acting(home, "")


def acting(home: Home, name: str) -> Home:
    home.environ = {"ADREEL_USER": name}
    return home


def ran(home: Home) -> str:
    return str(home.json("history", "spend")[0]["run_id"])


def test_commands_act_as_the_named_user(shared: Home) -> None:
    assert [row["name"] for row in shared.json("accounts", "list")] == ["demo", "eds"]
    assert [row["name"] for row in acting(shared, "ED ").json("accounts", "list")] == ["eds"]
    shares = shared.json("accounts", "shares", "eds")
    assert shares == {
        "everyone": "none",
        "users": [{"user": {"id": "2", "name": "Ed"}, "role": "editor", "level": "owner"}],
    }
    code, message = acting(shared, "Edd").bad("datasets", "list")
    assert (code, "ADREEL_USER: User 'Edd' was not found. Did you mean 'Ed'?" in message) == (ExitCode.INPUT, True)
    acting(shared, "").good("users", "disable", "Ed")
    code, message = acting(shared, "Ed").bad("datasets", "list")
    assert (code, "'Ed' is disabled" in message) == (ExitCode.FORBIDDEN, True)


def test_a_user_without_shares_finds_nothing(shared: Home) -> None:
    run = ran(shared)
    acting(shared, "Eli")
    before = shared.kept()
    assert shared.json("accounts", "list") == shared.json("datasets", "list") == []
    for line in (
        "datasets show spend",
        "datasets edit spend -f FILE",
        "datasets delete spend --yes",
        "history spend",
        f"cancel {run[:8]}",
        "versions spend",
        "diff spend 0 0",
        "export spend -o OUT",
        "vacuum spend --yes",
        "validate spend",
        "plan spend",
        "preview spend",
        "run spend",
        "plan -f FILE",
        "preview -f FILE",
        "datasets create -f OTHER",
        "datasets import OTHER",
        "accounts rename eds mine",
        "accounts reconnect eds --token-stdin",
        "accounts delete eds --yes",
        "accounts advertisers eds",
        "accounts share eds Eli owner",
        "accounts shares eds",
    ):
        code, message = shared.bad(*filled(shared, line), stdin=f"{shared.token}\n")
        assert (code, "was not found" in message, "Spend" in message) == (ExitCode.INPUT, True, False), (line, message)
    code, message = shared.bad("query", "select * from spend")
    assert (code, "Tables: none yet" in message) == (ExitCode.INPUT, True)
    code, message = shared.bad("run", "-f", shared.file(account="eds", name="Spend"))
    assert (code, "choose another name" in message) == (ExitCode.INPUT, True)
    code, message = shared.bad("accounts", "add", "eds", "--token-stdin", stdin=f"{shared.token}\n")
    assert (code, "already exists. Choose another name" in message, "reconnect" in message) == (
        ExitCode.INPUT,
        True,
        False,
    )
    assert shared.kept() == before


def filled(home: Home, line: str) -> list[str]:
    """The words of a line, with files for the words that stand for some."""
    files = {
        "FILE": lambda: home.file("same.yaml", account="eds", name="Spend"),
        "OTHER": lambda: home.file("other.yaml", account="eds", name="Other"),
        "OUT": lambda: str(home.path / "out.csv"),
    }
    return [files[word]() if word in files else word for word in line.split()]


READING = (
    "datasets show spend",
    "history spend",
    "versions spend",
    "diff spend 0 0",
    "export spend -o OUT",
    "validate spend",
    "accounts shares eds",
)
CHANGING = (
    "datasets edit spend -f FILE",
    "datasets delete spend --yes",
    "vacuum spend --yes",
    "plan spend",
    "preview spend",
    "run spend",
    "run -f FILE",
    "accounts rename eds mine",
    "accounts reconnect eds --token-stdin",
    "accounts delete eds --yes",
)
USING = ("plan -f FILE", "preview -f FILE", "accounts advertisers eds", "datasets create -f OTHER")
CONNECTING = ("accounts add new --token-stdin", "accounts connect new --no-browser --paste")


def forbidden(home: Home, lines: tuple[str, ...]) -> None:
    before = home.kept()
    for line in lines:
        code, message = home.bad(*filled(home, line), stdin=f"{home.token}\n")
        assert (code, "Ask " in message) == (ExitCode.FORBIDDEN, True), (line, message)
    assert home.kept() == before


def test_a_viewer_reads_what_is_shared_with_them_and_changes_nothing(shared: Home) -> None:
    run = ran(shared)
    shared.good("accounts", "share", "eds", "Vic", "edit")
    acting(shared, "Vic")
    for line in READING:
        shared.good(*filled(shared, line))
    assert shared.rows("select count(*) as n from spend")[0]["n"] > 0
    assert [row["name"] for row in shared.json("accounts", "list")] == ["eds"]
    forbidden(shared, (*CHANGING, *USING, *CONNECTING, f"cancel {run}", "accounts share eds Eli read", "demo --once"))


def test_a_user_with_read_access_uses_the_account_in_their_own_datasets(shared: Home) -> None:
    shared.good("accounts", "share", "eds", "Eli", "read")
    acting(shared, "Eli")
    for line in (*READING, *USING):
        shared.good(*filled(shared, line))
    forbidden(shared, (*CHANGING, "accounts share eds Vic read"))
    shared.good("run", "other")
    shared.good("datasets", "delete", "other", "--yes")


def test_a_user_with_edit_access_changes_datasets_and_cannot_delete_the_account(shared: Home) -> None:
    shared.good("accounts", "share", "eds", "Eli", "edit")
    acting(shared, "Eli")
    forbidden(shared, ("accounts delete eds --yes", "accounts share eds Eli owner", "accounts share eds Ed read"))
    for line in (*READING, *USING, "run spend", "vacuum spend --yes", "datasets edit spend -f FILE"):
        shared.good(*filled(shared, line))
    shared.good("accounts", "share", "eds", "Vic", "edit")
    shared.good("accounts", "rename", "eds", "ours")
    shared.good("datasets", "delete", "spend", "--yes")


def test_an_editor_connects_an_account_and_owns_it(shared: Home) -> None:
    acting(shared, "Eli").add_account("elis")
    shares = shared.json("accounts", "shares", "elis")
    assert [(share["user"]["name"], share["level"]) for share in shares["users"]] == [("Eli", "owner")]
    shared.good("accounts", "share", "elis", "Ed", "owner")
    code, message = shared.bad("accounts", "share", "elis", "Vic", "owner")
    assert (code, "a viewer and cannot own" in message) == (ExitCode.INPUT, True)
    shared.good("accounts", "share", "elis", "--everyone", "read")
    assert [row["name"] for row in acting(shared, "Vic").json("accounts", "list")] == ["elis"]
    shared.good("accounts", "shares", "elis")
    acting(shared, "Ed").good("accounts", "delete", "elis", "--yes")


def test_only_the_owner_runs_the_demo(shared: Home) -> None:
    code, message = acting(shared, "Eli").bad("demo", "--once", "--ads", "1", "--advertisers", "1")
    assert (code, "cannot edit account 'demo'" in message) == (ExitCode.FORBIDDEN, True)


@pytest.mark.parametrize("name", ["Ed", "Vic"])
def test_only_administrators_look_after_users(shared: Home, name: str) -> None:
    acting(shared, name)
    lines = (
        "users list",
        "users add Eve --password-stdin",
        "users role Ed admin",
        "users disable Eli",
        "users enable Eli",
        "users delete Eli --yes",
        "users password Eli --password-stdin",
    )
    forbidden(shared, lines)
    shared.good("users", "password", name, "--password-stdin", stdin="another battery horse\n")
    acting(shared, "Ada").good("users", "role", "Eli", "viewer")
    assert len(shared.json("users", "list")) == 4


def test_a_share_names_a_user_or_everyone(shared: Home) -> None:
    for line in (
        "accounts share eds",
        "accounts share eds Vic",
        "accounts share eds Vic read --everyone read",
        "accounts share eds Vic --everyone read",
    ):
        code, message = shared.bad(*line.split())
        assert (code, "or --everyone LEVEL" in message) == (ExitCode.INPUT, True), line
    code, message = shared.bad("accounts", "share", "eds", "Vic", "write")
    assert (code, "'write' is not a level. Choose one of: none, read, share, edit, owner." in message) == (
        ExitCode.INPUT,
        True,
    )
    assert "limits the access level to read" in shared.good("accounts", "share", "eds", "Vic", "edit").stderr
    shown = shared.good("accounts", "shares", "demo")
    assert "Account 'demo' has no owner" in shown.stderr
    assert "everyone" in shown.stdout


def test_a_refused_run_is_reported_as_json(shared: Home) -> None:
    shared.good("accounts", "share", "eds", "Vic", "read")
    result = acting(shared, "Vic").adreel("run", "spend", "--json")
    output = json.loads(result.stdout)
    assert (result.exit_code, output["error_kind"], output["run_id"]) == (ExitCode.FORBIDDEN, "ForbiddenError", None)
