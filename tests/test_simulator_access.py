"""Who may ask what: paths, tokens, consent, limits."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adreel.simulator import access_token
from simulator_client import BASE, REPORT, Sim, world

SIM = Sim()


# --- paths and envelope -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["report/integrated/get", "no/such/thing/", "", "../v1.2/user/info/"])
def test_an_unknown_path_is_not_found_in_plain_text(path: str) -> None:
    response = SIM.send("GET", BASE + path)
    assert (response.status_code, response.text) == (404, "404 page not found")


def test_a_wrong_method_is_not_allowed() -> None:
    assert SIM.send("POST", BASE + REPORT).status_code == 405


def test_what_tiktok_has_and_the_simulator_has_not_is_said_aloud() -> None:
    response = SIM.send("GET", BASE + "report/video_performance/get/")
    assert response.status_code == 501
    assert "does not simulate GET /report/video_performance/get/" in response.json()["message"]


def test_every_answer_has_its_own_request_id() -> None:
    ids = {SIM.get("user/info/")["request_id"] for _ in range(3)} | {SIM.get("ad/get/")["request_id"]}
    assert len(ids) == 4


def test_a_refusal_is_a_200_with_a_code_and_empty_data() -> None:
    answer = SIM.get(REPORT, advertiser_id=SIM.ids[0])
    assert (answer["code"], answer["data"]) == (40002, {})


def test_a_get_may_carry_its_parameters_in_a_json_body() -> None:
    response = SIM.send("GET", BASE + REPORT, json=SIM.basic(), headers={"Access-Token": SIM.token})
    assert response.json()["data"] == SIM.report()


def test_unknown_parameters_are_ignored() -> None:
    assert SIM.report(filters=["x"], lifetime=True, nonsense="1") == SIM.report()


# --- tokens -------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_goes() -> None:
    answer = Sim(token="").get("user/info/")
    assert (answer["code"], answer["message"]) == (
        40104,
        "Access token is null, you should set it in http header with key Access-Token.",
    )


@pytest.mark.parametrize("token", ["x", "0" * 48, "é" * 50])
def test_a_token_that_was_never_given_is_refused(token: str) -> None:
    response = SIM.send("GET", BASE + "user/info/", headers={"Access-Token": token.encode()})
    assert response.json()["code"] == 40105


def test_a_changed_token_is_refused() -> None:
    token = access_token(SIM.config, [0])
    assert Sim(token=token).code("user/info/") == 0
    assert Sim(token=token[:-1] + "f").code("user/info/") == 40105


def test_a_token_reads_only_what_was_granted() -> None:
    sim = Sim(token=access_token(SIM.config, [1]))
    assert [sim.code(REPORT, **{**sim.basic(), "advertiser_id": identity}) for identity in sim.ids[:2]] == [40001, 0]


def test_a_token_of_another_seed_is_refused() -> None:
    assert Sim(token=access_token(world(seed=2))).code("user/info/") == 40105


def test_the_token_comes_before_the_parameters_and_the_right_before_them_too() -> None:
    assert Sim(token="").code(REPORT) == 40104
    assert SIM.code(REPORT, advertiser_id=SIM.ids[4]) == 40001
    assert SIM.code(REPORT, advertiser_id=SIM.ids[0]) == 40002


def test_an_advertiser_without_permission_is_listed_but_cannot_be_read() -> None:
    listed = SIM.get("oauth2/advertiser/get/", app_id=SIM.config.app_id, secret=SIM.config.secret)["data"]["list"]
    assert [row["advertiser_id"] for row in listed] == SIM.ids
    answer = SIM.get(REPORT, **{**SIM.basic(), "advertiser_id": SIM.ids[4]})
    assert (answer["code"], answer["message"]) == (40001, f"No permission to operate advertiser {SIM.ids[4]}.")


def test_an_advertiser_that_is_gone_answers_40300() -> None:
    sim = Sim()
    sim.door("POST", "remove", advertiser_id=sim.ids[0], listed=False)
    assert sim.code(REPORT, **sim.basic()) == 40300
    listed = sim.get("oauth2/advertiser/get/", app_id=sim.config.app_id, secret=sim.config.secret)["data"]["list"]
    assert [row["advertiser_id"] for row in listed] == sim.ids[1:]


# --- consent ------------------------------------------------------------------------------------------------


def consent(sim: Sim, *chosen: str, decision: str = "allow", state: str = "s & t") -> dict[str, str]:
    """What the browser is sent back with."""
    form = {
        "app_id": sim.config.app_id,
        "redirect_uri": "http://127.0.0.1:9/callback?kept=1",
        "state": state,
        "advertiser_id": list(chosen),
        "decision": decision,
    }
    response = sim.send("POST", "/portal/auth", data=form)
    assert response.status_code == 302, response.text
    target = urlsplit(response.headers["location"])
    assert target.netloc == "127.0.0.1:9"
    return {name: values[0] for name, values in parse_qs(target.query).items()}


def exchange(sim: Sim, code: str, **changes: object) -> Any:
    body = {"app_id": sim.config.app_id, "secret": sim.config.secret, "auth_code": code, **changes}
    return sim.post("oauth2/access_token/", **body)


def test_the_consent_page_lists_all_advertisers_and_escapes_their_names() -> None:
    query = {"app_id": SIM.config.app_id, "state": '"><b>', "redirect_uri": "https://example.com/back"}
    page = SIM.send("GET", "/portal/auth", params=query)
    assert page.status_code == 200
    assert all(identity in page.text for identity in SIM.ids)
    assert "<script>" not in page.text
    assert "<b>" not in page.text


def test_consent_gives_a_code_that_becomes_a_token_for_what_was_ticked() -> None:
    sim = Sim()
    back = consent(sim, *sim.ids[1:3])
    assert (back["state"], back["kept"], back["code"]) == ("s & t", "1", back["auth_code"])
    data = exchange(sim, back["auth_code"])["data"]
    assert data["advertiser_ids"] == sim.ids[1:3]
    assert all(isinstance(scope, int) for scope in data["scope"])
    sim.token = data["access_token"]
    assert [sim.code("campaign/get/", advertiser_id=identity) for identity in sim.ids[:3]] == [40001, 0, 0]


def test_a_code_works_once() -> None:
    sim = Sim()
    code = consent(sim, sim.ids[0])["auth_code"]
    assert [exchange(sim, code)["code"] for _ in range(2)] == [0, 40110]


@pytest.mark.parametrize(("age", "expected"), [(3599, 0), (3600, 40110)])
def test_a_code_lives_an_hour(age: int, expected: int) -> None:
    sim = Sim()
    code = consent(sim, sim.ids[0])["auth_code"]
    sim.wall += age
    assert exchange(sim, code)["code"] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"auth_code": "made up"}, 40110),
        ({"secret": "wrong"}, 40101),
        ({"app_id": "123"}, 40113),
        ({"auth_code": ""}, 40002),
    ],
)
def test_an_exchange_is_refused_with_the_code_for_what_is_wrong(changes: dict[str, str], expected: int) -> None:
    assert exchange(SIM, consent(SIM, SIM.ids[0])["auth_code"], **changes)["code"] == expected


def test_the_ids_can_be_left_out_of_the_exchange() -> None:
    answer = exchange(SIM, consent(SIM, SIM.ids[0])["auth_code"], return_advertiser_ids=False)
    assert sorted(answer["data"]) == ["access_token", "scope"]


def test_the_plain_oauth_endpoint_answers_flat() -> None:
    form = {
        "client_id": SIM.config.app_id,
        "client_secret": SIM.config.secret,
        "code": consent(SIM, SIM.ids[0])["code"],
        "grant_type": "authorization_code",
    }
    answer = SIM.send("POST", BASE + "oauth/token/", data=form).json()
    assert answer["code"] == 0
    assert answer["advertiser_ids"] == SIM.ids[:1]


def test_refusing_or_ticking_nothing_sends_the_browser_back_with_an_error() -> None:
    for back in (consent(SIM, *SIM.ids, decision="refuse"), consent(SIM)):
        assert (back["error"], back["state"]) == ("access_denied", "s & t")
        assert "code" not in back


@pytest.mark.parametrize(
    "query",
    [
        {"app_id": "1", "redirect_uri": "https://example.com/"},
        {"app_id": SIM.config.app_id, "redirect_uri": "http://example.com/"},
        {"app_id": SIM.config.app_id, "redirect_uri": "javascript:alert(1)"},
        {"app_id": SIM.config.app_id},
    ],
)
def test_a_link_that_is_not_the_apps_shows_an_error_and_leads_nowhere(query: dict[str, str]) -> None:
    assert SIM.send("GET", "/portal/auth", params=query).status_code == 400
    assert SIM.send("POST", "/portal/auth", data=query).status_code == 400


def test_tokens_and_codes_hold_over_a_restart() -> None:
    first, second = Sim(), Sim()
    code = consent(first, first.ids[2])["auth_code"]
    token = exchange(second, code)["data"]["access_token"]
    assert Sim(token=token).code("campaign/get/", advertiser_id=first.ids[2]) == 0


def test_a_revoked_token_is_dead_until_the_person_consents_anew() -> None:
    sim = Sim()
    sim.token = exchange(sim, consent(sim, sim.ids[0])["auth_code"])["data"]["access_token"]
    secrets = {"app_id": sim.config.app_id, "secret": sim.config.secret}
    answer = sim.post("oauth2/revoke_token/", access_token=sim.token, **secrets)
    assert answer["data"] == {"app_id": sim.config.app_id, "advertiser_ids": sim.ids[:1]}
    assert sim.code("user/info/") == 40105
    again = exchange(sim, consent(sim, sim.ids[0])["auth_code"])["data"]["access_token"]
    assert again != sim.token
    sim.token = again
    assert sim.code("user/info/") == 0


# --- who ----------------------------------------------------------------------------------------------------


def test_the_advertisers_list_wants_the_apps_secret() -> None:
    assert SIM.code("oauth2/advertiser/get/") == 40002
    assert SIM.code("oauth2/advertiser/get/", app_id=SIM.config.app_id, secret="x") == 40101


def test_an_advertiser_has_a_fixed_zone_a_currency_and_numbers_where_tiktok_has_numbers() -> None:
    rows = SIM.get("advertiser/info/", advertiser_ids=SIM.ids[:4])["data"]["list"]
    assert [row["timezone"] for row in rows] == ["Etc/GMT+8", "Etc/GMT-1", "Etc/GMT-9", "Asia/Kolkata"]
    assert [row["currency"] for row in rows] == ["USD", "EUR", "JPY", "INR"]
    assert all(isinstance(row["balance"], float) and isinstance(row["create_time"], int) for row in rows)
    assert all(len(row["advertiser_id"]) == 19 for row in rows)
    assert "company_name_editable" not in rows[0]


def test_advertiser_info_takes_fields_and_refuses_unknown_ones_and_too_many_ids() -> None:
    (row,) = SIM.get("advertiser/info/", advertiser_ids=SIM.ids[:1], fields=["name"])["data"]["list"]
    assert sorted(row) == ["advertiser_id", "name"]
    assert SIM.code("advertiser/info/", advertiser_ids=SIM.ids[:1], fields=["nonsense"]) == 40002
    assert SIM.code("advertiser/info/", advertiser_ids=SIM.ids[:1] * 101) == 40011
    assert SIM.code("advertiser/info/", advertiser_ids=[SIM.ids[0], SIM.ids[4]]) == 40001


def test_the_user_is_masked() -> None:
    assert "*" in SIM.get("user/info/")["data"]["email"]


# --- limits -------------------------------------------------------------------------------------------------


def test_more_than_so_many_requests_in_a_second_are_refused_with_a_200() -> None:
    sim = Sim(world(qps=3))
    codes = []
    for tick in (0.0, 0.1, 0.2, 0.9, 1.0, 1.05, 1.1, 1.15):
        sim.ticks = tick
        codes.append(sim.code("user/info/"))
    assert codes == [0, 0, 0, 40100, 0, 40100, 0, 40100]


def test_passing_the_limit_of_a_minute_blocks_the_app_for_five() -> None:
    sim = Sim(world(qps=10, qpm=4))
    codes = []
    for tick in (0.0, 10.0, 20.0, 30.0, 40.0, 61.0, 339.0, 340.0):
        sim.ticks = tick
        codes.append(sim.code("user/info/"))
    assert codes == [0, 0, 0, 0, 40100, 40100, 40100, 0]


def test_creating_tasks_has_a_limit_of_its_own() -> None:
    sim = Sim(world(qps=50))
    assert [sim.post("report/task/create/", **sim.basic())["code"] for _ in range(3)] == [0, 0, 40100]
    codes = []
    for _ in range(499):
        sim.ticks += 2
        codes.append(sim.post("report/task/create/", **sim.basic())["code"])
    assert (set(codes[:-1]), codes[-1]) == ({0}, 40133)


def test_the_limits_come_before_anything_else() -> None:
    sim = Sim(world(qps=1), token="")
    assert [sim.code("user/info/") for _ in range(2)] == [40104, 40100]


def test_a_day_goes_by_at_a_press_of_the_button_on_its_own_page() -> None:
    sim = Sim()
    assert "Simulated time: 2026-08-20 12:00 UTC" in sim.send("GET", "/").text
    assert sim.send("POST", "/").headers["location"] == "/"
    assert "Simulated time: 2026-08-21 12:00 UTC" in sim.send("GET", "/").text
