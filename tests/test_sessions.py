"""Sessions, API tokens, failed sign-ins and consents under way: the secrets of users, and how long each is good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.errors import InputError, NotFoundError
from adreel.store import Consent, Role, Store, User
from people import START, Clock, add_account, add_user, open_people


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


@pytest.fixture
def bob(store: Store) -> User:
    return add_user(store, "Bob")


def in_files(folder: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def rows(store: Store, table: str) -> int:
    with store._database.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


# Sessions


def test_a_session_is_found_by_its_secret_alone(store: Store, bob: User, folder: Path) -> None:
    secret, other = store.sessions.begin(bob, "Fire\nfox \x1b[1m" + "x" * 400), store.sessions.begin(bob, "")
    assert re.fullmatch(r"[\w-]{43}", secret)
    assert secret != other
    session = store.sessions.find(secret)
    assert session is not None
    assert (session.user_id, session.created_at, session.seen_at) == (bob.id, START, START)
    assert session.agent == ("Fire fox  [1m" + "x" * 400)[:300]
    for wrong in (secret[:-1], secret.upper(), "", "\ud800", str(session.id)):
        assert store.sessions.find(wrong) is None
    assert not in_files(folder, secret)
    assert secret not in repr(session)


def test_a_session_is_over_after_a_week_without_use_and_after_thirty_days_in_any_case(
    store: Store, bob: User, clock: Clock
) -> None:
    idle, used = store.sessions.begin(bob, "idle"), store.sessions.begin(bob, "used")
    clock.later(days=7, seconds=-1)
    assert store.sessions.find(used) is not None
    assert [session.agent for session in store.sessions.list(bob)] == ["used", "idle"]
    clock.later(seconds=1)
    assert store.sessions.find(idle) is None
    assert [session.agent for session in store.sessions.list(bob)] == ["used"]
    for _ in range(5):
        clock.later(days=4)
        assert store.sessions.find(used) is not None
    clock.now = START + timedelta(days=30, seconds=-1)
    assert store.sessions.find(used) is not None
    clock.later(seconds=1)
    assert store.sessions.find(used) is None


def test_sessions_that_are_over_are_removed_when_another_begins(
    store: Store, bob: User, clock: Clock, folder: Path
) -> None:
    for _ in range(3):
        store.sessions.begin(bob, "")
    clock.later(days=7)
    store.sessions.begin(add_user(store, "Cyd"), "")
    assert rows(store, "sessions") == 1


def test_use_is_written_down_at_most_once_a_minute(store: Store, bob: User, clock: Clock) -> None:
    secret = store.sessions.begin(bob, "")
    assert store.users.get("Bob").seen_at == START
    clock.later(seconds=59)
    store.sessions.find(secret)
    assert store.users.get("Bob").seen_at == store.sessions.list(bob)[0].seen_at == START
    clock.later(seconds=1)
    store.sessions.find(secret)
    assert store.users.get("Bob").seen_at == store.sessions.list(bob)[0].seen_at == START + timedelta(minutes=1)


def test_a_person_signs_out_here_elsewhere_or_everywhere(store: Store, bob: User) -> None:
    cyd = add_user(store, "Cyd")
    own_secret, other_secret, third, hers = (store.sessions.begin(user, "") for user in (bob, bob, bob, cyd))
    store.sessions.end(other_secret)
    store.sessions.end(other_secret)
    assert store.sessions.find(other_secret) is None
    assert store.sessions.end_all(bob, own_secret) == 1
    assert store.sessions.find(third) is None
    assert store.sessions.find(own_secret) is not None
    assert store.sessions.end_all(bob, hers) == 1
    assert store.sessions.find(own_secret) is None
    assert store.sessions.find(hers) is not None


def test_who_is_disabled_is_signed_out_for_good(store: Store, bob: User) -> None:
    secret, (_, key) = store.sessions.begin(bob, ""), store.tokens.add(bob, "ci", False, None)
    store.users.disable(bob)
    assert store.sessions.find(secret) is None
    assert store.tokens.find(key) is None
    with pytest.raises(NotFoundError, match="disabled"):
        store.sessions.begin(bob, "")
    store.users.enable(bob)
    assert store.sessions.find(secret) is None
    assert store.tokens.find(key) is not None


# API tokens


def test_an_api_token_is_shown_once_and_found_by_its_secret(
    store: Store, bob: User, clock: Clock, folder: Path
) -> None:
    token, secret = store.tokens.add(bob, "  nightly  job ", True, None)
    assert re.fullmatch(r"adreel_[\w-]{43}", secret)
    assert (token.user_id, token.name, token.read_only) == (bob.id, "nightly job", True)
    assert (token.created_at, token.expires_at, token.used_at) == (START, None, None)
    assert store.tokens.find(secret) == token
    assert not in_files(folder, secret)
    for wrong in (secret[7:], secret.lower(), "adreel_", "", "\ud800"):
        assert store.tokens.find(wrong) is None
    clock.later(seconds=59)
    store.tokens.find(secret)
    assert store.tokens.list(bob)[0].used_at == store.users.get("Bob").seen_at == START
    clock.later(days=3_000)
    assert store.tokens.find(secret) is not None
    assert store.tokens.list(bob)[0].used_at == clock.now


def test_an_api_token_is_good_for_its_days_and_stays_in_the_list(store: Store, bob: User, clock: Clock) -> None:
    token, secret = store.tokens.add(bob, "ci", False, 30)
    assert token.expires_at == START + timedelta(days=30)
    clock.later(days=30, seconds=-1)
    assert store.tokens.find(secret) is not None
    clock.later(seconds=1)
    assert store.tokens.find(secret) is None
    assert [listed.id for listed in store.tokens.list(bob)] == [token.id]


def test_only_its_user_revokes_an_api_token(store: Store, bob: User) -> None:
    cyd = add_user(store, "Cyd")
    (first, secret), (second, _) = (store.tokens.add(bob, "same name", False, None) for _ in range(2))
    with pytest.raises(NotFoundError, match="'Cyd' has no API token"):
        store.tokens.revoke(cyd, first.id)
    assert store.tokens.list(cyd) == ()
    store.tokens.revoke(bob, first.id)
    assert store.tokens.find(secret) is None
    assert store.tokens.list(bob) == (second,)
    with pytest.raises(NotFoundError, match="already be revoked"):
        store.tokens.revoke(bob, first.id)


@pytest.mark.parametrize(("name", "days"), [("ci", 0), ("ci", -1), ("ci", 3_651), ("", 1), ("x" * 101, 1)])
def test_an_api_token_that_cannot_be_is_refused(store: Store, bob: User, name: str, days: int) -> None:
    with pytest.raises(InputError, match="API token"):
        store.tokens.add(bob, name, True, days)
    assert store.tokens.list(bob) == ()


# Failed sign-ins

HERE, THERE = "192.0.2.7", "198.51.100.9"


def fail(store: Store, times: int, name: str = "bob", address: str = HERE) -> float:
    for _ in range(times):
        store.attempts.note(name, address)
    return store.attempts.allowed(name, address)


def test_from_the_fifth_failure_on_the_same_name_and_address_waits_longer_and_longer(
    store: Store, clock: Clock
) -> None:
    assert fail(store, 4) == 0
    for wait in (60, 120, 240, 480, 900, 900, 900):
        assert fail(store, 1) == wait
        clock.later(seconds=wait - 1)
        assert store.attempts.allowed("bob", HERE) == 1
        clock.later(seconds=1)
        assert store.attempts.allowed("bob", HERE) == 0


def test_a_name_is_counted_in_any_case_and_one_name_or_address_does_not_hold_up_another(store: Store) -> None:
    assert fail(store, 3, "Bob") == 0
    assert fail(store, 2, " BOB ") == 60
    assert store.attempts.allowed("bob", THERE) == store.attempts.allowed("cyd", HERE) == 0


def test_failures_that_lie_far_apart_make_nobody_wait(store: Store, clock: Clock) -> None:
    for _ in range(12):
        assert fail(store, 1) == 0
        clock.later(minutes=4)


def test_a_wait_that_is_long_over_is_forgotten_and_one_that_is_not_is_doubled(store: Store, clock: Clock) -> None:
    assert fail(store, 5) == 60
    clock.later(minutes=16, seconds=-1)
    assert fail(store, 1) == 120
    clock.later(minutes=17)
    assert fail(store, 4) == 0
    assert fail(store, 1) == 60


def test_fifty_failures_of_one_address_hold_up_all_its_names(store: Store, clock: Clock) -> None:
    for number in range(49):
        store.attempts.note(f"user {number}", HERE)
        clock.later(seconds=1)
    assert store.attempts.allowed("somebody", HERE) == 0
    store.attempts.note("one more", HERE)
    assert store.attempts.allowed("somebody", HERE) == 15 * 60 - 49
    assert store.attempts.allowed("somebody", THERE) == 0
    clock.later(seconds=15 * 60 - 49)
    assert store.attempts.allowed("somebody", HERE) == 0


@pytest.mark.slow
def test_many_addresses_that_guess_one_name_are_slowed_from_the_first_failure_on_and_its_owner_is_not(
    store: Store, clock: Clock
) -> None:
    for number in range(20):
        assert fail(store, 1, address=f"10.0.0.{number}") == 0
    for number in range(20, 200):
        assert fail(store, 1, address=f"10.0.0.{number}") == 60
    assert store.attempts.allowed("bob", THERE) == 0
    assert fail(store, 1, "cyd", THERE) == 0
    clock.later(minutes=15)
    assert fail(store, 4, address=THERE) == 0


def test_who_has_signed_in_begins_anew_at_that_address_only(store: Store) -> None:
    fail(store, 6)
    fail(store, 5, address=THERE)
    store.attempts.clear("Bob", HERE)
    assert store.attempts.allowed("bob", HERE) == 0
    assert fail(store, 4) == 0
    assert store.attempts.allowed("bob", THERE) == 60


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("2001:db8:1:2::5", "2001:db8:1:2:ffff::9", "2001:db8:1:3::5"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("fe80::1%eth0", "fe80::2%eth1", "2001:db8::1"),
        ("testclient", "testclient", ""),
    ],
)
def test_one_household_counts_as_one_address(store: Store, address: str, same: str, other: str) -> None:
    assert fail(store, 5, address=address) == 60
    assert store.attempts.allowed("bob", same) == 60
    assert store.attempts.allowed("bob", other) == 0


def test_what_was_typed_as_a_name_is_in_no_file_and_old_failures_go(store: Store, clock: Clock, folder: Path) -> None:
    store.attempts.note("my password by mistake", HERE)
    assert not in_files(folder, "my password by mistake")
    clock.later(minutes=30)
    store.attempts.note("\ud800", HERE)
    assert rows(store, "attempts") == 1


@pytest.mark.slow
def test_no_more_guesses_get_through_than_the_limits_allow(store: Store, clock: Clock) -> None:
    """However a guesser spaces them: five in a quarter of an hour, then none before its wait is over."""
    guessers = count()

    @given(st.lists(st.sampled_from([0, 1, 30, 60, 61, 120, 240, 480, 600, 899, 900, 901, 1_800]), max_size=25))
    def guess(gaps: list[int]) -> None:
        name, through = f"guesser {next(guessers)}", list[datetime]()
        for gap in gaps:
            clock.later(seconds=gap)
            if store.attempts.allowed(name, name) == 0:
                store.attempts.note(name, name)
                through.append(clock.now)
        for first, sixth in zip(through, through[5:], strict=False):
            assert sixth - first >= timedelta(minutes=1)
        for number, at in enumerate(through):
            assert len([later for later in through[number:] if later - at < timedelta(minutes=15)]) <= 8

    guess()


# Consents


def taken(store: Store, state: str, session: str) -> str:
    with pytest.raises(InputError) as caught:
        store.consents.take(state, session)
    return str(caught.value)


def test_a_consent_is_taken_once_by_the_browser_that_began_it(
    store: Store, bob: User, clock: Clock, folder: Path
) -> None:
    account = add_account(store, user=bob)
    store.consents.begin("state-1", "session", bob, None, " New  shop ")
    store.consents.begin("state-2", "session", bob, account, None)
    assert not in_files(folder, "state-1")
    clock.later(minutes=15)
    assert "another browser" in taken(store, "state-1", "other session")
    assert store.consents.take("state-1", "session") == Consent(bob.id, None, "New shop", START)
    assert store.consents.take("state-2", "session") == Consent(bob.id, account.id, None, START)
    assert "already used" in taken(store, "state-1", "session")


def test_a_consent_that_is_unknown_or_too_old_says_so(store: Store, bob: User, clock: Clock, folder: Path) -> None:
    store.consents.begin("state", "session", bob, None, "shop")
    assert "no connection started here" in taken(store, "stat", "session")
    assert "no connection started here" in taken(store, "\ud800", "session")
    clock.later(minutes=15, seconds=1)
    assert "more than 15 minutes ago" in taken(store, "state", "session")
    sentences = {taken(store, "state", "session"), taken(store, "x", "session"), taken(store, "state", "x")}
    assert len(sentences) == 3
    clock.later(days=1)
    store.consents.begin("state-2", "session", bob, None, "shop")
    assert rows(store, "consents") == 1


def test_a_consent_for_an_account_that_was_deleted_meanwhile_connects_nothing(store: Store, bob: User) -> None:
    account = add_account(store, user=bob)
    store.consents.begin("state", "session", bob, account, None)
    store.accounts.delete(account)
    assert "no connection" in taken(store, "state", "session")
    with pytest.raises(InputError, match="cannot name an account"):
        store.consents.begin("state-3", "session", bob, None, "")


def test_the_secrets_of_one_kind_open_nothing_of_another(store: Store, bob: User) -> None:
    session, (_, token) = store.sessions.begin(bob, ""), store.tokens.add(bob, "ci", False, None)
    assert store.tokens.find(session) is None
    assert store.sessions.find(token) is None
    assert add_user(store, "Vic", Role.VIEWER).seen_at is None
