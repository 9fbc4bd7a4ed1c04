"""The catalogue over the API: what there is, and what a report's menus offer for what is chosen."""

from __future__ import annotations

import pytest

from adreel import catalog
from api_home import SPEND, program
from web_home import Site


def test_reports_are_listed_with_their_menus_and_the_conditions_of_these(site: Site) -> None:
    asking = program(site)
    assert [report["name"] for report in asking.get("/reports")["items"]] == list(catalog.REPORTS)
    current = asking.get("/reports", deprecated=False)["items"]
    assert current
    assert not any(report["deprecated"] for report in current)
    performance = asking.get("/reports/performance")
    assert [menu["name"] for menu in performance["menus"]] == [
        entry.name for entry in catalog.REPORTS["performance"].menus
    ]
    assert any(choice["when"] for menu in performance["menus"] for choice in menu["choices"])
    assert "performance" in asking.bad("GET", "/reports/performanc", 404)["message"]


def test_every_report_metric_and_dimension_is_available(site: Site) -> None:
    asking = program(site)
    for name in catalog.REPORTS:
        assert asking.get(f"/reports/{name}")["name"] == name
        assert asking.get(f"/reports/{name}/fields", limit=1)["total"] == len(catalog.fields().get(name, ()))
    first = asking.get("/metrics", limit=1_000)
    rest = asking.get("/metrics", limit=1_000, offset=1_000)
    assert [metric["name"] for metric in [*first["items"], *rest["items"]]] == list(catalog.metrics())
    assert asking.get("/dimensions", limit=1_000)["total"] == len(catalog.dimensions())
    assert asking.get("/metrics/spend")["additive"] is True
    assert asking.get("/dimensions/country_code")["name"] == "country_code"
    asking.bad("GET", "/metrics/spent", 404)
    asking.bad("GET", "/dimensions/nowhere", 404)


def test_metrics_are_found_by_words_and_by_group(site: Site) -> None:
    asking = program(site)
    metrics = asking.get("/metrics", q="cost PER conversion", limit=1_000)["items"]
    assert metrics
    for metric in metrics:
        text = f"{metric['name']} {metric['title']} {metric['meaning']}".lower()
        assert all(word in text for word in ("cost", "per", "conversion"))
    group = asking.get("/metrics/spend")["group"]
    assert all(metric["group"] == group for metric in asking.get("/metrics", group=group, limit=1_000)["items"])


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
    assert name in [metric["name"] for metric in program(site).get("/metrics", q=words)["items"]]


def test_sets_of_metrics_name_existing_metrics(site: Site) -> None:
    sets = program(site).get("/metric-sets")
    assert sets["total"] == len(sets["items"]) > 0
    assert all(name in catalog.metrics() for metric_set in sets["items"] for name in metric_set["metrics"])


def test_offers_follow_what_is_chosen_as_they_do_in_the_form(site: Site) -> None:
    asking = program(site)

    def offers(**values: object) -> dict[str, dict[str, str | None]]:
        answer = asking.good("POST", "/reports/performance/offers", json={"values": values})
        return {
            menu["name"]: {offer["value"]: offer["refusal"] for offer in menu["offers"]} for menu in answer["menus"]
        }

    by_ad = offers(data_level="ad", time_dimension="day", metrics=["spend"])
    assert by_ad["metrics"]["spend"] is None
    assert by_ad["metrics"]["ad_name"] is None
    by_campaign = offers(data_level="campaign", time_dimension="day", metrics=["spend"])
    assert "level" in str(by_campaign["metrics"]["ad_name"])


def test_offers_say_what_does_not_fit_and_take_it_out(site: Site) -> None:
    body = {"values": {"data_level": "campaign", "metrics": ["spend", "ad_name", "nonsense"]}, "menus": ["metrics"]}
    answer = program(site).good("POST", "/reports/performance/offers", json=body)
    assert answer["values"]["metrics"] == ["spend"]
    assert len(answer["notices"]) == 2
    (menu,) = answer["menus"]
    assert menu["chosen"] == ["spend"]


def test_a_hidden_menu_has_its_reason(site: Site) -> None:
    body = {"values": {"report_type": "basic"}}
    answer = program(site).good("POST", "/reports/performance/offers", json=body)
    hidden = [menu for menu in answer["menus"] if menu["refusal"]]
    assert hidden
    assert all("requires " in menu["refusal"] and not menu["offers"] for menu in hidden)


def test_choices_without_refusal_make_a_valid_dataset(site: Site) -> None:
    asking = program(site)
    menus = {name: value for name, value in SPEND.items() if name not in ("name", "account", "report")}
    fitted = asking.good("POST", "/reports/performance/offers", json={"values": menus})["values"]
    whole = {"name": "Fitted", "account": "demo", "report": "performance", **fitted}
    assert asking.good("POST", "/datasets/validate", json=whole)["valid"] is True
