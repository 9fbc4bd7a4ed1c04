"""Users, their passwords and the workspace: the store, and `adreel users` through the front door."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import process_time

import argon2.low_level
import pytest

from adreel.errors import ExitCode, InputError, NotFoundError
from adreel.settings import Settings
from adreel.store import Cost, Level, Role, Store, User, Workspace
from adreel.store.passwords import Passwords
from home import Home, make_home
from people import CHEAP, PASSWORD, START, Clock, add_account, add_dataset, add_user, open_people


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(store_folder: Path) -> Path:
    return store_folder


@pytest.fixture
def store(folder: Path, clock: Clock) -> Iterator[Store]:
    with open_people(folder, clock) as opened:
        yield opened


def hashes(store: Store) -> dict[str, str]:
    with store._database.read() as connection:
        rows = connection.exec_driver_sql("SELECT name, password FROM users").all()
        return {row.name: row.password for row in rows}


# Names and roles


def test_the_first_user_is_an_administrator(store: Store) -> None:
    assert not store.users.any()
    with pytest.raises(InputError, match="first user must be an administrator"):
        store.users.add("Eve", PASSWORD, Role.EDITOR)
    assert not store.users.any()
    ada = store.users.add_first("Ada", PASSWORD)
    assert ada == User(ada.id, "Ada", Role.ADMIN, False, START, None)
    assert store.users.any()
    with pytest.raises(InputError, match="There are users already"):
        store.users.add_first("Mallory", PASSWORD)
    assert store.users.list() == (ada,)


def test_of_several_who_would_be_the_first_at_once_one_is(folder: Path, clock: Clock) -> None:
    def visit(name: str) -> str:
        with open_people(folder, clock) as store:
            try:
                return store.users.add_first(name, PASSWORD).name
            except InputError:
                return ""

    with ThreadPoolExecutor(6) as pool:
        created = [name for name in pool.map(visit, "ABCDEF") if name]
    with open_people(folder, clock) as store:
        assert [user.name for user in store.users.list()] == created
        assert len(created) == 1


def test_a_user_is_found_by_name_in_any_case_and_by_id(store: Store) -> None:
    jose = add_user(store, "  José   Núñez ")
    assert jose.name == "José Núñez"
    decomposed = unicodedata.normalize("NFD", "JOSÉ NÚÑEZ")
    for name in ("José Núñez", "josé núñez", decomposed, jose.id, str(jose.id)):
        assert store.users.get(name) == jose
    with pytest.raises(NotFoundError, match=r"User 'José Nunes' was not found\. Did you mean 'José Núñez'\?"):
        store.users.get("José Nunes")
    for unknown in ("\ud800", "a\x00b", 99):
        with pytest.raises(NotFoundError):
            store.users.get(unknown)


@pytest.mark.parametrize("name", ["ANN", " ann ", "\uff21nn"])
def test_a_name_is_taken_once_whatever_its_case(store: Store, name: str) -> None:
    add_user(store, "Ann")
    with pytest.raises(InputError, match="already; choose another name"):
        store.users.add(name, PASSWORD, Role.VIEWER)


@pytest.mark.parametrize("name", ["", " ", "a\x00b", "a\u200bb", "x" * 61])
def test_a_name_that_cannot_be_read_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="cannot name a user; use 1 to 60"):
        store.users.add_first(name, PASSWORD)


def test_users_are_listed_by_name_without_regard_to_case(store: Store) -> None:
    for name in ("bob", "Ann", "Zoe", "carl"):
        add_user(store, name)
    assert [user.name for user in store.users.list()] == ["Ada", "Ann", "bob", "carl", "Zoe"]


def test_the_last_administrator_who_can_sign_in_stays(store: Store) -> None:
    ada, eve = store.users.add_first("Ada", PASSWORD), add_user(store, "Eve", Role.ADMIN)
    eve = store.users.disable(eve)
    for use in (
        lambda: store.users.set_role(ada, Role.EDITOR),
        lambda: store.users.disable(ada),
        lambda: store.users.delete(ada),
    ):
        with pytest.raises(InputError, match="'Ada' is the last administrator"):
            use()
    assert store.users.set_role(ada, Role.ADMIN) == ada
    assert store.users.enable(eve).disabled is False
    assert store.users.set_role(ada, Role.VIEWER).role is Role.VIEWER
    store.users.delete(ada)
    assert [user.name for user in store.users.list()] == ["Eve"]


def test_a_user_who_was_deleted_meanwhile_is_reported(store: Store) -> None:
    bob = add_user(store, "Bob")
    store.users.delete(bob)
    for use in (
        lambda: store.users.set_role(bob, Role.ADMIN),
        lambda: store.users.set_password(bob, PASSWORD),
        lambda: store.users.disable(bob),
        lambda: store.users.delete(bob),
        lambda: store.sessions.begin(bob, ""),
        lambda: store.tokens.add(bob, "x", True, None),
        lambda: store.shares.set(add_account(store, "x"), bob, Level.READ),
    ):
        with pytest.raises(NotFoundError, match="'Bob' was deleted"):
            use()
    assert add_user(store, "Bob").id != bob.id


def test_deleting_a_user_takes_what_is_theirs_and_leaves_their_datasets(store: Store) -> None:
    bob, cyd = add_user(store, "Bob"), add_user(store, "Cyd")
    shared, own = add_account(store, "shared", cyd), add_account(store, "own", bob)
    store.shares.set(shared, bob, Level.OWNER)
    dataset = add_dataset(store, own, owner=bob)
    secret, (_, key) = store.sessions.begin(bob, "Firefox"), store.tokens.add(bob, "ci", False, None)
    store.consents.begin("state", secret, bob, None, "new")
    with pytest.raises(InputError, match="'Bob' is the only owner of own; name a user"):
        store.users.delete(bob)
    assert store.sessions.find(secret) is not None
    store.users.delete(bob, heir=cyd)
    assert store.sessions.find(secret) is None
    assert store.tokens.find(key) is None
    assert dict(store.shares.of(shared)) == dict(store.shares.of(own)) == {cyd: Level.OWNER}
    remaining = store.datasets.get(dataset.slug)
    assert (remaining.owner_id, remaining.account_id) == (None, own.id)
    with pytest.raises(InputError, match="no connection started here"):
        store.consents.take("state", secret)


def test_one_of_several_owners_is_deleted_without_an_heir(store: Store) -> None:
    bob, cyd = add_user(store, "Bob"), add_user(store, "Cyd")
    for name, first, second in (("one", bob, cyd), ("two", cyd, bob)):
        store.shares.set(add_account(store, name, first), second, Level.OWNER)
    store.users.delete(cyd)
    assert [dict(store.shares.of(account)) for account in store.accounts.list()] == [{bob: Level.OWNER}] * 2


def test_only_somebody_who_can_own_accounts_takes_them_over(store: Store) -> None:
    bob = add_user(store, "Bob")
    own = add_account(store, "own", bob)
    viewer, locked = add_user(store, "Vic", Role.VIEWER), store.users.disable(add_user(store, "Lee"))
    for heir in (viewer, locked, bob):
        with pytest.raises(InputError, match="cannot take over own"):
            store.users.delete(bob, heir=heir)
    gone = add_user(store, "Gone")
    store.users.delete(gone)
    with pytest.raises(NotFoundError, match="'Gone' was deleted"):
        store.users.delete(bob, heir=gone)
    assert dict(store.shares.of(own)) == {bob: Level.OWNER}


# Passwords


def test_a_password_opens_only_its_user_and_not_one_who_is_disabled(store: Store) -> None:
    bob = add_user(store, "Bob")
    store.users.add("Cyd", "another battery horse", Role.VIEWER)
    assert store.users.check("BOB", PASSWORD) == bob
    for name, password in (("Bob", "another battery horse"), ("Bob", ""), ("Nobody", PASSWORD), ("\ud800", "\ud800")):
        assert store.users.check(name, password) is None
    store.users.disable(bob)
    assert store.users.check("Bob", PASSWORD) is None
    store.users.enable(bob)
    assert store.users.check("Bob", PASSWORD) == bob


def test_a_password_is_kept_as_argon2id_under_a_salt_of_its_own(store: Store, folder: Path) -> None:
    for name in ("Ann", "Bob"):
        add_user(store, name)
    stored = hashes(store)
    assert all(text.startswith("$argon2id$v=19$m=8,t=1,p=1$") for text in stored.values())
    assert len(set(stored.values())) == 3
    assert not [path for path in folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert (Cost().memory_kib, Cost().passes, Cost().threads) == (9 * 1024, 4, 1)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("ninechars", "10 to 1,000 characters"),
        ("x" * 1001, "10 to 1,000 characters"),
        ("", "10 to 1,000 characters"),
        ("ANN OF CLEVES", "close to the user's name"),
        (" Ann of Cleves ", "close to the user's name"),
        ("cleves2024!", "close to the user's name"),
        ("password1234", "a common one"),
        ("P@ssw0rd1!", "a common one"),
        ("qwertyuiop", "a common one"),
        ("1q2w3e4r5t6y", "a common one"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaa", "a common one"),
        ("adreeladreel", "a common one"),
        ("Password2024!", "a common one"),
        (" " * 12, "a common one"),
    ],
)
def test_a_password_that_is_too_easy_is_refused_and_not_repeated(store: Store, password: str, reason: str) -> None:
    bob = add_user(store, "Ann of Cleves")
    for use in (
        lambda: store.users.set_password(bob, password),
        lambda: store.users.add("Ann  of  Cleves", password, Role.VIEWER),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            use()
        assert len(password) < 5 or password not in str(caught.value)
    assert store.users.check("Ann of Cleves", PASSWORD) == bob


def test_ten_characters_are_enough_and_may_be_of_any_script(store: Store) -> None:
    bob = add_user(store, "Bob")
    store.users.set_password(bob, "密码很难猜的密码七八")
    assert store.users.check("Bob", "密码很难猜的密码七八") is not None
    store.users.set_password(bob, "20111\npassword")
    assert store.users.check("Bob", "20111\npassword") is not None
    store.users.set_password(bob, "élevé à 100")
    assert store.users.check("Bob", unicodedata.normalize("NFD", "élevé à 100")) is not None
    assert store.users.check("Bob", PASSWORD) is None


def test_another_password_ends_the_users_sessions_and_tokens_but_for_what_is_to_stay(store: Store) -> None:
    bob, eve = add_user(store, "Bob"), add_user(store, "Eve")
    own_session, other_session = store.sessions.begin(bob, "here"), store.sessions.begin(bob, "there")
    (_, own), (_, other) = store.tokens.add(bob, "x", True, None), store.tokens.add(eve, "x", True, None)
    assert store.users.set_password(bob, "another battery horse", keep_tokens=True, besides=own_session) == (1, 0)
    assert (store.sessions.find(own_session) is None, store.sessions.find(other_session) is None) == (False, True)
    assert store.tokens.find(own) is not None
    assert store.users.set_password(bob, "yet another battery horse") == (1, 1)
    assert (store.sessions.find(own_session), store.tokens.find(own)) == (None, None)
    assert store.tokens.find(other) is not None


@pytest.mark.slow
def test_a_password_of_a_thousand_characters_is_judged_in_a_moment() -> None:
    spent = process_time()
    Passwords(CHEAP).hashed("4@8({[<369!1|0$5+7%2" * 50, "Ann")
    assert process_time() - spent < 5


def test_a_password_is_hashed_anew_when_it_is_used_after_its_cost_has_changed(folder: Path, clock: Clock) -> None:
    with open_people(folder, clock) as store:
        add_user(store, "Bob")
        before = hashes(store)
    with Store.open(Settings.load({"ADREEL_HOME": str(folder)}), clock=clock, cost=Cost(16, 2, 1)) as store:
        assert store.users.check("Bob", "wrong password") is None
        assert hashes(store) == before
        assert store.users.check("Bob", PASSWORD) is not None
        after = hashes(store)
        assert after["Bob"].startswith("$argon2id$v=19$m=16,t=2,p=1$")
        assert after["Ada"] == before["Ada"]
        assert store.users.check("Bob", PASSWORD) is not None
        assert hashes(store) == after


def test_an_unknown_name_costs_the_work_of_a_known_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def counted(name: str) -> None:
        real = getattr(argon2.low_level, name)

        def call(*words: object, **more: object) -> object:
            done.append(name)
            return real(*words, **more)

        monkeypatch.setattr(f"argon2._password_hasher.{name}", call)

    add_user(store, "Bob")
    counted("hash_secret")
    counted("verify_secret")
    for name, password in (("Bob", "wrong password"), ("Nobody", "wrong password"), ("Nobody", "")):
        done.clear()
        assert store.users.check(name, password) is None
        assert len(done) == 1, name


def test_a_damaged_hash_lets_nobody_in(store: Store) -> None:
    add_user(store, "Bob")
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE users SET password = 'x'")
    assert store.users.check("Bob", PASSWORD) is None


@pytest.mark.slow
def test_what_has_to_do_with_no_password_does_not_import_argon2(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import UTC, datetime\n"
        "import adreel.pipeline.run, adreel.access, adreel.cli.runs\n"
        "from adreel.settings import Settings; from adreel.store import Store\n"
        f"with Store.open(Settings.load({{'ADREEL_HOME': {str(tmp_path)!r}}}), clock=lambda: datetime.now(UTC)) as s:\n"
        "    s.users.list(); s.sessions.find('x'); s.users.any()\n"
        "print('argon2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# The workspace


def test_the_workspace_has_a_name_and_a_zone_that_can_be_changed(store: Store) -> None:
    assert store.workspace.get() == Workspace("adreel", "UTC")
    assert store.workspace.set(name=" Ads  of us ") == Workspace("Ads of us", "UTC")
    assert store.workspace.set(zone="europe/berlin") == Workspace("Ads of us", "Europe/Berlin")
    assert store.workspace.get() == Workspace("Ads of us", "Europe/Berlin")
    assert store.workspace.set(zone="America/New York").zone == "America/New_York"


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        ("Europe/Berln", "Did you mean 'Europe/Berlin'?"),
        ("", "The time zone '' is unknown. Use a name"),
        ("../UTC", "The time zone '../UTC' is unknown. Did you mean 'UTC'?"),
    ],
)
def test_a_zone_that_is_none_is_refused(store: Store, zone: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        store.workspace.set(zone=zone)
    with pytest.raises(InputError, match="cannot name a workspace"):
        store.workspace.set(name="")
    assert store.workspace.get() == Workspace("adreel", "UTC")


# The command line


@pytest.fixture
def empty(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", advertisers=1, ads=1)


def test_users_are_added_listed_changed_and_deleted(empty: Home) -> None:
    assert "adreel users add NAME --role admin" in empty.good("users", "list").stderr
    empty.good("users", "add", "Ada", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    message = empty.good("users", "add", "Bob Ross", "--password-stdin", stdin=f"{PASSWORD}\r\n").stderr
    assert "Created user 'Bob Ross'" in message
    assert PASSWORD not in message
    empty.good("users", "role", "bob ross", "Editor")
    empty.good("users", "disable", "Bob Ross")
    rows = empty.json("users", "list")
    assert [(row["name"], row["role"], row["disabled"]) for row in rows] == [
        ("Ada", "admin", False),
        ("Bob Ross", "editor", True),
    ]
    assert rows[0]["created_at"] == "2026-11-22T12:00:00Z"
    assert re.search(r"Bob Ross +editor +yes", empty.good("users", "list").stdout)
    empty.good("users", "enable", "Bob Ross")
    empty.good("users", "delete", "Bob Ross", "--yes")
    assert [row["name"] for row in empty.json("users", "list")] == ["Ada"]


def test_a_password_is_asked_for_twice_and_not_shown(empty: Home) -> None:
    done = empty.good("users", "add", "Ada", "--role", "admin", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert PASSWORD not in done.output
    with open_people(empty.path, Clock()) as store:
        assert store.users.check("Ada", PASSWORD) is not None
    code, message = empty.bad("users", "password", "Ada", stdin="")
    assert (code, "--password-stdin" in message) == (ExitCode.INPUT, True)
    code, message = empty.bad("users", "password", "Ada", "--password-stdin", stdin="\n")
    assert (code, "password on stdin is empty" in message) == (ExitCode.INPUT, True)


def test_another_password_signs_the_user_out_everywhere(empty: Home) -> None:
    empty.good("users", "add", "Ada", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    with open_people(empty.path, Clock()) as store:
        secret = store.sessions.begin(store.users.get("Ada"), "Firefox")
        message = empty.good("users", "password", "Ada", "--password-stdin", stdin="another battery horse\n").stderr
        assert "1 browser signed out, 0 API tokens revoked" in message
        assert store.sessions.find(secret) is None
        assert store.users.check("Ada", "another battery horse") is not None


def test_an_invalid_change_is_refused_with_the_reason(empty: Home) -> None:
    empty.good("users", "add", "Ada", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    for words, reason in (
        (("role", "Ada", "chief"), "'chief' is not a role. Choose one of: admin, editor, viewer."),
        (("role", "Ada", "viewer"), "last administrator"),
        (("role", "Adda", "viewer"), "Did you mean 'Ada'?"),
        (("delete", "Ada", "--yes"), "last administrator"),
        (("delete", "Ada", "--yes", "--heir", "Eve"), "User 'Eve' was not found"),
    ):
        code, message = empty.bad("users", *words)
        assert (code, reason in message) == (ExitCode.INPUT, True), message
    code, message = empty.bad("users", "add", "Eve", "--password-stdin", stdin="short\n")
    assert (code, "10 to 1,000" in message) == (ExitCode.INPUT, True)


def test_deleting_a_user_says_what_becomes_of_what_they_own(home: Home) -> None:
    home.good("users", "add", "Ada", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    home.good("users", "add", "Bob", "--role", "editor", "--password-stdin", stdin=f"{PASSWORD}\n")
    home.environ = {"ADREEL_USER": "Bob"}
    home.add_account("bobs")
    home.good("datasets", "create", "-f", home.file(account="bobs"))
    home.environ = {}
    code, message = home.bad("users", "delete", "Bob", stdin="n\n")
    assert (code, "are kept without an owner: Spend" in message, "They own bobs." in message) == (
        ExitCode.CANCELLED,
        True,
        True,
    )
    code, message = home.bad("users", "delete", "Bob", "--yes")
    assert (code, "only owner of bobs" in message) == (ExitCode.INPUT, True)
    home.good("users", "delete", "Bob", "--heir", "Ada", "--yes")
    shares = home.json("accounts", "shares", "bobs")
    assert shares == {
        "everyone": "none",
        "users": [{"user": {"id": "1", "name": "Ada"}, "role": "admin", "level": "owner"}],
    }
    assert [row["name"] for row in home.json("datasets", "list")] == ["Spend"]
