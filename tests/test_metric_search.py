"""The search of metrics: what marketers say is found, the best first, on every surface the same."""

from __future__ import annotations

from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel import catalog
from adreel.datasets import menus
from adreel.datasets.metric_search import is_near, plain, search_calculated, search_metrics
from adreel.web.forms.pickers import Question, metric_picker
from api_home import program
from home import Home
from web_home import open_site


def names_of(words: str, most: int = 6) -> list[str]:
    return [metric.name for metric in search_metrics(words)[:most]]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("ROAS", ["complete_payment_roas", "total_active_pay_roas", "onsite_shopping_roas"]),
        ("hook rate", ["video_watched_2s", "impressions"]),
        ("thumb-stop", ["video_watched_2s", "impressions"]),
        ("add to cart", ["web_event_add_to_cart", "total_app_event_add_to_cart", "onsite_total_add_to_cart"]),
        ("CPA", ["cost_per_conversion", "cost_per_complete_payment", "cost_per_total_purchase"]),
        ("purchases", ["complete_payment", "total_purchase", "onsite_shopping"]),
        ("view-through", ["vta_conversion"]),
        ("video completion", ["video_views_p100", "video_play_actions"]),
        ("spend", ["spend"]),
        ("ad spend", ["spend"]),
        ("CTR", ["ctr"]),
        ("impresions", ["impressions"]),
        ("inpressions", ["impressions"]),
        ("imrpessions", ["impressions"]),
        ("hok rate", ["video_watched_2s"]),
        ("frequencyy", ["frequency"]),
        ("video_watched_2s", ["video_watched_2s"]),
        ("2-second video", ["video_watched_2s"]),
        ("installs", ["app_install"]),
    ],
)
def test_what_marketers_say_is_found_first(words: str, names: list[str]) -> None:
    assert names_of(words)[: len(names)] == names, names_of(words)


def test_words_that_nothing_has_find_nothing() -> None:
    assert names_of("zzqqxx") == []
    assert names_of("spend zzqqxx") == []
    assert len(search_metrics("")) == len(catalog.metrics())
    assert search_metrics("  ")[0].name == next(iter(catalog.metrics()))


def test_synonyms_are_of_metrics_that_exist_and_written_as_they_are_searched() -> None:
    for name, phrases in catalog.synonyms().items():
        assert name in catalog.metrics(), name
        for phrase in phrases:
            assert plain(phrase) == phrase
            assert name in [metric.name for metric in search_metrics(phrase)], (phrase, name)


@given(st.sampled_from(sorted(catalog.metrics())), st.data())
def test_one_letter_more_less_or_other_in_a_long_word_is_forgiven(name: str, data: st.DataObject) -> None:
    words = plain(name).split()
    place = data.draw(st.integers(0, len(words) - 1))
    word = words[place]
    if len(word) < 5:
        return
    spot, letter = data.draw(st.integers(0, len(word) - 1)), data.draw(st.sampled_from(ascii_lowercase))
    typo = data.draw(
        st.sampled_from(
            [
                word[:spot] + word[spot + 1 :],
                word[:spot] + letter + word[spot + 1 :],
                word[:spot] + letter + word[spot:],
            ]
        )
    )
    assert is_near(typo, word)
    # A word that is another one by the typo is searched as it is.
    typed = " ".join([*words[:place], typo, *words[place + 1 :]])
    if not any(typo in plain(f"{m.name} {m.title} {m.meaning}") for m in catalog.metrics().values()):
        assert name in [metric.name for metric in search_metrics(typed)], typed


def test_form_command_line_and_api_have_one_search(home: Home) -> None:
    with open_site(home) as site:
        api = program(site)
        report = catalog.REPORTS["performance"]
        menu = next(menu for menu in report.menus if menu.source == "metrics")
        offers = {offer.value: offer for offer in menus.offers(report, menu, {"data_level": ("ad",)})}
        for words in ("roas", "hook rate", "purchse", "add to cart"):
            names = [metric.name for metric in search_metrics(words)]
            assert [metric["name"] for metric in api.get("/metrics", q=words, limit=1000)["items"]] == names
            assert [metric["name"] for metric in home.json("metrics", *words.split())] == names
            picker = metric_picker(Question(words, "", 2000), offers, (), (), everything=True)
            assert set(picker.shown) >= set(names)
            assert picker.matching == len(names)
        assert api.get("/metrics/spend")["synonyms"] == ["budget spent", "amount spent", "ad spend", "cost"]
        hook = api.get("/calculated-metrics", q="hook")["items"]
        assert [metric["name"] for metric in hook] == ["hook_rate", "thumb_stop_rate"]
        assert hook == home.json("calculated-metrics", "hook")
        assert [metric.name for metric in search_calculated("roass")] == ["website_roas", "app_roas", "shop_roas"]
        assert "hook_rate" in home.good("metrics", "hook", "rate").stderr


def test_twins_are_one_record_that_api_and_command_line_carry(home: Home) -> None:
    for event in catalog.events().values():
        every = [name for names in event.surfaces.values() for name in names]
        assert len(event.surfaces) > 1
        for surface, names in event.surfaces.items():
            for name in names:
                metric = catalog.metrics()[name]
                assert (metric.event, metric.surface) == (event.name, surface)
                assert set(metric.twins) == set(every) - set(names)
    with open_site(home) as site:
        events = {
            event["name"]: event["surfaces"] for event in program(site).get("/metric-events", limit=1000)["items"]
        }
        assert events["purchase count"]["website"] == ["complete_payment"]
        assert events.keys() == catalog.events().keys()
        assert program(site).get("/metrics/complete_payment")["surface"] == "website"
    (metric,) = [metric for metric in home.json("metrics", "complete_payment") if metric["name"] == "complete_payment"]
    assert (metric["event"], metric["surface"]) == ("purchase count", "website")
