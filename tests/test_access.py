"""Who may do what: every role, level and right against a table written by hand, and the same on the command line."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel import sharing
from adreel.access import AccountRight, Actor, DatasetRight, Guard
from adreel.datasets import service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.validation import parse
from adreel.errors import AdreelError, ExitCode, ForbiddenError, InputError, NotFoundError
from adreel.store import Account, Level, Role, RunState, SavedDataset, Store, User, new_run_id
from home import Home
from people import PASSWORD, START, Clock, add_account, add_dataset, add_user, open_people

TABLE = """
role     level   account                      another's dataset    own dataset

admin    none    see use share edit delete    see run edit delete  see run edit delete
admin    read    see use share edit delete    see run edit delete  see run edit delete
admin    share   see use share edit delete    see run edit delete  see run edit delete
admin    edit    see use share edit delete    see run edit delete  see run edit delete
admin    owner   see use share edit delete    see run edit delete  see run edit delete

editor   none    -                            -                    see run edit delete
editor   read    see use                      see                  see run edit delete
editor   share   see use share                see                  see run edit delete
editor   edit    see use share edit           see run edit delete  see run edit delete
editor   owner   see use share edit delete    see run edit delete  see run edit delete

viewer   none    -                            -                    see
viewer   read    see                          see                  see
viewer   share   see                          see                  see
viewer   edit    see                          see                  see
viewer   owner   see                          see                  see
"""


def words(text: str) -> set[str]:
    return set(text.split()) - {"-"}


def table() -> dict[tuple[Role, Level], tuple[set[str], set[str], set[str]]]:
    """The rights with an account, with another's dataset of it and with one's own, by role and level."""
    found = {}
    for line in TABLE.splitlines()[2:]:
        if line:
            role, level = Role(line[:9].strip()), Level(line[9:17].strip())
            found[role, level] = (words(line[17:46]), words(line[46:67]), words(line[67:]))
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with open_people(tmp_path / "home", clock) as opened:
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
    found = set()
    for right in AccountRight:
        try:
            assert guard.account(account.name, right) == guard.account(account.id, right) == account
            found.add(right.value)
        except NotFoundError:
            assert not guard.may(AccountRight.SEE, account)
        except ForbiddenError:
            assert guard.may(AccountRight.SEE, account)
    assert found == {right.value for right in AccountRight if guard.may(right, account)}
    assert (account in guard.accounts()) is ("see" in found)
    return found


def rights_with_dataset(guard: Guard, saved: SavedDataset) -> set[str]:
    found = set()
    for right in DatasetRight:
        try:
            assert guard.dataset(saved.name, right) == guard.dataset(saved.id, right) == saved
            found.add(right.value)
        except NotFoundError:
            assert not guard.may(DatasetRight.SEE, saved)
        except ForbiddenError:
            assert guard.may(DatasetRight.SEE, saved)
    assert found == {right.value for right in DatasetRight if guard.may(right, saved)}
    assert (saved in guard.datasets()) is ("see" in found)
    return found


# The table


def test_the_table_has_every_role_at_every_level() -> None:
    assert set(table()) == set(product(Role, Level))


@pytest.mark.parametrize(("role", "level"), table())
def test_every_right_is_as_the_table_has_it(store: Store, role: Role, level: Level) -> None:
    found = scene(store, role, level)
    account, another, own = table()[role, level]
    assert rights_with_account(found.guard(), found.account) == account
    assert rights_with_dataset(found.guard(), found.other) == another
    assert rights_with_dataset(found.guard(), found.own) == own


@pytest.mark.parametrize(("role", "level"), [key for key in table() if key[1] is not Level.OWNER])
def test_what_is_shared_with_everyone_counts_as_if_it_were_shared_by_name(
    store: Store, role: Role, level: Level
) -> None:
    found = scene(store, role, level, everyone=True)
    account, another, own = table()[role, level]
    assert rights_with_account(found.guard(), found.account) == account
    assert rights_with_dataset(found.guard(), found.other) == another
    assert rights_with_dataset(found.guard(), found.own) == own


@pytest.mark.parametrize(("by_name", "to_all"), [(Level.READ, Level.EDIT), (Level.EDIT, Level.READ)])
def test_of_what_is_shared_by_name_and_with_everyone_the_more_counts(
    store: Store, by_name: Level, to_all: Level
) -> None:
    found = scene(store, Role.EDITOR, by_name)
    store.shares.set_everyone(found.account, to_all)
    assert found.guard().level(found.account) is Level.EDIT
    assert store.shares.of_user(found.ute) == {found.account.id: Level.EDIT}


@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize(("role", "level"), table())
def test_deleting_an_account_gives_and_takes_nobody_a_right_with_its_datasets(
    store: Store, role: Role, level: Level, everyone: bool
) -> None:
    found = scene(store, role, level, everyone=everyone and level is not Level.OWNER)
    store.accounts.delete(found.account)
    other, own = store.datasets.get(found.other.id), store.datasets.get(found.own.id)
    _, another, mine = table()[role, level]
    assert rights_with_dataset(found.guard(), other) == another
    assert rights_with_dataset(found.guard(), own) == mine
    late = Guard(store, Actor(add_user(store, "Late")))
    assert rights_with_dataset(late, other) == rights_with_dataset(late, own) == set()


def test_another_account_ends_what_was_kept_of_the_deleted_one(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.EDIT)
    store.accounts.delete(found.account)
    store.datasets.update(found.other, account=add_account(store, "shop 2"))
    assert rights_with_dataset(found.guard(), store.datasets.get(found.other.id)) == set()
    store.accounts.delete(store.accounts.get("shop 2"))
    assert rights_with_dataset(found.guard(), store.datasets.get(found.other.id)) == set()


@pytest.mark.parametrize(("role", "level"), table())
def test_a_token_that_may_only_read_has_the_right_to_see_and_no_other(store: Store, role: Role, level: Level) -> None:
    found = scene(store, role, level)
    guard, (account, another, own) = found.guard(read_only=True), table()[role, level]
    assert rights_with_account(guard, found.account) == account & {"see"}
    assert rights_with_dataset(guard, found.other) == another & {"see"}
    assert rights_with_dataset(guard, found.own) == own & {"see"}
    if own:
        with pytest.raises(ForbiddenError, match="API token may only read"):
            guard.dataset("Mine", DatasetRight.RUN)


@pytest.mark.parametrize("role", Role)
def test_who_is_disabled_has_no_right_at_all(store: Store, role: Role) -> None:
    found = scene(store, role, Level.OWNER)
    store.users.disable(found.ute)
    guard = found.guard()
    assert rights_with_account(guard, found.account) == set()
    assert rights_with_dataset(guard, found.other) == rights_with_dataset(guard, found.own) == set()
    with pytest.raises(ForbiddenError, match="disabled"):
        guard.need_role(*Role)


def test_whoever_runs_the_machine_may_do_everything(store: Store) -> None:
    found = scene(store)
    guard = Guard(store, Actor(None))
    assert rights_with_account(guard, found.account) == set(AccountRight)
    assert rights_with_dataset(guard, found.other) == set(DatasetRight)
    assert guard.level(found.account) is Level.OWNER
    guard.need_role(Role.ADMIN)


@pytest.mark.parametrize("role", Role)
def test_the_role_caps_the_level(store: Store, role: Role) -> None:
    found = scene(store, role, Level.OWNER)
    assert found.guard().level(found.account) is {Role.VIEWER: Level.READ}.get(role, Level.OWNER)
    store.shares.set(found.account, found.ute, Level.NONE)
    assert found.guard().level(found.account) is {Role.ADMIN: Level.OWNER}.get(role, Level.NONE)


def test_levels_compare_by_what_they_allow() -> None:
    assert sorted(Level, reverse=True) == [Level.OWNER, Level.EDIT, Level.SHARE, Level.READ, Level.NONE]
    assert max(Level.SHARE, Level.READ) is Level.SHARE
    for one, other in product(Level, Level):
        assert (one < other, one <= other) == (one.rank < other.rank, one.rank <= other.rank)
        assert (one > other, one >= other) == (one.rank > other.rank, one.rank >= other.rank)
    assert all(one.meaning.endswith(".") for one in (*Level, *Role))


def test_a_right_needs_a_role_and_for_a_reader_only_where_something_is_read(store: Store) -> None:
    ute = scene(store).ute
    Guard(store, Actor(ute)).need_role(Role.EDITOR, Role.ADMIN)
    with pytest.raises(ForbiddenError, match="takes an administrator, and 'Ute' is an editor"):
        Guard(store, Actor(ute)).need_role(Role.ADMIN)
    reader = Guard(store, Actor(ute, read_only=True))
    with pytest.raises(ForbiddenError, match="only read"):
        reader.need_role(Role.EDITOR)
    reader.need_role(Role.EDITOR, reading=True)
    with pytest.raises(ForbiddenError, match="takes an administrator"):
        reader.need_role(Role.ADMIN, reading=True)


# What errors give away


def test_what_may_not_be_seen_is_not_there_and_is_not_named(store: Store) -> None:
    found = scene(store)
    guard = found.guard()
    with pytest.raises(NotFoundError, match=r"no account 'shop', or it is not shared with you\."):
        guard.account("shop")
    with pytest.raises(NotFoundError, match=r"no dataset 'Theirs'; there are Mine\."):
        guard.dataset("Theirs")
    add_account(store, "shop 2", found.ute)
    with pytest.raises(NotFoundError, match=r"no account 'shop'; nearest: shop 2\."):
        guard.account("shop")


def test_a_name_that_also_means_what_may_not_be_seen_means_what_may(store: Store) -> None:
    found = scene(store)
    with closing(sqlite3.connect(store._database.path)) as database:
        # As homes of before may have it: no new name equals a slug.
        database.execute("UPDATE datasets SET name = 'theirs' WHERE id = ?", (found.own.id,))
        database.commit()
    assert found.guard().dataset("theirs").id == found.own.id
    assert Guard(store, Actor(None)).dataset("theirs").name == "Theirs"


def test_a_refusal_says_whom_to_ask(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.READ)
    with pytest.raises(ForbiddenError, match=r"'Ute' may not delete the account 'shop'\. Ask Oda or an administrator"):
        found.guard().account("shop", AccountRight.DELETE)
    with pytest.raises(ForbiddenError, match=r"may not run the dataset 'Theirs'\. Ask Oda or an administrator"):
        found.guard().dataset("Theirs", DatasetRight.RUN)
    store.accounts.delete(found.account)
    with pytest.raises(ForbiddenError, match=r"may not run the dataset 'Theirs'\. Ask an administrator"):
        found.guard().dataset("Theirs", DatasetRight.RUN)


def test_a_run_is_seen_and_stopped_with_the_rights_of_its_dataset(store: Store) -> None:
    found = scene(store)
    mine, theirs = store.runs.add(found.own, "ab01"), store.runs.add(found.other, "ab02")
    guard = found.guard()
    assert guard.run("ab") == guard.run("ab01", DatasetRight.RUN) == mine
    for hidden in ("ab02", "ab02 ", "ac"):
        with pytest.raises(NotFoundError, match=hidden):
            guard.run(hidden)
    store.shares.set(found.account, found.ute, Level.READ)
    guard = found.guard()
    assert guard.run("ab02") == theirs
    with pytest.raises(ForbiddenError, match="may not run the dataset 'Theirs'"):
        guard.run("ab02", DatasetRight.RUN)
    with pytest.raises(InputError, match=r"several runs begin with 'ab'"):
        guard.run("ab")


def test_runs_of_a_deleted_dataset_are_the_administrators(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.OWNER)
    run = store.runs.add(found.own, new_run_id())
    store.datasets.delete(found.own)
    with pytest.raises(NotFoundError):
        found.guard().run(run.id)
    ada = store.users.get("Ada")
    assert Guard(store, Actor(ada)).run(run.id, DatasetRight.RUN).state is RunState.QUEUED
    reader = Guard(store, Actor(ada, read_only=True))
    assert reader.run(run.id).id == run.id
    with pytest.raises(ForbiddenError, match="only read"):
        reader.run(run.id, DatasetRight.RUN)


def test_an_account_that_is_connected_while_a_guard_is_in_use_is_seen_by_it(store: Store) -> None:
    found = scene(store)
    guard = found.guard()
    assert guard.accounts() == ()
    mine = add_account(store, "mine", found.ute)
    assert guard.account("mine", AccountRight.DELETE) == mine


# Sharing


def test_nobody_shares_further_than_their_own_level(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.SHARE)
    guard, vic, oda = found.guard(), add_user(store, "Vic"), store.users.get("Oda")
    for level in (Level.READ, Level.SHARE, Level.NONE, Level.SHARE):
        sharing.share(guard, found.account, vic, level)
        assert store.shares.level(found.account, vic) is level
    for user, level in ((vic, Level.EDIT), (vic, Level.OWNER), (oda, Level.READ), (oda, Level.NONE)):
        with pytest.raises(ForbiddenError, match=r"at the level share, and may not give or take away (edit|owner)"):
            sharing.share(guard, found.account, user, level)
    store.shares.set(found.account, vic, Level.EDIT)
    with pytest.raises(ForbiddenError, match="take away edit"):
        sharing.share(guard, found.account, vic, Level.READ)
    sharing.share_with_everyone(guard, found.account, Level.SHARE)
    assert store.shares.everyone(found.account) is Level.SHARE
    with pytest.raises(ForbiddenError, match="give or take away edit"):
        sharing.share_with_everyone(guard, found.account, Level.EDIT)


@pytest.mark.parametrize("level", [Level.NONE, Level.READ])
def test_who_can_only_read_shares_nothing(store: Store, level: Level) -> None:
    found = scene(store, Role.EDITOR, level)
    with pytest.raises(ForbiddenError, match="'Ute' may not share the account 'shop'"):
        sharing.share(found.guard(), found.account, found.ute, Level.READ)
    with pytest.raises(ForbiddenError, match="'Ute' may not share the account 'shop'"):
        sharing.share_with_everyone(found.guard(), found.account, Level.NONE)


def test_a_viewer_who_owns_an_account_cannot_share_it(store: Store) -> None:
    found = scene(store, Role.VIEWER, Level.OWNER)
    with pytest.raises(ForbiddenError, match="may not share"):
        sharing.share(found.guard(), found.account, store.users.get("Ada"), Level.READ)


def test_the_last_owner_of_an_account_stays(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.OWNER)
    guard, oda = found.guard(), store.users.get("Oda")
    sharing.share(guard, found.account, oda, Level.EDIT)
    for level in (Level.NONE, Level.EDIT):
        with pytest.raises(InputError, match="'Ute' is the last owner of the account 'shop'"):
            sharing.share(guard, found.account, found.ute, level)
        with pytest.raises(InputError, match="last owner"):
            sharing.share(Guard(store, Actor(None)), found.account, found.ute, level)
    sharing.share(guard, found.account, found.ute, Level.OWNER)
    sharing.share(guard, found.account, oda, Level.OWNER)
    sharing.share(guard, found.account, found.ute, Level.READ)
    assert store.shares.of(found.account) == {oda: Level.OWNER, found.ute: Level.READ}
    assert list(store.shares.of(found.account).values()) == [Level.OWNER, Level.READ]


def test_only_who_could_do_an_owners_work_becomes_one(store: Store) -> None:
    found = scene(store)
    operator = Guard(store, Actor(None))
    vic, lee = add_user(store, "Vic", Role.VIEWER), store.users.disable(add_user(store, "Lee"))
    for user, reason in ((vic, "a viewer"), (lee, "disabled")):
        with pytest.raises(InputError, match=f"{reason} and cannot own an account"):
            sharing.share(operator, found.account, user, Level.OWNER)
        sharing.share(operator, found.account, user, Level.EDIT)
    with pytest.raises(InputError, match="not everyone can own"):
        sharing.share_with_everyone(operator, found.account, Level.OWNER)


def test_an_account_that_the_command_line_made_is_the_administrators_until_somebody_owns_it(store: Store) -> None:
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


@settings(max_examples=30)
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


def test_a_dataset_that_is_saved_belongs_to_who_saved_it(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.READ)
    saved = service.save(found.guard(), dataset(), START)
    assert (saved.owner_id, saved.account_id) == (found.ute.id, found.account.id)
    again = service.save(found.guard(), dataset(tags=["x"]), START)
    assert (again.id, again.tags, again.owner_id) == (saved.id, ("x",), found.ute.id)
    assert service.save(Guard(store, Actor(None)), dataset("Other"), START).owner_id is None


def test_nobody_saves_over_what_is_not_theirs_to_change(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.READ)
    store.users.set_role(store.users.get("Oda"), Role.ADMIN)
    service.save(Guard(store, Actor(store.users.get("Oda"))), dataset(), START)
    with pytest.raises(ForbiddenError, match="'Ute' may not edit the dataset 'Spend'"):
        service.save(found.guard(), dataset(tags=["x"]), START)
    store.shares.set(found.account, found.ute, Level.NONE)
    mine = add_account(store, "mine", found.ute)
    with pytest.raises(InputError, match="there is a dataset 'Spend' already; choose another name"):
        service.save(found.guard(), dataset(account=mine.name), START)
    assert store.datasets.get("Spend").tags == ()


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
def test_a_dataset_takes_an_account_that_one_may_use(store: Store, role: Role) -> None:
    found = scene(store, role)
    with pytest.raises(NotFoundError, match="account: there is no account 'shop'"):
        service.save(found.guard(), dataset(), START)
    store.shares.set(found.account, found.ute, Level.READ)
    if role is Role.VIEWER:
        with pytest.raises(ForbiddenError, match="may not use the account 'shop'"):
            service.save(found.guard(), dataset(), START)
    else:
        assert service.save(found.guard(), dataset(), START).owner_id == found.ute.id


def test_a_dataset_goes_over_to_another_account_only_if_that_may_be_used(store: Store) -> None:
    found = scene(store, Role.EDITOR, Level.READ)
    saved = service.save(found.guard(), dataset(), START)
    other = add_account(store, "other", store.users.get("Oda"))
    with pytest.raises(NotFoundError, match="account: there is no account 'other'; there are shop"):
        service.change(found.guard(), saved, dataset(account="other"), START)
    store.shares.set(other, found.ute, Level.READ)
    moved = service.change(found.guard(), saved, dataset(account="other"), START)
    assert (moved.account_id, moved.owner_id) == (other.id, found.ute.id)
    store.accounts.delete(other)
    gone = store.datasets.get(moved.id)
    # Somebody else's by the same name is another account.
    anew = add_account(store, "other", store.users.get("Oda"))
    with pytest.raises(NotFoundError, match="account: there is no account 'other'; there are shop"):
        service.change(found.guard(), gone, dataset(account="other", tags=["y"]), START)
    store.shares.set(anew, found.ute, Level.READ)
    assert service.change(found.guard(), gone, dataset(account="other", tags=["y"]), START).account_id == anew.id


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
    return str(home.json("history", "spend")[0]["id"])


def test_commands_act_as_the_user_who_is_named(shared: Home) -> None:
    assert [row["name"] for row in shared.json("accounts", "list")] == ["demo", "eds"]
    assert [row["name"] for row in acting(shared, "ED ").json("accounts", "list")] == ["eds"]
    found = shared.json("accounts", "shares", "eds")
    assert found == {"everyone": "none", "users": [{"name": "Ed", "role": "editor", "level": "owner"}]}
    code, said = acting(shared, "Edd").bad("datasets", "list")
    assert (code, "ADREEL_USER: there is no user 'Edd'; nearest: Ed" in said) == (ExitCode.INPUT, True)
    acting(shared, "").good("users", "disable", "Ed")
    code, said = acting(shared, "Ed").bad("datasets", "list")
    assert (code, "'Ed' is disabled" in said) == (ExitCode.FORBIDDEN, True)


def test_who_has_no_share_finds_nothing(shared: Home) -> None:
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
        code, said = shared.bad(*filled(shared, line), stdin=f"{shared.token}\n")
        assert (code, "there is no" in said, "Spend" in said) == (ExitCode.INPUT, True, False), (line, said)
    code, said = shared.bad("query", "select * from spend")
    assert (code, "Tables: none yet" in said) == (ExitCode.INPUT, True)
    code, said = shared.bad("run", "-f", shared.file(account="eds", name="Spend"))
    assert (code, "choose another name" in said) == (ExitCode.INPUT, True)
    code, said = shared.bad("accounts", "add", "eds", "--token-stdin", stdin=f"{shared.token}\n")
    assert (code, "already; choose another name" in said, "reconnect" in said) == (ExitCode.INPUT, True, False)
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
        code, said = home.bad(*filled(home, line), stdin=f"{home.token}\n")
        assert (code, "Ask " in said) == (ExitCode.FORBIDDEN, True), (line, said)
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


def test_who_can_read_an_account_uses_it_in_datasets_of_their_own(shared: Home) -> None:
    shared.good("accounts", "share", "eds", "Eli", "read")
    acting(shared, "Eli")
    for line in (*READING, *USING):
        shared.good(*filled(shared, line))
    forbidden(shared, (*CHANGING, "accounts share eds Vic read"))
    shared.good("run", "other")
    shared.good("datasets", "delete", "other", "--yes")


def test_who_can_edit_an_account_changes_its_datasets_and_cannot_delete_it(shared: Home) -> None:
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
    found = shared.json("accounts", "shares", "elis")
    assert found["users"] == [{"name": "Eli", "role": "editor", "level": "owner"}]
    shared.good("accounts", "share", "elis", "Ed", "owner")
    code, said = shared.bad("accounts", "share", "elis", "Vic", "owner")
    assert (code, "a viewer and cannot own" in said) == (ExitCode.INPUT, True)
    shared.good("accounts", "share", "elis", "--everyone", "read")
    assert [row["name"] for row in acting(shared, "Vic").json("accounts", "list")] == ["elis"]
    shared.good("accounts", "shares", "elis")
    acting(shared, "Ed").good("accounts", "delete", "elis", "--yes")


def test_the_demo_is_its_makers(shared: Home) -> None:
    code, said = acting(shared, "Eli").bad("demo", "--once", "--ads", "1", "--advertisers", "1")
    assert (code, "may not edit the account 'demo'" in said) == (ExitCode.FORBIDDEN, True)


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


def test_a_share_is_asked_for_in_one_of_two_ways(shared: Home) -> None:
    for line in (
        "accounts share eds",
        "accounts share eds Vic",
        "accounts share eds Vic read --everyone read",
        "accounts share eds Vic --everyone read",
    ):
        code, said = shared.bad(*line.split())
        assert (code, "or --everyone LEVEL" in said) == (ExitCode.INPUT, True), line
    code, said = shared.bad("accounts", "share", "eds", "Vic", "write")
    assert (code, "no level 'write'; there are none, read, share, edit, owner." in said) == (ExitCode.INPUT, True)
    assert "has no more of it than read" in shared.good("accounts", "share", "eds", "Vic", "edit").stderr
    shown = shared.good("accounts", "shares", "demo")
    assert "No user owns 'demo'" in shown.stderr
    assert "everyone" in shown.stdout


def test_a_run_that_is_refused_says_so_as_json(shared: Home) -> None:
    shared.good("accounts", "share", "eds", "Vic", "read")
    result = acting(shared, "Vic").adreel("run", "spend", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["error_kind"], told["run_id"]) == (ExitCode.FORBIDDEN, "ForbiddenError", None)
