"""The catalogue over the API: what there is, and what a report's menus offer for what is chosen."""

from __future__ import annotations

import pytest

from adreel import catalog
from api_home import SPEND, program
from web_home import Site


def test_reports_are_listed_with_their_menus_and_the_conditions_of_these(site: Site) -> None:
    asking = program(site)
    assert [one["name"] for one in asking.get("/reports")["items"]] == list(catalog.REPORTS)
    current = asking.get("/reports", deprecated=False)["items"]
    assert current
    assert not any(one["deprecated"] for one in current)
    found = asking.get("/reports/performance")
    assert [menu["name"] for menu in found["menus"]] == [one.name for one in catalog.REPORTS["performance"].menus]
    assert any(choice["when"] for menu in found["menus"] for choice in menu["choices"])
    assert "performance" in asking.bad("GET", "/reports/performanc", 404)["message"]


def test_every_report_metric_and_dimension_can_be_had(site: Site) -> None:
    asking = program(site)
    for name in catalog.REPORTS:
        assert asking.get(f"/reports/{name}")["name"] == name
        assert asking.get(f"/reports/{name}/fields", limit=1)["total"] == len(catalog.fields().get(name, ()))
    found = asking.get("/metrics", limit=1_000)
    rest = asking.get("/metrics", limit=1_000, offset=1_000)
    assert [one["name"] for one in [*found["items"], *rest["items"]]] == list(catalog.metrics())
    assert asking.get("/dimensions", limit=1_000)["total"] == len(catalog.dimensions())
    assert asking.get("/metrics/spend")["additive"] is True
    assert asking.get("/dimensions/country_code")["name"] == "country_code"
    asking.bad("GET", "/metrics/spent", 404)
    asking.bad("GET", "/dimensions/nowhere", 404)


def test_metrics_are_found_by_words_and_by_group(site: Site) -> None:
    asking = program(site)
    found = asking.get("/metrics", q="cost PER conversion", limit=1_000)["items"]
    assert found
    for one in found:
        said = f"{one['name']} {one['title']} {one['meaning']}".lower()
        assert all(word in said for word in ("cost", "per", "conversion"))
    group = asking.get("/metrics/spend")["group"]
    assert all(one["group"] == group for one in asking.get("/metrics", group=group, limit=1_000)["items"])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("cpa", "cost_per_conversion"),
        ("CPI", "cost_per_app_install"),
        ("cpl", "cost_per_form"),
        ("aov", "value_per_complete_payment"),
        ("hook rate", "video_watched_2s"),
        ("hold rate", "video_watched_6s"),
        ("completion rate", "video_views_p100"),
    ],
)
def test_metrics_are_found_by_what_marketers_call_them(site: Site, words: str, name: str) -> None:
    assert name in [one["name"] for one in program(site).get("/metrics", q=words)["items"]]


def test_sets_of_metrics_name_metrics_that_there_are(site: Site) -> None:
    found = program(site).get("/metric-sets")
    assert found["total"] == len(found["items"]) > 0
    assert all(name in catalog.metrics() for one in found["items"] for name in one["metrics"])


def test_offers_follow_what_is_chosen_as_they_do_in_the_form(site: Site) -> None:
    asking = program(site)

    def offers(**values: object) -> dict[str, dict[str, str | None]]:
        found = asking.good("POST", "/reports/performance/offers", json={"values": values})
        return {menu["name"]: {one["value"]: one["refusal"] for one in menu["offers"]} for menu in found["menus"]}

    by_ad = offers(data_level="ad", time_dimension="day", metrics=["spend"])
    assert by_ad["metrics"]["spend"] is None
    assert by_ad["metrics"]["ad_name"] is None
    by_campaign = offers(data_level="campaign", time_dimension="day", metrics=["spend"])
    assert "level" in str(by_campaign["metrics"]["ad_name"])


def test_offers_say_what_does_not_fit_and_take_it_out(site: Site) -> None:
    body = {"values": {"data_level": "campaign", "metrics": ["spend", "ad_name", "nonsense"]}, "menus": ["metrics"]}
    found = program(site).good("POST", "/reports/performance/offers", json=body)
    assert found["values"]["metrics"] == ["spend"]
    assert len(found["told"]) == 2
    (menu,) = found["menus"]
    assert menu["chosen"] == ["spend"]


def test_a_menu_that_is_not_there_now_says_why(site: Site) -> None:
    body = {"values": {"report_type": "basic"}}
    found = program(site).good("POST", "/reports/performance/offers", json=body)
    hidden = [menu for menu in found["menus"] if menu["refusal"]]
    assert hidden
    assert all("requires " in menu["refusal"] and not menu["offers"] for menu in hidden)


def test_what_the_offers_let_through_is_a_valid_dataset(site: Site) -> None:
    asking = program(site)
    menus = {name: value for name, value in SPEND.items() if name not in ("name", "account", "report")}
    fitted = asking.good("POST", "/reports/performance/offers", json={"values": menus})["values"]
    whole = {"name": "Fitted", "account": "demo", "report": "performance", **fitted}
    assert asking.good("POST", "/datasets/validate", json=whole)["valid"] is True
