"""`adreel accounts` on the command line: consent, tokens, names, and the advertisers that TikTok lists."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from cryptography.fernet import Fernet

from adreel.errors import ExitCode
from home import Home, environment_of, make_home, served


@pytest.fixture
def empty(tmp_path: Path) -> Home:
    """A home without an account."""
    return make_home(tmp_path / "home", advertisers=4, ads=2)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Connecting:
    """`adreel accounts connect` in a process of its own, which has printed the URL of the consent page."""

    process: subprocess.Popen[str]
    page: str
    redirect: str
    printed: str

    def submit(self, decision: str = "allow", ids: list[str] | None = None) -> str:
        """Submits the form of the consent page; returns the URL of TikTok's redirect."""
        form = httpx2.get(self.page).text
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
        ticked = re.findall(r'value="(\d+)" checked', form) if ids is None else ids
        response = httpx2.post(
            self.page.partition("?")[0], data={**hidden, "advertiser_id": ticked, "decision": decision}
        )
        assert response.status_code in (302, 303)
        return str(response.headers["location"])

    def end(self) -> tuple[int, str, str]:
        stdout, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stdout, self.printed + stderr


@contextmanager
def connecting(home: Home, url: str, *words: str) -> Iterator[Connecting]:
    redirect = f"http://localhost:{free_port()}/callback"
    process = subprocess.Popen(
        [sys.executable, "-c", "from adreel.cli import main; main()", "accounts", *words, "--no-browser"],
        env=environment_of(home, url) | {"ADREEL_TIKTOK_REDIRECT_URL": redirect},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        printed, page = "", process.stderr.readline()
        while page and not page.startswith(url):
            printed, page = printed + page, process.stderr.readline()
        assert page, printed
        yield Connecting(process, page.strip(), redirect, printed)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_connect_adds_an_account_through_the_consent_page(empty: Home) -> None:
    with served(empty.config) as url, connecting(empty, url, "connect", "shop") as work:
        query = parse_qs(urlsplit(work.page).query)
        # Exactly as the app has it: for TikTok localhost and 127.0.0.1 are two addresses.
        assert query["redirect_uri"] == [work.redirect]
        assert len(query["state"][0]) >= 32
        back = work.submit()
        wrong = httpx2.get(re.sub(r"state=[^&]+", "state=of-another-user", back))
        assert (wrong.status_code, "another consent" in wrong.text) == (400, True)
        assert "Connected" in httpx2.get(back).text
        code, stdout, stderr = work.end()
    assert code == ExitCode.OK, stderr
    assert "Connected account 'shop', granted by Media Team 1." in stderr
    assert "log out of TikTok there first" in stderr
    account = empty.json("accounts", "list")[0]
    assert (account["name"], account["status"], account["advertiser_count"]) == ("shop", "valid", 3)
    advertisers = empty.door("state")["advertisers"]
    closed = next(advertiser for advertiser in advertisers if advertiser["kind"] == "no_permission")
    assert closed["advertiser_id"] not in stdout
    assert empty.token not in stdout + stderr


def test_a_consent_that_is_refused_connects_nothing(empty: Home) -> None:
    with served(empty.config) as url, connecting(empty, url, "connect", "shop") as work:
        page = httpx2.get(work.submit("refuse"))
        assert (page.status_code, "refused or cancelled" in page.text) == (403, True)
        code, stdout, stderr = work.end()
    assert (code, stdout) == (ExitCode.RECONNECT, "")
    assert "the consent was refused or cancelled" in stderr
    assert empty.json("accounts", "list") == []


def test_the_redirect_can_be_pasted_from_another_machine(empty: Home) -> None:
    with served(empty.config) as url, connecting(empty, url, "connect", "shop", "--paste") as work:
        ids = [advertiser["advertiser_id"] for advertiser in empty.door("state")["advertisers"]][:1]
        assert work.process.stdin is not None
        work.process.stdin.write(f"  {work.submit(ids=ids)}\n")
        code, stdout, stderr = work.end()
    assert code == ExitCode.OK, stderr
    assert ids[0] in stdout
    assert empty.json("accounts", "list")[0]["advertiser_count"] == 1


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("http://localhost:1/callback?auth_code=x&state=other", "belongs to another consent"),
        ("http://localhost:1/callback?auth_code=x", "has no state"),
        ("", "has no state"),
    ],
)
def test_a_pasted_address_of_another_consent_connects_nothing(empty: Home, pasted: str, message: str) -> None:
    code, stderr = empty.bad("accounts", "connect", "shop", "--paste", "--no-browser", stdin=f"{pasted}\n")
    assert (code, message in stderr) == (ExitCode.INPUT, True), stderr
    assert empty.json("accounts", "list") == []


def test_a_redirect_address_of_another_machine_asks_for_the_paste(empty: Home) -> None:
    empty.environ = {"ADREEL_TIKTOK_REDIRECT_URL": "https://example.test/callback"}
    code, stderr = empty.bad("accounts", "connect", "shop", "--no-browser")
    assert (code, "paste the address" in stderr) == (ExitCode.INPUT, True)


def test_an_account_can_be_reconnected_through_the_consent_page(empty: Home) -> None:
    empty.add_account("shop", advertisers=[0])
    with served(empty.config) as url, connecting(empty, url, "reconnect", "shop") as work:
        httpx2.get(work.submit())
        code, _, stderr = work.end()
    assert code == ExitCode.OK, stderr
    assert empty.json("accounts", "list")[0]["advertiser_count"] == 3


def test_a_token_on_stdin_creates_an_account_and_stays_secret(empty: Home) -> None:
    result = empty.good("accounts", "add", "shop", "--token-stdin", stdin=f"{empty.token}\n")
    assert "note: TikTok returned no details of" in result.stderr
    assert "No access" in result.stdout
    assert "No permission" not in result.output, "the note and the table say it"
    empty.now += timedelta(minutes=10)
    planned = empty.good("plan", "-f", empty.file(account="shop")).stderr
    assert planned.count("cannot be read") == 1
    assert "No permission" not in planned
    assert "Nordlicht Möbel GmbH" in result.stdout
    assert empty.token not in result.output
    assert empty.token.encode() not in b"".join(path.read_bytes() for path in empty.path.rglob("*") if path.is_file())


def test_advertisers_named_by_hand_need_no_app(empty: Home) -> None:
    empty.environ = {"ADREEL_TIKTOK_APP_ID": "", "ADREEL_TIKTOK_SECRET": ""}
    first, second, *_ = [advertiser["advertiser_id"] for advertiser in empty.door("state")["advertisers"]]
    words = ("--token-stdin", "--advertisers", f"{first}, {second},")
    empty.good("accounts", "add", "shop", *words, stdin=f"{empty.token}\n")
    advertisers = empty.json("accounts", "advertisers", "shop")
    assert [advertiser["id"] for advertiser in advertisers] == [first, second]
    report = empty.json("run", "-f", empty.file(account="shop", metrics=["spend"]))
    assert report["state"] == "verified"
    assert not empty.requests("oauth2")
    empty.good("accounts", "reconnect", "shop", "--token-stdin", stdin=f"{empty.token}\n")


def test_an_account_uses_its_own_app_and_not_that_of_another_account(home: Home) -> None:
    home.environ = {"ADREEL_TIKTOK_APP_ID": "123", "ADREEL_TIKTOK_SECRET": "of-another-app"}
    assert len(home.json("accounts", "advertisers", "demo")) == 3
    home.environ = {"ADREEL_TIKTOK_SECRET": "rotated-but-wrong"}
    assert home.bad("accounts", "advertisers", "demo")[0] == ExitCode.RECONNECT


def test_an_account_keeps_its_own_address_without_any_setting(home: Home) -> None:
    names = ("URL", "AUTH_URL", "APP_ID", "SECRET")
    home.environ = {f"ADREEL_TIKTOK_{name}": "" for name in names}
    home.later(1)
    assert home.json("run", "-f", home.file(metrics=["spend"]))["state"] == "verified"
    home.good("accounts", "reconnect", "demo", "--token-stdin", stdin=f"{home.token}\n")
    assert len(home.json("accounts", "advertisers", "demo")) == 3


def test_accounts_are_listed_for_people_and_machines(home: Home) -> None:
    assert "demo" in home.good("accounts", "list").stdout
    (account,) = home.json("accounts", "list")
    assert account["granted_by"] == "Media Team 1"
    assert account["datasets"] == []
    home.good("datasets", "create", "-f", home.file())
    assert home.json("accounts", "list")[0]["datasets"] == ["spend"]


def test_advertisers_are_listed_with_zone_and_status(home: Home) -> None:
    first = home.json("accounts", "advertisers", "demo")[0]
    assert (first["timezone"], first["display_timezone"]) == ("Etc/GMT+8", "America/Los_Angeles")
    assert "UTC-08:00 America/Los_Angeles" in home.good("accounts", "advertisers", "demo").stdout
    home.door("remove", {"advertiser_id": first["id"], "listed": False})
    advertisers = home.json("accounts", "advertisers", "demo")
    gone = {advertiser["id"]: advertiser["removed"] for advertiser in advertisers}
    assert gone[first["id"]] is True
    assert sum(gone.values()) == 1
    assert "No longer covered" in home.good("accounts", "advertisers", "demo").stdout


def test_a_renamed_account_keeps_its_datasets(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file(metrics=["spend"]))
    home.good("accounts", "rename", "demo", "shop")
    assert "account: shop" in home.good("datasets", "show", "spend").stdout
    assert home.json("run", "spend")["state"] == "verified"
    home.add_account("other")
    assert home.bad("accounts", "rename", "other", "shop")[0] == ExitCode.INPUT


def test_delete_lists_the_datasets_that_stop_and_asks_for_confirmation(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend"]))
    before = home.kept()
    code, stderr = home.bad("accounts", "delete", "demo", stdin="n\n")
    assert (code, "no longer updated: Spend" in stderr) == (ExitCode.CANCELLED, True)
    code, stderr = home.bad("accounts", "delete", "demo", stdin="")
    assert (code, "Add --yes to confirm" in stderr) == (ExitCode.INPUT, True)
    assert home.kept() == before
    home.good("accounts", "delete", "demo", stdin="y\n")
    assert home.json("accounts", "list") == []
    assert home.rows("select count(*) as n from spend")[0]["n"] > 0
    assert "(disconnected)" in home.good("datasets", "list").stdout
    code, stderr = home.bad("run", "spend")
    assert (code, "its account 'demo' was deleted" in stderr) == (ExitCode.INPUT, True)
    # A new account of that name is not the dataset's.
    home.add_account()
    for command in ("run", "validate", "plan", "preview"):
        code, stderr = home.bad(command, "spend")
        words = " ".join(stderr.split())
        assert code == ExitCode.INPUT
        assert "Dataset 'Spend' is disconnected: its account 'demo' was deleted. Choose another account" in words


def test_delete_can_revoke_the_token_at_tiktok(home: Home) -> None:
    assert "Revoked access in TikTok" in home.good("accounts", "delete", "demo", "--yes", "--revoke").stderr
    assert home.bad("accounts", "add", "demo", "--token-stdin", stdin=f"{home.token}\n")[0] == ExitCode.RECONNECT


def test_an_account_with_an_invalid_token_can_be_deleted(home: Home) -> None:
    home.door("revoke", {"token": home.token})
    assert "already invalid" in home.good("accounts", "delete", "demo", "--yes", "--revoke").stderr
    assert home.json("accounts", "list") == []


def test_warnings_about_settings_are_printed_once_on_stderr(home: Home) -> None:
    home.environ = {"ADREEL_TIKTOK_APPID": "1"}
    result = home.good("accounts", "list")
    assert result.stderr.count("ADREEL_TIKTOK_APPID is not an adreel setting") == 1
    assert "warning" not in result.stdout


# -- keys


def test_a_new_key_replaces_the_old_one_and_every_token_stays_readable(home: Home) -> None:
    home.add_account("second")
    file = home.path / "secret.key"
    before = file.read_text().split()
    assert "only 1 key" in home.good("secrets", "rotate").stderr
    stderr = home.good("secrets", "rotate", "--new-key").stderr
    new, *old = file.read_text().split()
    assert old == before
    assert ("of 2 accounts with the first key" in stderr, "--drop-old" in stderr) == (True, True)
    assert all(key not in stderr for key in (new, *old))
    home.good("accounts", "advertisers", "demo")
    home.good("secrets", "rotate", "--drop-old")
    assert (file.read_text().split(), file.stat().st_mode & 0o777) == ([new], 0o600)
    for name in ("demo", "second"):
        home.good("accounts", "advertisers", name)
    home.good("secrets", "rotate", "--new-key", "--drop-old")
    assert new not in file.read_text()
    home.good("accounts", "advertisers", "demo")


def test_keys_of_the_environment_are_rotated_and_not_changed(empty: Home) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    empty.environ = {"ADREEL_SECRET_KEY": old}
    empty.add_account()
    empty.environ = {"ADREEL_SECRET_KEY": f"{new},{old}"}
    stderr = empty.good("secrets", "rotate").stderr
    assert ("ADREEL_SECRET_KEY has 2 keys" in stderr, old in stderr, new in stderr) == (True, False, False)
    for option in ("--new-key", "--drop-old"):
        code, stderr = empty.bad("secrets", "rotate", option)
        assert (code, "ADREEL_SECRET_KEY" in stderr) == (ExitCode.INPUT, True)
    empty.environ = {"ADREEL_SECRET_KEY": new}
    empty.good("accounts", "advertisers", "demo")
    empty.environ = {"ADREEL_SECRET_KEY": old}
    assert "with a key that is not in ADREEL_SECRET_KEY" in empty.bad("accounts", "advertisers", "demo")[1]


KILLER = """
def hook(event, args):
    creates = event == "open" and "secret.key" in str(args[0]) and isinstance(args[2], int) and args[2] & os.O_CREAT
    if creates or (event == "os.rename" and "secret.key" in str(args[1])):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
sys.addaudithook(hook)
main()
"""
# -- details that TikTok does not return

NO_DETAILS: dict[str, dict[str, object]] = {
    "by its code": {"kind": "code", "code": 40006, "message": "The request path does not exist"},
    "by HTTP": {"kind": "http", "status": 404},
    "as what the sandbox does not offer": {"kind": "code", "code": 40014, "message": "Not supported in sandbox."},
}


@pytest.mark.parametrize("way", NO_DETAILS)
def test_the_sandbox_is_connected_with_the_given_zone_and_currency(empty: Home, way: str) -> None:
    advertiser_id = empty.door("state")["advertisers"][0]["advertiser_id"]
    empty.door("trouble", {**NO_DETAILS[way], "path": "advertiser/info", "times": 0})
    empty.door("trouble", {"kind": "http", "status": 404, "path": "oauth2/advertiser/get", "times": 0})
    words = ("accounts", "add", "sandbox", "--token-stdin")
    code, stderr = empty.bad(*words, stdin=empty.token)
    assert (code, "--advertisers ID --timezone ZONE --currency CODE" in stderr) == (ExitCode.STOPPED, True)
    given = ("--advertisers", advertiser_id, "--timezone", "UTC+08:00", "--currency", "usd")
    assert "note: TikTok returned no time zone" not in empty.good(*words, *given, stdin=empty.token).stderr
    rows = empty.json("accounts", "advertisers", "sandbox")
    assert [(row["currency"], row["timezone"]) for row in rows] == [("USD", "UTC+08:00")]
    report = empty.json("run", "-f", empty.file(account="sandbox"))
    assert report["verification"]["verified"]
    days = empty.json("plan", "spend")["days"]
    assert days[0]["timezone"] == "UTC+08:00"
    empty.good("accounts", "reconnect", "sandbox", "--token-stdin", stdin=empty.token)
    assert empty.json("accounts", "advertisers", "sandbox")[0]["timezone"] == "UTC+08:00"


def test_the_sandbox_without_a_zone_uses_utc_and_warns_of_it(empty: Home) -> None:
    readable, other = (advertiser["advertiser_id"] for advertiser in empty.door("state")["advertisers"][:2])
    empty.door("trouble", {**NO_DETAILS["by its code"], "path": "advertiser/info", "times": 0})
    result = empty.good("accounts", "add", "s", "--token-stdin", "--advertisers", readable, stdin=empty.token)
    assert f"note: TikTok returned no time zone or currency for {readable}" in result.stderr
    assert "Days are in UTC" in result.stderr
    assert "UTC (assumed)" in result.stdout
    empty.door("remove", {"advertiser_id": other})
    code, stderr = empty.bad("accounts", "add", "t", "--token-stdin", "--advertisers", other, stdin=empty.token)
    assert (code, "TikTok returned no details of ad accounts" in stderr) == (ExitCode.ADVERTISER, True)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--timezone", "Mars/Base", "time zone"), ("--currency", "dollars", "not a valid currency code")],
)
def test_an_invalid_zone_or_currency_is_refused(empty: Home, option: str, value: str, message: str) -> None:
    advertiser_id = empty.door("state")["advertisers"][0]["advertiser_id"]
    words = ("accounts", "add", "s", "--token-stdin", "--advertisers", advertiser_id, option, value)
    code, stderr = empty.bad(*words, stdin=empty.token)
    assert (code, message in stderr) == (ExitCode.INPUT, True)


def test_tiktoks_own_zone_overrides_a_given_one(empty: Home) -> None:
    advertiser_id = empty.door("state")["advertisers"][0]["advertiser_id"]
    words = ("accounts", "add", "s", "--token-stdin", "--advertisers", advertiser_id, "--timezone", "UTC+11:00")
    assert "--timezone and --currency are ignored" in empty.good(*words, stdin=empty.token).stderr
    assert empty.json("accounts", "advertisers", "s")[0]["timezone"] != "UTC+11:00"


def test_a_wrong_address_does_not_count_as_sandbox(empty: Home) -> None:
    advertiser_id = empty.door("state")["advertisers"][0]["advertiser_id"]
    empty.environ["ADREEL_TIKTOK_URL"] = "http://tiktok.test/open_api/v9.9"
    code, stderr = empty.bad("accounts", "add", "s", "--token-stdin", "--advertisers", advertiser_id, stdin=empty.token)
    assert (code, "the address does not exist" in stderr) == (ExitCode.STOPPED, True)
    assert empty.json("accounts", "list") == []


def test_a_consent_without_ad_accounts_is_reported(empty: Home) -> None:
    empty.door("trouble", {"kind": "data", "value": '{"list":[]}', "path": "oauth2/advertiser/get"})
    stderr = empty.good("accounts", "add", "none", "--token-stdin", stdin=empty.token).stderr
    assert "note: Account 'none' covers 0 ad accounts" in stderr
    assert "Business Center" in stderr


def test_a_token_of_another_app_is_reported_with_the_setting(empty: Home) -> None:
    words = "The app_id is inconsistent with the token's app information."
    empty.door("trouble", {"kind": "code", "code": 40000, "message": words, "path": "oauth2/advertiser/get"})
    code, stderr = empty.bad("accounts", "add", "other", "--token-stdin", stdin=empty.token)
    assert (code, "ADREEL_TIKTOK_APP_ID" in stderr) == (ExitCode.RECONNECT, True)


def test_a_missing_permission_of_the_app_is_not_blamed_on_an_advertiser(home: Home) -> None:
    words = "advertiser does not grant you /report/integrated/get/:GET permission"
    home.door("trouble", {"kind": "code", "code": 40001, "message": words, "path": "report", "times": 0})
    code, stderr = home.bad("run", "-f", home.file())
    assert code == ExitCode.ADVERTISER
    assert "The app lacks the permission for /report/integrated/get/" in stderr
    assert "skip_failing_advertisers" not in stderr, "that would leave out all of them"


def test_a_missing_permission_of_the_app_for_details_is_reported_when_an_account_is_added(empty: Home) -> None:
    words = "advertiser does not grant you /advertiser/info/:GET permission"
    empty.door("trouble", {"kind": "code", "code": 40001, "message": words, "path": "advertiser/info", "times": 0})
    code, stderr = empty.bad("accounts", "add", "x", "--token-stdin", stdin=empty.token)
    assert (code, "give it the scope of that endpoint" in stderr) == (ExitCode.ADVERTISER, True)
    assert empty.json("accounts", "list") == []
