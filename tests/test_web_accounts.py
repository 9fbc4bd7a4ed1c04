"""The pages of accounts: the list, one account, its advertisers, sharing, deleting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from adreel.simulator import access_token
from adreel.store import Account, AccountStatus, AdvertiserInfo, Level, Role, RunOutcome, RunState, new_run_id
from home import Home, copied, make_home
from web_home import Site, Visit, open_site, path_of, words_of


def names(page: str) -> list[str]:
    """The accounts of the list, in its order."""
    return re.findall(r'<td class="cell-name"><a href="/accounts/\d+">([^<]*)</a>', page)


def add_account(site: Site, name: str, **more: Any) -> Account:
    """An account that nothing is asked about."""
    return site.store.accounts.add(name, token="t", app_id="1", base_url="http://tiktok.test", **more)


def dataset(site: Site, account: Account, name: str) -> Any:
    return site.store.datasets.create(name, account=account, spec='{"report": "ads"}')


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    with open_site(make_home(tmp_path_factory.mktemp("full") / "home")) as site:
        ada, bob = site.user("ada"), site.user("bob")
        alpha = add_account(site, "Alpha", owner="Berlin Office", user=ada)
        site.home.now += timedelta(days=40)
        beta = add_account(site, "beta", owner="Paris Office", user=bob)
        site.home.now += timedelta(days=3)
        gamma = add_account(site, "Gamma", user=ada)
        site.store.shares.set(gamma, bob, Level.OWNER)
        add_account(site, "delta")
        site.store.accounts.set_status(beta, AccountStatus.EXPIRED)
        dataset(site, alpha, "Spend of Alpha")
        dataset(site, gamma, "Clicks")
        dataset(site, gamma, "Ads")
    return site.home


@pytest.fixture
def full(full_home: Home, tmp_path: Path) -> Iterator[Site]:
    """Four accounts: of ada, bob, both and nobody; made a month apart."""
    with open_site(copied(full_home, tmp_path / "home")) as site:
        yield site


# -- the list


def test_the_list_shows_owner_user_datasets_and_status_of_each_account(full: Site) -> None:
    page_text = words_of(full.visit("admin").good("/accounts"))
    assert "Alpha ada TikTok user: Berlin Office 1 dataset Spend of Alpha" in page_text
    assert "beta bob TikTok user: Paris Office Not used" in page_text
    assert "Gamma ada, bob 2 datasets Ads Clicks" in page_text
    assert "delta Administrators Not used" in page_text
    assert "Expired The access token has expired. Reconnect the account" in page_text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["Alpha", "beta", "delta", "Gamma"]),
        ({"q": "GAM"}, ["Gamma"]),
        ({"q": "office ada"}, ["Alpha"]),
        ({"owner": "none"}, ["delta"]),
        ({"owner": "tiktok:Paris Office"}, ["beta"]),
        ({"used": "used"}, ["Alpha", "Gamma"]),
        ({"used": "unused"}, ["beta", "delta"]),
        ({"status": "expired"}, ["beta"]),
        ({"status": "revoked"}, []),
        ({"updated": "1"}, ["beta", "delta", "Gamma"]),
        ({"updated": "older"}, ["Alpha"]),
        ({"used": "used", "status": "valid", "q": "a"}, ["Alpha", "Gamma"]),
        ({"sort": "-name"}, ["Gamma", "delta", "beta", "Alpha"]),
        ({"sort": "created"}, ["delta", "Gamma", "beta", "Alpha"]),
        ({"sort": "-created"}, ["Alpha", "beta", "delta", "Gamma"]),
        ({"sort": "status"}, ["Alpha", "delta", "Gamma", "beta"]),
        ({"sort": "-status"}, ["beta", "Alpha", "delta", "Gamma"]),
        ({"sort": "datasets"}, ["Gamma", "Alpha", "beta", "delta"]),
        ({"status": "no such", "sort": "no such", "used": "?", "updated": "x", "page": 99}, None),
    ],
)
def test_the_list_is_searched_filtered_and_sorted(
    full: Site, query: dict[str, Any], expected: list[str] | None
) -> None:
    # Within one time the names decide.
    if query.get("sort") in ("created", "-created"):
        full.home.now += timedelta(hours=1)
    page = full.visit("admin").good("/accounts", **query)
    assert names(page) == (["Alpha", "beta", "delta", "Gamma"] if expected is None else expected)


def test_the_filter_by_owner_knows_me_and_others(full: Site) -> None:
    bob = full.store.users.get("bob")
    visit = full.visit("bob")
    full.store.shares.set_everyone(full.store.accounts.get("Alpha"), Level.READ)
    assert names(visit.good("/accounts")) == ["Alpha", "beta", "Gamma"]
    assert names(visit.good("/accounts", owner="me")) == ["beta", "Gamma"]
    admin = full.visit("admin")
    assert names(admin.good("/accounts", owner=str(bob.id))) == ["beta", "Gamma"]
    assert f'<option value="{bob.id}" selected>bob</option>' in admin.good("/accounts", owner=str(bob.id))
    # What cannot be the number of a user is no filter, however long it is.
    assert names(admin.good("/accounts", owner="9" * 5000)) == names(admin.good("/accounts"))


def test_filters_update_a_part_of_the_page_and_are_in_its_address(full: Site) -> None:
    visit = full.visit("admin")
    part = visit.fragment("GET", "/accounts", {"used": "used", "sort": "-name"}).text
    assert part.lstrip().startswith('<div id="accounts" ')
    assert names(part) == ["Gamma", "Alpha"]
    assert "/accounts?used=used&amp;sort=datasets" in part
    assert 'aria-sort="descending"><a class="sort" id="sort-name" href="/accounts?used=used">Name' in part
    none = visit.fragment("GET", "/accounts", {"q": "nothing like it"}).text
    assert "No accounts match these filters." in words_of(none)


def test_a_page_has_fifty_accounts(site: Site) -> None:
    for number in range(54):
        add_account(site, f"client {number:02}")
    visit = site.visit("admin")
    first, second = visit.good("/accounts"), visit.good("/accounts", page=2)
    assert (len(names(first)), len(names(second))) == (50, 5)
    assert not set(names(first)) & set(names(second))
    assert 'href="/accounts?page=2"' in first
    assert "Page 2 of 2" in words_of(second)
    assert names(visit.good("/accounts", page=-3)) == names(first)


def test_the_list_asks_as_many_questions_for_a_hundred_accounts_as_for_one(site: Site) -> None:
    visit, ada = site.visit("admin"), site.user("ada")
    dataset(site, add_account(site, "client", user=ada), "set")
    few = counted(site, visit, "/accounts")
    for number in range(100):
        dataset(site, add_account(site, f"client {number}", user=ada), f"set {number}")
    assert counted(site, visit, "/accounts") == few


def counted(site: Site, visit: Visit, path: str) -> int:
    """How many statements the database gets for a page."""
    asked = 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    engine = site.store._database.backend.reading
    sqlalchemy.event.listen(engine, "before_cursor_execute", count)
    visit.good(path)
    sqlalchemy.event.remove(engine, "before_cursor_execute", count)
    return asked


def test_a_failing_dataset_is_shown_in_the_list_and_on_the_account(full: Site) -> None:
    saved = full.store.datasets.get("clicks")
    run = full.store.runs.add(saved, new_run_id())
    full.store.runs.begin(run.id)
    full.store.runs.finish(
        run.id, RunOutcome(RunState.FAILED, error="TikTok refused <b>it</b>.", error_kind="StopError")
    )
    visit = full.visit("admin")
    assert "2 datasets, 1 failing" in words_of(visit.good("/accounts"))
    page = visit.good(f"/accounts/{full.store.accounts.get('Gamma').id}")
    assert "TikTok refused &lt;b&gt;it&lt;/b&gt;." in page
    assert words_of(page).index("Clicks") < words_of(page).index("Ads")


def test_people_see_only_accounts_that_are_shared_with_them(full: Site) -> None:
    visit = full.visit("ada")
    assert names(visit.good("/accounts")) == ["Alpha", "Gamma"]
    beta = full.store.accounts.get("beta")
    assert visit.get(f"/accounts/{beta.id}").status_code == 404
    for action in ("rename", "reconnect", "token", "refresh", "advertisers", "share", "delete"):
        assert visit.post(f"/accounts/{beta.id}/{action}", {"name": "mine"}).status_code == 404, action
    assert full.store.accounts.get(beta.id) == beta
    full.user("eve", Role.VIEWER)
    page_text = words_of(full.visit("eve").good("/accounts"))
    assert "No accounts shared with you" in page_text


def test_names_with_markup_are_shown_as_they_are(site: Site) -> None:
    evil = '<img src=x onerror="alert(1)">'
    account = add_account(site, evil, owner=evil)
    dataset(site, account, evil)
    site.store.accounts.save_advertisers(account, [AdvertiserInfo("7", evil, "EUR", "Etc/GMT+8", evil, evil)])
    visit = site.visit("admin")
    for path in ("/accounts", f"/accounts/{account.id}", f"/accounts/{account.id}/delete"):
        page = visit.good(path)
        assert "<img" not in page
        assert "&lt;img" in page


# -- one account


def test_an_account_is_renamed_and_its_datasets_follow(full: Site) -> None:
    visit, account = full.visit("ada"), full.store.accounts.get("Alpha")
    assert path_of(visit.sent(f"/accounts/{account.id}/rename", {"name": " Alpha  Inc "})) == f"/accounts/{account.id}"
    assert "Renamed Alpha to Alpha Inc" in words_of(visit.good(f"/accounts/{account.id}"))
    assert full.store.datasets.get("spend_of_alpha").account_name == "Alpha Inc"
    taken = visit.post(f"/accounts/{account.id}/rename", {"name": "beta"})
    assert taken.status_code == 409
    assert "There is an account 'beta' already" in words_of(taken.text)
    assert 'value="beta"' in taken.text
    assert 'aria-invalid="true"' in taken.text


def test_the_list_of_advertisers_is_refreshed(site: Site) -> None:
    visit, account = site.visit("admin"), site.store.accounts.get("demo")
    gone = site.store.accounts.advertisers(account)[0]
    site.home.door("remove", {"advertiser_id": gone.advertiser_id, "listed": False})
    visit.sent(f"/accounts/{account.id}/refresh")
    page_text = words_of(visit.good(f"/accounts/{account.id}"))
    assert "Synced: 2 ad accounts." in page_text
    assert "Access removed" in page_text


def test_an_account_without_advertisers_is_reported(site: Site) -> None:
    visit, account = site.visit("admin"), site.store.accounts.get("demo")
    assert "has access to 0 ad accounts" not in visit.words(f"/accounts/{account.id}")
    site.home.door("trouble", {"kind": "data", "value": '{"list":[]}', "path": "oauth2/advertiser/get"})
    visit.sent(f"/accounts/{account.id}/refresh")
    assert "This connection has access to 0 ad accounts." in visit.words(f"/accounts/{account.id}")


def test_a_revoked_token_is_shown_on_the_account_and_stored(site: Site) -> None:
    visit, account = site.visit("admin"), site.store.accounts.get("demo")
    site.home.door("revoke", {"token": site.home.token})
    answer = visit.post(f"/accounts/{account.id}/refresh")
    assert answer.status_code == 409
    page_text = words_of(answer.text)
    assert "TikTok code 40105" in page_text
    assert "TikTok refused the access token. Reconnect the account" in page_text
    assert site.store.accounts.get("demo").status is AccountStatus.REVOKED


def ids(site: Site, account: Account) -> list[str]:
    return [advertiser.advertiser_id for advertiser in site.store.accounts.advertisers(account) if not advertiser.gone]


def test_advertisers_are_selected_excluded_and_reset(site: Site) -> None:
    visit, account = site.visit("admin"), site.store.accounts.get("demo")
    first, second, third = ids(site, account)
    path = f"/accounts/{account.id}/advertisers"

    def selection() -> tuple[str, ...] | None:
        return site.store.accounts.get("demo").selection

    visit.sent(path, {"choice": "only", "advertiser": [first, second]})
    assert (selection(), ids(site, account)) == ((first, second), [first, second])
    assert "Excluded" in words_of(visit.good(f"/accounts/{account.id}"))
    visit.sent(path, {"choice": "without", "advertiser": [first]})
    assert selection() == (second,)
    nothing = visit.post(path, {"choice": "without", "advertiser": [second]})
    assert (nothing.status_code, "Keep at least one ad account" in words_of(nothing.text)) == (422, True)
    visit.sent(path, {"choice": "add", "ids": f"{third}; {first}"})
    assert selection() == (second, third, first)
    visit.sent(path, {"choice": "all"})
    assert (selection(), ids(site, account)) == (None, [first, second, third])
    visit.sent(path, {"choice": "without", "advertiser": [third]})
    assert selection() == (first, second)


def test_advertisers_that_cannot_be_read_are_refused(site: Site) -> None:
    visit, account = site.visit("admin"), site.store.accounts.get("demo")
    path = f"/accounts/{account.id}/advertisers"
    unknown = visit.post(path, {"choice": "only", "ids": "12345"})
    assert (unknown.status_code, "no details of ad account 12345" in words_of(unknown.text)) == (409, True)
    assert ">12345</textarea>" in unknown.text
    wrong = visit.post(path, {"choice": "only", "ids": "abc"})
    assert (wrong.status_code, "'abc' is not a valid ad account ID" in words_of(wrong.text)) == (422, True)
    none = visit.post(path, {"choice": "only"})
    assert (none.status_code, "Select ad accounts in the list" in words_of(none.text)) == (422, True)
    assert site.store.accounts.get("demo") == account


def test_advertisers_are_searched_and_paged(site: Site) -> None:
    account = add_account(site, "many")
    every = [AdvertiserInfo(str(1000 + n), f"Shop {n:03}", "EUR", "Etc/GMT+8", "", "STATUS_ENABLE") for n in range(120)]
    site.store.accounts.save_advertisers(account, every)
    visit = site.visit("admin")
    path = f"/accounts/{account.id}"
    assert visit.good(path).count('name="advertiser"') == 50
    assert visit.good(path, page=3).count('name="advertiser"') == 20
    part = visit.fragment("GET", path, {"q": "shop 007"}).text
    assert part.lstrip().startswith('<div id="advertiser-list">')
    assert "1007" in words_of(part)
    assert part.count('name="advertiser"') == 1
    assert "No ad accounts match this search." in words_of(visit.fragment("GET", path, {"q": "none"}).text)


def test_an_account_whose_key_is_lost_can_be_viewed_and_deleted(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.add_account()
    (home.path / "secret.key").unlink()
    home.environ = {"ADREEL_TIKTOK_APP_ID": "", "ADREEL_TIKTOK_SECRET": ""}
    with open_site(home) as site:
        visit = site.visit("admin")
        assert "was encrypted with a key that is not in" in words_of(visit.good("/accounts/1"))
        answer = visit.post("/accounts/1/delete", {"revoke": "yes"})
        assert (answer.status_code, "The account was not deleted." in words_of(answer.text)) == (422, True)
        visit.sent("/accounts/1/delete")


# -- sharing


def test_an_owner_shares_an_account_and_removes_the_share(full: Site) -> None:
    visit, alpha, bob = full.visit("ada"), full.store.accounts.get("Alpha"), full.store.users.get("bob")
    path = f"/accounts/{alpha.id}/share"
    assert full.visit("bob").get(f"/accounts/{alpha.id}").status_code == 404
    visit.sent(path, {"user": bob.id, "level": "read"})
    other = full.visit("bob")
    page = other.good(f"/accounts/{alpha.id}")
    assert "Your access Read: Can use it in datasets" in words_of(page)
    assert "Rename" not in page
    assert "Delete account" not in page
    visit.sent(path, {"user": bob.id, "level": "none"})
    assert full.visit("bob").get(f"/accounts/{alpha.id}").status_code == 404
    visit.sent(path, {"user": "everyone", "level": "share"})
    assert full.store.shares.everyone(alpha) is Level.SHARE
    assert "Share with…" in words_of(full.visit("bob").good(f"/accounts/{alpha.id}"))


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ({"user": "ada", "level": "read"}, 422, "Select a user."),
        ({"user": "999", "level": "read"}, 404, "User '999' was not found"),
        ({"user": "{bob}", "level": "all"}, 422, "Select an access level."),
        ({"user": "{ada}", "level": "read"}, 422, "'ada' is the last owner of the account 'Alpha'"),
        ({"user": "everyone", "level": "owner"}, 422, "Everyone cannot own an account; choose users as its owners."),
        ({"user": "{eve}", "level": "owner"}, 422, "'eve' is a viewer and cannot own an account"),
    ],
)
def test_a_refused_share_is_explained_at_the_form(full: Site, form: dict[str, str], status: int, message: str) -> None:
    full.user("eve", Role.VIEWER)
    alpha = full.store.accounts.get("Alpha")
    numbers = {user.name: user.id for user in full.store.users.list()}
    answer = full.visit("ada").post(
        f"/accounts/{alpha.id}/share", {key: value.format(**numbers) for key, value in form.items()}
    )
    assert answer.status_code == status
    assert message in words_of(answer.text)
    assert {user.name: level for user, level in full.store.shares.of(alpha).items()} == {"ada": Level.OWNER}


def test_a_user_shares_no_more_than_their_own_level(full: Site) -> None:
    alpha, bob, eve = full.store.accounts.get("Alpha"), full.store.users.get("bob"), full.user("eve", Role.VIEWER)
    full.store.shares.set(alpha, bob, Level.SHARE)
    visit = full.visit("bob")
    page = visit.good(f"/accounts/{alpha.id}")
    assert '<option value="edit">' not in page
    assert visit.post(f"/accounts/{alpha.id}/share", {"user": eve.id, "level": "edit"}).status_code == 403
    ada = full.store.users.get("ada")
    assert visit.post(f"/accounts/{alpha.id}/share", {"user": ada.id, "level": "none"}).status_code == 403
    visit.sent(f"/accounts/{alpha.id}/share", {"user": eve.id, "level": "share"})
    page_text = words_of(visit.good(f"/accounts/{alpha.id}"))
    assert "The role viewer limits it to read." in page_text
    for action in ("rename", "reconnect", "token", "advertisers", "delete"):
        assert visit.post(f"/accounts/{alpha.id}/{action}", {"name": "x"}).status_code == 403, action


def test_a_user_who_removes_their_own_share_goes_to_the_list(full: Site) -> None:
    alpha, bob = full.store.accounts.get("Alpha"), full.store.users.get("bob")
    full.store.shares.set(alpha, bob, Level.SHARE)
    visit = full.visit("bob")
    assert visit.sent(f"/accounts/{alpha.id}/share", {"user": bob.id, "level": "none"}) == "/accounts"


def test_a_viewer_sees_an_account_and_no_way_to_change_it(full: Site) -> None:
    alpha, eve = full.store.accounts.get("Alpha"), full.user("eve", Role.VIEWER)
    full.store.shares.set(alpha, eve, Level.EDIT)
    visit = full.visit("eve")
    page = visit.good(f"/accounts/{alpha.id}")
    assert "<button" not in page.partition('<main id="content"')[2].replace("<noscript><button", "")
    assert "/datasets/new" not in page
    for action in ("rename", "reconnect", "token", "refresh", "advertisers", "share", "delete"):
        assert visit.post(f"/accounts/{alpha.id}/{action}", {"name": "x"}).status_code == 403, action


# -- deleting


def test_deleting_names_the_datasets_that_stop_and_asks(site: Site) -> None:
    account = site.store.accounts.get("demo")
    site.home.good("run", "-f", site.home.file(metrics=["spend"]))
    visit = site.visit("admin")
    page_text = words_of(visit.good(f"/accounts/{account.id}/delete"))
    assert "Delete account demo?" in page_text
    assert "This dataset keeps its data and stops updating until you select another account: Spend" in page_text
    assert site.store.accounts.get("demo") == account
    assert visit.sent(f"/accounts/{account.id}/delete") == "/accounts"
    assert "Deleted account demo." in words_of(visit.good("/accounts"))
    assert site.store.accounts.list() == ()
    assert not site.store.datasets.get("spend").connected
    assert site.home.rows("select count(*) as n from spend")[0]["n"] > 0
    # The grant itself still holds.
    site.home.add_account("again")


def test_deleting_can_end_the_grant_at_tiktok(site: Site) -> None:
    account, visit = site.store.accounts.get("demo"), site.visit("admin")
    visit.sent(f"/accounts/{account.id}/delete", {"revoke": "yes"})
    assert "Deleted account demo. Its token was revoked at TikTok." in words_of(visit.good("/accounts"))
    again = visit.post("/accounts/token", {"name": "again", "token": site.home.token})
    assert again.status_code == 409


def test_an_account_whose_token_was_revoked_before_can_be_deleted(site: Site) -> None:
    account, visit = site.store.accounts.get("demo"), site.visit("admin")
    site.home.door("revoke", {"token": site.home.token})
    visit.sent(f"/accounts/{account.id}/delete", {"revoke": "yes"})
    assert "Its token was already invalid" in words_of(visit.good("/accounts"))
    assert site.store.accounts.list() == ()


def test_an_account_stays_if_tiktok_cannot_end_its_grant(site: Site) -> None:
    account, visit = site.store.accounts.get("demo"), site.visit("admin")
    site.home.door("trouble", {"kind": "code", "code": 40118, "path": "revoke_token"})
    answer = visit.post(f"/accounts/{account.id}/delete", {"revoke": "yes"})
    assert answer.status_code == 502
    assert "The account was not deleted." in words_of(answer.text)
    assert site.store.accounts.get("demo") == account


def test_pages_and_cookies_contain_no_tokens(site: Site) -> None:
    account, visit = site.store.accounts.get("demo"), site.visit("admin")
    pages = [visit.get(path) for path in ("/accounts", f"/accounts/{account.id}", "/workspace", "/query")]
    pages.append(visit.post(f"/accounts/{account.id}/token", {"token": access_token(site.home.config, [1])}))
    for answer in pages:
        assert site.home.token not in answer.text + str(answer.headers)
        assert site.home.config.secret not in answer.text + str(answer.headers)
