"""The Details pane through HTTP: menus that follow each other, saving, changing, looking, copying, bringing in."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from adreel import catalog
from adreel.datasets.dataset import Source
from adreel.datasets.files import read
from adreel.datasets.stored import source_of
from adreel.datasets.validation import parse
from adreel.store import Level, Role, RunState, SavedDataset
from adreel.web.render import UNKNOWN
from api_home import program
from form_page import Pairs, filled, sent
from web_home import Site, Visit, words_of

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.yaml"))
SMALL: dict[str, Any] = {
    "report": "performance",
    "data_level": "ad",
    "time_dimension": "day",
    "metrics": ["spend", "impressions"],
}
VALUES: dict[str, Any] = SMALL | {
    "name": "Spend",
    "account": "demo",
    "dates": {"start": "today-3", "end": "yesterday"},
}


def data(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """A form's fields as the test client wants them."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def form(visit: Visit, pairs: Pairs) -> str:
    """The form after it was sent because something in it changed."""
    answer = visit.fragment("POST", "/datasets/form", data(pairs))
    assert answer.status_code == 200, words_of(answer.text)
    return answer.text


def begun(visit: Visit, **fields: Any) -> str:
    """A new form with these fields filled in."""
    page = visit.good("/datasets/new")
    return form(visit, filled(page, **(SMALL | fields)))


def saved(site: Site, **values: Any) -> SavedDataset:
    """A dataset of the administrator's."""
    source = Source(VALUES | values, {})
    admin = site.store.users.get("admin")
    account = site.store.accounts.get(source.values["account"])
    return site.store.datasets.create(
        source.values["name"], account=account, spec=json.dumps(source.values), owner=admin
    )


def settings_of(visit: Visit, dataset: SavedDataset, **fields: Any) -> Pairs:
    """A dataset's settings with these fields changed."""
    return filled(visit.good(f"/datasets/{dataset.slug}/settings"), **fields)


def at(page: str, menu: str) -> str:
    """What is said of problems at a menu."""
    match = re.search(rf'(?s)id="said-{re.escape(menu)}"[^>]*>(.*?)</div>', page)
    assert match is not None, menu
    return words_of(match[1])


def summary(page: str) -> list[str]:
    """The menus that the summary of problems leads to."""
    match = re.search(r'(?s)id="summary".*?</ul>', page)
    return re.findall(r'href="#menu-([\w.]+)"', match[0]) if match else []


def beside(page: str) -> str:
    """What the panel beside the form says."""
    match = re.search(r'(?s)<aside class="details-aside".*?</aside>', page)
    assert match is not None
    return words_of(match[0].split('id="columns"')[0].rpartition("<")[0].removesuffix('<div class="card">'))


# -- menus


def test_a_new_form_offers_every_report_that_is_not_deprecated(site: Site) -> None:
    page = site.visit("admin").good("/datasets/new")
    offered = re.search(r'(?s)<select[^>]*name="report".*?</select>', page)
    assert offered is not None
    assert re.findall(r'value="(\w+)"', offered[0]) == [
        report.name for report in catalog.REPORTS.values() if not report.deprecated
    ]


def test_menus_are_shown_and_hidden_by_what_is_chosen_above_them(site: Site) -> None:
    visit = site.visit("admin")
    basic = begun(visit, name="N")
    assert 'id="menu-targeting_dimension"' in basic
    assert 'id="menu-audience_dimensions"' not in basic
    audience = form(visit, filled(basic, report_type="audience"))
    assert 'id="menu-targeting_dimension"' not in audience
    assert 'id="menu-audience_dimensions"' in audience
    ads = form(visit, filled(audience, report="ads"))
    assert 'id="menu-fields"' in ads
    assert 'id="menu-data_level"' not in ads
    assert 'id="menu-dates"' not in ads
    assert ("name", "N") in sent(ads)
    # Back at the first report, its choices are there again.
    back = form(visit, filled(ads, report="performance"))
    assert {("report_type", "audience"), ("data_level", "ad"), ("time_dimension", "day")} <= set(sent(back))


def test_a_choice_that_no_longer_fits_is_removed_with_a_notice(site: Site) -> None:
    visit = site.visit("admin")
    page = form(visit, filled(begun(visit, time_dimension="hour"), report_type="dsa"))
    notice = re.search(r'(?s)id="notices" role="status">(.*?)<div class="actions">', page)
    assert notice is not None
    assert "Hourly was removed: requires report type: Basic or Audience" in words_of(notice[1])
    assert ("time_dimension", "none") in sent(page)


def test_the_form_works_as_a_plain_page_without_scripts(site: Site) -> None:
    visit = site.visit("admin")
    page = visit.good("/datasets/new")
    assert "<noscript>" in page
    answer = visit.post("/datasets/form", data(filled(page, report="campaigns", name="All campaigns")))
    assert answer.status_code == 200
    assert "<h1>New dataset</h1>" in answer.text
    again = visit.post("/datasets/form", data([*sent(answer.text), ("do", "add-found fields")]))
    assert ("fields", "campaign_id") in sent(again.text)
    assert visit.sent("/datasets/new", data([*sent(again.text), ("then", "open")])) == "/datasets/all_campaigns"


def test_pressing_enter_in_a_field_saves_nothing(site: Site) -> None:
    # A browser then presses the form's first button.
    page = site.visit("admin").good("/datasets/new")
    body = page[page.index('<form id="details"') :]
    assert 'action="/datasets/form"' in body[: body.index(">")]
    first = re.search(r"<button[^>]*>", body)
    assert first is not None
    assert "formaction" not in first[0]


def test_days_requests_and_columns_are_shown_before_anything_is_saved(site: Site) -> None:
    page = words_of(begun(site.visit("admin")))
    assert "UTC-08:00, 1 ad account: 2026-10-23 to 2026-11-21 (30 days)" in page
    assert "3 ad accounts use days in" in page
    assert "Requests at least 3 Ad accounts 3" in page
    assert "7 columns" in page
    assert site.store.datasets.list() == ()
    assert site.home.requests() == []


def test_lifetime_data_makes_the_dates_vanish_and_says_so(site: Site) -> None:
    visit = site.visit("admin")
    page = form(visit, [*filled(begun(visit), time_dimension="none"), ("lifetime", "true")])
    assert "Lifetime data is on: runs read totals since launch and ignore dates." in words_of(page)
    assert "Resolves to" not in page
    assert 'id="f-dates-period"' not in page


# -- saving


def test_saving_opens_the_dataset_whose_first_run_begins_and_whose_owner_is_the_person(site: Site) -> None:
    ada = site.user("ada")
    site.store.shares.set(site.store.accounts.get("demo"), ada, Level.READ)
    visit = site.visit(ada)
    page = begun(visit, name="Spend of ads", description="For\nMonday", tags='weekly,, "a, b" , weekly')
    assert visit.sent("/datasets/new", data([*sent(page), ("then", "open")])) == "/datasets/spend_of_ads"
    dataset = site.store.datasets.get("spend_of_ads")
    assert dataset.owner_id == ada.id
    assert (dataset.description, dataset.tags) == ("For\nMonday", ("weekly", "a, b"))
    assert [run.triggered_by for run in site.store.runs.list(dataset)] == ["ada"]
    assert [run.state for run in site.work()] == [RunState.VERIFIED]


def test_a_saved_dataset_leads_to_its_charts(site: Site) -> None:
    visit = site.visit("admin")
    page = form(visit, filled(visit.good("/datasets/new"), report="campaigns", name="Two"))
    place = visit.sent("/datasets/new", data([*sent(page), ("then", "open")]))
    notice = visit.good(place).partition("data-said>")[2].partition("</div>")[0]
    assert words_of(notice) == "Created 'Two'. The first run is queued. View charts"
    assert 'href="/datasets/two/cards"' in notice


def test_save_and_new_opens_another_form_with_the_same_account_and_report(site: Site) -> None:
    visit = site.visit("admin")
    page = form(visit, filled(visit.good("/datasets/new"), report="campaigns", name="One"))
    place = visit.sent("/datasets/new", data([*sent(page), ("then", "again")]))
    assert place == "/datasets/new?account=demo&report=campaigns"
    following = visit.good(place)
    assert "Created 'One'. The first run is queued." in words_of(following)
    assert {("account", "demo"), ("report", "campaigns"), ("name", "")} <= set(sent(following))


def test_problems_are_shown_at_each_menu_with_a_summary_that_links_to_them(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(
        visit, data_level=None, metrics=None, dates__kind="date", dates__date__how="back", dates__date__back="-9"
    )
    answer = visit.post("/datasets/new", data(sent(page)))
    assert answer.status_code == 422
    assert summary(answer.text) == ["name", "data_level", "metrics", "dates"]
    assert at(answer.text, "name") == "Enter a name."
    assert "'-9' is not a day" in at(answer.text, "dates.date")
    assert (
        'name="name" value="" maxlength="200" aria-required="true" '
        'aria-describedby="said-name hint-save" aria-invalid="true"' in answer.text
    )
    assert site.store.datasets.list() == ()
    # From now on what is wrong stays told until it is mended.
    mended = form(visit, filled(answer.text, name="N"))
    assert summary(mended) == ["data_level", "metrics", "dates"]


def test_a_missing_day_is_reported_at_its_field_after_an_attempt_to_save(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(
        visit,
        dates__kind="range",
        dates__start__how="on",
        dates__start__on="",
        dates__end__how="back",
        dates__end__back="1",
    )
    assert beside(page).endswith("Missing: Name, Start date")
    assert at(page, "dates.start") == ""
    answer = visit.post("/datasets/new", data(sent(page)))
    assert at(answer.text, "dates.start") == "Enter a start date."
    assert at(answer.text, "dates.end") == at(answer.text, "dates") == ""
    both = form(visit, filled(answer.text, dates__end__how="on", dates__end__on=""))
    assert (at(both, "dates.start"), at(both, "dates.end")) == ("Enter a start date.", "Enter an end date.")
    single = form(visit, filled(both, dates__kind="date", dates__date__how="back", dates__date__back=""))
    assert at(single, "dates.date") == "Enter a day."


def test_two_wrong_days_are_each_reported_at_their_field(site: Site) -> None:
    page = begun(
        site.visit("admin"),
        dates__kind="range",
        dates__start__how="back",
        dates__start__back="abc",
        dates__end__how="back",
        dates__end__back="-5",
    )
    assert "'abc' is not a day" in at(page, "dates.start")
    assert "'-5' is not a day" in at(page, "dates.end")
    assert at(page, "dates") == ""
    order = form(site.visit("admin"), filled(page, dates__start__back="1", dates__end__back="7"))
    assert "is after the end" in at(order, "dates")
    assert order.count('said-dates.start" aria-invalid="true"') == 1


def test_the_panel_shows_the_problems_also_after_later_changes(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, metrics=None)
    assert beside(page).endswith("Missing: Name, Metrics")
    tried = visit.post("/datasets/new", data(sent(page))).text
    assert beside(tried).endswith("Fix to save: Name, Metrics")
    assert beside(form(visit, filled(tried, name="N"))).endswith("Fix to save: Metrics")
    assert "Fix to save" not in beside(form(visit, filled(tried, name="N", metrics=["spend"])))


def test_advertisers_that_cannot_be_read_are_named_and_can_be_skipped_by_a_button(site: Site) -> None:
    account = site.store.accounts.get("demo")
    advertisers = site.store.accounts.advertisers(account)
    lost = advertisers[0]
    site.store.accounts.save_advertisers(account, advertisers[1:])
    visit = site.visit("admin")
    page = begun(visit, name="N", advertisers__how="typed", advertisers__typed=f"{lost.advertiser_id} 42")
    assert "A run would fail" in beside(page)
    assert f"{lost.name} ({lost.advertiser_id}): the account does not cover it" in beside(page)
    assert " 42: the account does not cover it" in beside(page)
    button = re.search(r'<button[^>]*name="do" value="(switch-on [^"]*)"[^>]*>([^<]*)', page)
    assert button is not None
    assert button[2] == "Turn on Skip failing ad accounts"
    mended = form(visit, [*sent(page), ("do", button[1])])
    assert sent(mended).count(("skip_failing_advertisers", "true")) == 1
    assert "A run would fail" not in beside(mended)
    assert "2 ad accounts cannot be read" in beside(mended)
    # No other field is switched on by a form that is made by hand.
    assert visit.sent("/datasets/new", data([*sent(mended), ("do", "switch-on name")])) == "/datasets/n"


def test_a_taken_name_and_an_invalid_name_are_reported_at_the_name(site: Site) -> None:
    saved(site)
    visit = site.visit("admin")
    taken = visit.post("/datasets/new", data(sent(begun(visit, name="Spend"))))
    assert taken.status_code == 422
    assert "There is a dataset 'Spend' already" in at(taken.text, "name")
    long = visit.post("/datasets/new", data(sent(begun(visit, name="x" * 150))))
    assert "use 1 to 100 printable characters" in at(long.text, "name")
    assert [dataset.spec for dataset in site.store.datasets.list()] == [json.dumps(VALUES)]


def test_an_account_that_is_not_shared_cannot_be_used_and_is_not_named(site: Site) -> None:
    visit = site.visit(site.user("ada"))
    assert "No accounts yet" in words_of(visit.good("/datasets/new"))
    page = begun(visit, name="N", account="demo")
    assert "Resolves to" not in page
    answer = visit.post("/datasets/new", data(sent(page)))
    assert answer.status_code == 422
    assert "Account 'demo' was not found" in at(answer.text, "account")
    assert site.store.datasets.list() == ()


def test_no_form_creates_a_new_dataset_of_a_deprecated_report(site: Site) -> None:
    visit = site.visit("admin")
    fields = {"name": "Old", "account": "demo", "report": "ad_performance", "metrics": "spend", "dates.kind": "period"}
    answer = visit.post("/datasets/new", fields)
    assert answer.status_code == 422
    assert site.store.datasets.list() == ()


def test_nothing_that_tiktok_refuses_is_saved_also_if_a_form_is_made_by_hand(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, name="N")
    by_hand = filled(
        page, report_type="audience", audience_dimensions=["age", "country_code"], metrics=["spend", "cash_spend"]
    )
    visit.sent("/datasets/new", data(by_hand))
    values = source_of(site.store.datasets.get("n")).values
    assert values["metrics"] == ["spend"]
    assert values["audience_dimensions"] == ["age"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_can_be_opened_and_saved_without_a_change(site: Site, path: Path) -> None:
    source = read(path.read_text())
    account = site.store.accounts.get("demo")
    dataset = site.store.datasets.create(source.values["name"], account=account, spec=json.dumps(source.values))
    visit = site.visit("admin")
    pairs = settings_of(visit, dataset)
    assert visit.sent(f"/datasets/{dataset.slug}/settings", data(pairs)) == f"/datasets/{dataset.slug}"
    assert site.store.datasets.get(dataset.slug).spec_version == 1
    now = site.home.now
    changed = [(name, "Other words" if name == "description" else value) for name, value in pairs]
    visit.sent(f"/datasets/{dataset.slug}/settings", data(changed))
    after = site.store.datasets.get(dataset.slug)
    assert after.description == "Other words"
    kept = {**source_of(after).values, "description": source.values.get("description", "")}
    assert parse(Source(kept, {}), now) == parse(source, now)
    visit.good(f"/datasets/{dataset.slug}")


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("account", "shop"),
        ("campaign", "campaign"),
        ("product", "product"),
        ("creative", "creative"),
        ("livestream", "LIVE session"),
        ("live_duration", "LIVE session by period"),
    ],
)
def test_the_overview_names_the_level_of_gmv_max(site: Site, level: str, words: str) -> None:
    file = site.home.path / "shops.json"
    dates = {"start": "today-4", "end": "today-2"}
    values = {"report": "gmv_max", "gmv_max_level": level, "metrics": ["cost"], "dates": dates, "name": "Shops"}
    file.write_text(json.dumps(values | {"account": "demo"}))
    site.home.good("datasets", "create", "-f", str(file))
    assert f"GMV Max, {words} level" in site.visit("admin").words("/datasets/shops")


# -- changing


def test_settings_show_what_is_saved_and_change_it(site: Site) -> None:
    dataset, visit = saved(site, metrics=["spend", "reach", "clicks"]), site.visit("admin")
    page = visit.good(f"/datasets/{dataset.slug}/settings")
    assert [value for name, value in sent(page) if name == "metrics"] == ["spend", "reach", "clicks"]
    removed = form(visit, [*sent(page), ("do", "remove metrics reach")])
    visit.sent(f"/datasets/{dataset.slug}/settings", data(sent(removed)))
    after = site.store.datasets.get(dataset.slug)
    assert source_of(after).values["metrics"] == ["spend", "clicks"]
    assert after.spec_version == 2
    assert "Settings saved." in words_of(visit.good(f"/datasets/{dataset.slug}"))


def test_saved_settings_offer_a_run_unless_one_is_due_soon(site: Site) -> None:
    dataset, visit = saved(site), site.visit("admin")
    base = f"/datasets/{dataset.slug}"

    def notice_of(sentence: str, **changes: str) -> str:
        visit.sent(f"{base}/settings", data(settings_of(visit, dataset, **changes)))
        match = re.search(r'<div class="alert[^"]* notice".*?</div>', visit.good(base), re.DOTALL)
        assert match is not None
        assert f"Settings saved. {sentence}" in words_of(match[0])
        return match[0]

    weekly = {"schedule.tab": "basic", "schedule.unit": "week", "schedule.at": "06:00"}
    notice = notice_of("Next run: Mon 2026-11-23 06:00 UTC.", **weekly)
    assert f'action="{base}/run"' in notice
    assert "Run now" in words_of(notice)
    assert f'action="{base}/run"' in notice_of("The next run uses them.", **{"schedule.unit": "manual"})
    minutes = {"schedule.unit": "minute", "schedule.every": "15"}
    assert "Run now" not in notice_of("Next run: ", **(weekly | minutes))


def test_a_change_of_the_key_is_warned_of_in_the_form_and_refused_with_a_sentence(site: Site) -> None:
    dataset, visit = saved(site), site.visit("admin")
    pairs = settings_of(visit, dataset, data_level="campaign", id_dimension="campaign_id")
    assert "to advertiser_id, campaign_id, stat_time_day, so old and new rows" in words_of(form(visit, pairs))
    answer = visit.post(f"/datasets/{dataset.slug}/settings", data(pairs))
    assert answer.status_code == 422
    assert "This change alters the primary key" in at(answer.text, "update")
    assert site.store.datasets.get(dataset.slug).spec_version == 1
    fresh = [*sent(answer.text), ("reset_schema", "true"), ("update.method", "replace")]
    visit.sent(f"/datasets/{dataset.slug}/settings", data(fresh))
    assert source_of(site.store.datasets.get(dataset.slug)).values["data_level"] == "campaign"


def test_the_second_of_two_users_who_change_a_dataset_sees_what_the_first_saved(site: Site) -> None:
    dataset, first, second = saved(site), site.visit("admin"), site.visit(site.user("bob", Role.ADMIN))
    mine = settings_of(first, dataset, description="Mine")
    theirs = settings_of(second, dataset, metrics=["spend", "clicks"])
    address = f"/datasets/{dataset.slug}/settings"
    first.sent(address, data(mine))
    answer = second.post(address, data(theirs))
    assert answer.status_code == 409
    text = words_of(answer.text)
    assert "Another user saved these settings after you opened them" in text
    assert f"Description Mine {UNKNOWN}" in text
    assert "Metrics spend, impressions spend, clicks" in text
    assert source_of(site.store.datasets.get(dataset.slug)).values["metrics"] == ["spend", "impressions"]
    # Saved once more it is done knowingly.
    second.sent(address, data(sent(answer.text)))
    assert source_of(site.store.datasets.get(dataset.slug)).values["metrics"] == ["spend", "clicks"]
    assert site.store.datasets.get(dataset.slug).description == ""


def test_a_disconnected_dataset_is_given_another_account(site: Site) -> None:
    dataset = saved(site)
    site.store.accounts.delete(site.store.accounts.get("demo"))
    site.home.add_account("other")
    visit = site.visit("admin")
    address = f"/datasets/{dataset.slug}/settings"
    page = visit.good(address)
    assert "demo is not available: it was deleted or is no longer shared" in words_of(page)
    answer = visit.post(address, data(sent(page)))
    assert answer.status_code == 422
    assert "Account 'demo' was not found" in at(answer.text, "account")
    visit.sent(address, data(filled(answer.text, account="other")))
    assert site.store.datasets.get(dataset.slug).account_name == "other"


def test_a_deprecated_dataset_is_converted_by_a_button(site: Site) -> None:
    source = read(next(path for path in EXAMPLES if path.stem == "legacy_basic").read_text())
    account = site.store.accounts.get("demo")
    dataset = site.store.datasets.create("Old basic report", account=account, spec=json.dumps(source.values))
    visit = site.visit("admin")
    page = words_of(visit.good(f"/datasets/{dataset.slug}/settings"))
    assert "This report is deprecated" in page
    assert "older name of purchase" in page
    place = visit.sent(f"/datasets/{dataset.slug}/convert")
    assert place == f"/datasets/{dataset.slug}/settings"
    after = visit.good(place)
    assert "Columns removed because they were always empty: no_longer_offered." in words_of(after)
    assert "This report is deprecated" not in after
    assert source_of(site.store.datasets.get(dataset.slug)).values["report"] == "performance"


# -- looking


def test_load_preview_shows_typed_rows_and_saves_nothing_also_without_a_name(site: Site) -> None:
    visit = site.visit("admin")
    before = site.home.kept("accounts", "account_advertisers")
    answer = visit.fragment("POST", "/datasets/preview", data(sent(begun(visit))))
    assert answer.status_code == 200
    assert "<html" not in answer.text
    text = words_of(answer.text)
    assert "First 20 rows from TikTok. Nothing is saved." in text
    assert "Cost money · USD" in text
    assert "Impressions whole number" in text
    assert answer.text.count("<tr>") == 21
    assert site.home.kept("accounts", "account_advertisers") == before


def test_load_preview_works_as_a_plain_page_too(site: Site) -> None:
    visit = site.visit("admin")
    answer = visit.post("/datasets/preview", data(sent(begun(visit, name="Kept"))))
    assert answer.status_code == 200
    assert "First 20 rows" in words_of(answer.text)
    assert ("name", "Kept") in sent(answer.text)


def test_a_preview_that_fails_says_why_in_words(site: Site) -> None:
    visit = site.visit("admin")
    nothing = visit.fragment("POST", "/datasets/preview", data(sent(visit.good("/datasets/new"))))
    order = "Choose a data level and at least one metric to see a preview."
    assert words_of(nothing.text) == order
    assert order.replace("a preview", "the estimate") in visit.words("/datasets/new")
    page = begun(visit)
    other = visit.fragment(
        "POST", "/datasets/preview", data(sent(page)) | {"dates.kind": "date", "dates.date.how": "on"}
    )
    assert words_of(other.text) == "Enter a day to see a preview."
    later = data(sent(page)) | {"dates.kind": "date", "dates.date.how": "on", "dates.date.on": "2030-01-01"}
    refusal = words_of(visit.fragment("POST", "/datasets/preview", later).text)
    assert refusal.startswith("Fix these settings to see a preview. Dates : ")
    assert "is in the future" in refusal
    site.home.door("revoke", {"token": site.home.token})
    dead = visit.fragment("POST", "/datasets/preview", data(sent(page)))
    assert dead.status_code == 200
    assert 'role="alert"' in dead.text
    assert "TikTok code 40105" in dead.text


def test_the_list_of_advertisers_is_refreshed_on_request(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, report="campaigns", advertisers__how="picked")
    account = site.store.accounts.get("demo")
    site.store.accounts.save_advertisers(account, ())
    gone = form(visit, sent(page))
    assert "No ad accounts are available" in words_of(gone)
    answer = visit.fragment("POST", "/datasets/form/advertisers", data(sent(gone)))
    assert answer.status_code == 200
    assert answer.text.count('name="advertisers.tick"') == 3


def test_picked_advertisers_are_saved_by_their_ids_and_typed_ones_too(site: Site) -> None:
    visit = site.visit("admin")
    ids = [advertiser.advertiser_id for advertiser in site.store.accounts.advertisers(site.store.accounts.get("demo"))]
    picked = begun(visit, name="Two", report="campaigns", advertisers__how="picked", advertisers__tick=ids[:2])
    assert "2 selected." in words_of(picked)
    visit.sent("/datasets/new", data(sent(picked)))
    assert source_of(site.store.datasets.get("two")).values["advertisers"] == ids[:2]
    typed = form(visit, filled(picked, name="One", advertisers__how="typed"))
    assert ids[0] in dict(sent(typed))["advertisers.typed"]
    visit.sent("/datasets/new", data(filled(typed, advertisers__typed=f"[{ids[2]};\n{ids[2]}]")))
    assert source_of(site.store.datasets.get("one")).values["advertisers"] == [ids[2]]


# -- copies and files


def test_a_copy_opens_as_a_new_form_and_is_not_saved_yet(site: Site) -> None:
    dataset, visit = saved(site, metrics=["spend", "clicks"]), site.visit("admin")
    place = visit.sent(f"/datasets/{dataset.slug}/duplicate")
    page = visit.good(place)
    assert {("name", "Spend copy"), ("metrics", "spend"), ("metrics", "clicks")} <= set(sent(page))
    assert len(site.store.datasets.list()) == 1
    assert visit.sent("/datasets/new", data(sent(page))) == "/datasets/spend_copy"


def test_the_copy_of_a_deprecated_dataset_is_one_of_what_serves_it_now(site: Site) -> None:
    source = read(next(path for path in EXAMPLES if path.stem == "legacy_basic").read_text())
    account = site.store.accounts.get("demo")
    dataset = site.store.datasets.create("Old", account=account, spec=json.dumps({**source.values, "name": "Old"}))
    page = site.visit("admin").good("/datasets/new", like=dataset.slug)
    assert "The report of 'Old' is deprecated. The copy uses Performance." in words_of(page)
    assert ("report", "performance") in sent(page)


def test_a_download_is_a_file_that_can_be_imported_again(site: Site) -> None:
    dataset, visit = saved(site, name='Spend "a/b" €'), site.visit("admin")
    answer = visit.get(f"/datasets/{dataset.slug}/download")
    assert answer.headers["content-type"].startswith("application/yaml")
    assert 'filename="spend_a_b.yaml"' in answer.headers["content-disposition"]
    assert parse(read(answer.text), site.home.now) == parse(source_of(dataset), site.home.now)
    site.store.datasets.delete(dataset)
    assert visit.sent("/datasets/import", {"text": answer.text}) == "/datasets"
    assert len(site.store.datasets.list()) == 1


def test_a_file_of_several_datasets_is_imported_whole(site: Site) -> None:
    visit = site.visit("admin")
    several = [VALUES, VALUES | {"name": "Clicks"}]
    content = yaml.safe_dump_all(several).encode()
    answer = visit.post("/datasets/import", {"account": ""}, files={"file": ("sets.yaml", content)})
    assert answer.status_code == 303
    assert {dataset.name for dataset in site.store.datasets.list()} == {"Spend", "Clicks"}
    assert site.store.runs.list() == ()
    admin = site.store.users.get("admin")
    assert {dataset.owner_id for dataset in site.store.datasets.list()} == {admin.id}
    # The same once more changes nothing; JSON is read as well.
    visit.sent("/datasets/import", {"text": json.dumps(several)})
    assert "2 datasets were unchanged." in words_of(visit.good("/datasets"))


def test_a_file_with_an_error_imports_nothing_and_each_dataset_has_its_errors_listed(site: Site) -> None:
    saved(site, name="There")
    visit = site.visit("admin")
    several = [
        VALUES,
        VALUES | {"name": "Bad", "data_level": "adgrup", "metrics": ["spent"]},
        VALUES | {"name": "There", "metrics": ["clicks"]},
        VALUES,
        VALUES | {"name": "Stranger", "account": "nobody's"},
    ]
    text = yaml.safe_dump([json.loads(json.dumps(dataset)) for dataset in several], sort_keys=False)
    answer = visit.post("/datasets/import", {"text": text})
    assert answer.status_code == 422
    shown = words_of(answer.text)
    assert "Nothing was imported. Fix all errors, then import again." in shown
    assert re.search(r"Spend : valid Bad : line \d+, data_level: 'adgrup' .* Did you mean 'adgroup'?", shown)
    assert re.search(r"line \d+, metrics: 'spent' is not available", shown)
    assert "There : name: another dataset is named 'There'" in shown
    assert "The file has two datasets named 'Spend'" in shown
    assert re.search(r"Stranger : line \d+, account: \"nobody's\" was not found\. Available: demo\. Connect it", shown)
    assert [dataset.name for dataset in site.store.datasets.list()] == ["There"]
    # What was pasted is still there, to be mended.
    area = re.search(r'(?s)<textarea[^>]*id="text"[^>]*>\n(.*?)</textarea>', answer.text)
    assert area is not None
    assert html.unescape(area[1]) == text


def test_a_dataset_beside_a_kept_table_names_its_own_table(site: Site) -> None:
    visit = site.visit("admin")
    dataset = saved(site, name="Shop")
    visit.sent(f"/datasets/{dataset.slug}/run")
    site.work()
    visit.sent(f"/datasets/{dataset.slug}/delete", {"tables": "keep"})
    visit.sent("/datasets/import", {"text": yaml.safe_dump(json.loads(json.dumps(VALUES | {"name": "Shop"})))})
    warning = "The lake still has the table shop of a deleted dataset; this one writes to shop_2."
    assert warning in visit.words("/datasets")


def test_a_missing_account_is_reported_together_with_the_other_errors(site: Site) -> None:
    text = "name: A\naccount: nobody\nreport: performance\ndata_level: ad\nmetrics: [spend]\n"
    answer = site.visit("admin").post("/datasets/import", {"text": text})
    shown = words_of(answer.text)
    assert answer.status_code == 422
    assert "line 2, account: 'nobody' was not found." in shown
    assert "dates: " in shown


FOREIGN = {
    "table.csv": (b"day,spend\n2026-11-01,1.5\n", "table.csv is a CSV file, not a dataset file."),
    "logo.png": (b"\x89PNG\r\n\x1a\n\x00\x01", "logo.png is an image, not a dataset file."),
    "empty.yaml": (b"", "empty.yaml is empty."),
    "package.json": (
        b'{"private": true, "name": "x"}',
        "package.json has no datasets: it has keys such as private, name",
    ),
    "list.json": (b"[1, 2]", "list.json could not be read: a dataset file has keys such as name, account"),
    "latin.yaml": (b"name: caf\xe9", "latin.yaml is not UTF-8 text (line 1). Save it as UTF-8 and try again."),
    "open.yaml": (b"name: A\nmetrics: [spend", "open.yaml could not be read: not valid YAML"),
}
"""Files that a person may choose by mistake, with what is answered first."""


@pytest.mark.parametrize("file", FOREIGN)
def test_a_file_of_something_else_is_refused_with_its_name_and_what_to_do(
    site: Site, tmp_path: Path, file: str
) -> None:
    content, sentence = FOREIGN[file]
    answer = site.visit("admin").post("/datasets/import", files={"file": (file, content)})
    shown = words_of(answer.text)
    assert answer.status_code == 422
    assert f"Nothing was imported. {sentence}" in shown
    (tmp_path / file).write_bytes(content)
    assert f"{tmp_path}/{sentence}" in site.home.adreel("datasets", "import", str(tmp_path / file)).stderr
    message = program(site).bad("POST", "/datasets/import", 422, content=content)["message"]
    assert message.startswith(sentence.replace(file, "The body"))
    for text in (shown, message):
        assert ("adreel imports dataset files (YAML or JSON)." in text) == (file != "latin.yaml")


def test_an_import_of_nothing_asks_for_a_file_or_text(site: Site) -> None:
    visit = site.visit("admin")
    for fields, sentence in (
        ({"text": " "}, "Nothing was imported. Choose a file, or paste its text."),
        ({"text": "just words"}, "Nothing was imported. The text could not be read: a dataset file has keys"),
    ):
        answer = visit.post("/datasets/import", fields)
        assert (answer.status_code, sentence in words_of(answer.text)) == (422, True)


def test_an_import_may_put_every_dataset_on_one_account(site: Site) -> None:
    visit = site.visit("admin")
    visit.sent("/datasets/import", {"text": yaml.safe_dump(VALUES | {"account": "elsewhere"}), "account": "demo"})
    assert site.store.datasets.get("spend").account_name == "demo"


# -- rights


def test_a_viewer_is_refused_every_page_and_action_of_the_form(site: Site) -> None:
    dataset = saved(site)
    viewer = site.user("vera", Role.VIEWER)
    site.store.shares.set(site.store.accounts.get("demo"), viewer, Level.READ)
    visit = site.visit(viewer)
    slug = dataset.slug
    for path in ("/datasets/new", f"/datasets/new?like={slug}", f"/datasets/{slug}/settings", "/datasets/import"):
        assert visit.get(path).status_code == 403, path
    everything = data(sent(site.visit("admin").good(f"/datasets/{slug}/settings")))
    posts = ["/datasets/form", "/datasets/form/advertisers", "/datasets/form/formula", "/datasets/form/metrics"]
    posts += ["/datasets/preview", "/datasets/new", "/datasets/import"]
    for path in [*posts, *(f"/datasets/{slug}/{action}" for action in ("settings", "duplicate", "convert"))]:
        assert visit.post(path, everything).status_code == 403, path
        assert visit.fragment("POST", path, everything).status_code == 403, path
    assert site.store.datasets.get(slug).spec_version == 1
    # What may be seen may be taken along.
    assert visit.get(f"/datasets/{slug}/download").status_code == 200


def test_an_editor_changes_no_dataset_of_others_without_the_right(site: Site) -> None:
    dataset = saved(site)
    ada = site.user("ada")
    site.store.shares.set(site.store.accounts.get("demo"), ada, Level.READ)
    visit = site.visit(ada)
    pairs = data(sent(site.visit("admin").good(f"/datasets/{dataset.slug}/settings")))
    assert visit.get(f"/datasets/{dataset.slug}/settings").status_code == 403
    assert visit.post(f"/datasets/{dataset.slug}/settings", pairs).status_code == 403
    assert visit.post("/datasets/form", pairs).status_code == 403
    # A copy of one's own is no change.
    page = visit.good("/datasets/new", like=dataset.slug)
    assert visit.sent("/datasets/new", data(sent(page))) == "/datasets/spend_copy"
    assert site.store.datasets.get("spend_copy").owner_id == ada.id


def test_a_dataset_that_may_not_be_seen_is_not_there(site: Site) -> None:
    dataset = saved(site)
    visit = site.visit(site.user("ada"))
    for path in (f"/datasets/{dataset.slug}/settings", f"/datasets/{dataset.slug}/download"):
        assert visit.get(path).status_code == 404, path
    assert visit.get("/datasets/new", like=dataset.slug).status_code == 404


def test_markup_in_names_is_shown_as_text(site: Site) -> None:
    evil = '<script>alert("x")</script>'
    dataset = saved(site, name=evil, description=evil, tags=[evil])
    visit = site.visit("admin")
    for page in (
        visit.good(f"/datasets/{dataset.slug}/settings"),
        visit.good("/datasets/new", like=dataset.slug),
        begun(visit, name=evil, metrics__search=evil, update__method=evil, data_level=evil, tags=evil),
        visit.post("/datasets/import", {"text": evil + ": 1"}).text,
    ):
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


def test_a_preview_fails_where_the_run_would_and_says_which_advertiser_it_cannot_read(site: Site) -> None:
    visit = site.visit("admin")
    granted = [
        advertiser.advertiser_id for advertiser in site.store.accounts.advertisers(site.store.accounts.get("demo"))
    ]
    ids = f"{granted[0]} 7000000000000000999"
    page = begun(visit, advertisers__how="typed", advertisers__typed=ids)
    refused = words_of(visit.fragment("POST", "/datasets/preview", data(sent(page))).text)
    assert "Ad account 7000000000000000999 could not be read: the account does not cover it; it covers " in refused
    assert "No rows" not in refused
    skipping = form(visit, [*sent(page), ("skip_failing_advertisers", "true")])
    assert "First 20 rows" in words_of(visit.fragment("POST", "/datasets/preview", data(sent(skipping))).text)
    none = form(visit, filled(skipping, advertisers__typed="7000000000000000999"))
    assert "could not be read" in words_of(visit.fragment("POST", "/datasets/preview", data(sent(none))).text)


def test_a_form_that_was_refused_returns_to_its_page(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, name="")
    refused = visit.fragment("POST", "/datasets/new", data([*sent(page), ("then", "open")]))
    assert refused.status_code == 422
    assert "<html" not in refused.text
    assert "Fix to save" in words_of(refused.text)
    kept = [pair for pair in sent(refused.text) if pair[0] not in ("tried", "name", "pane")]
    assert kept == [pair for pair in sent(page) if pair[0] not in ("name", "pane")]
    answer = visit.fragment("POST", "/datasets/new", data(filled(refused.text, name="Now")))
    assert answer.headers["HX-Redirect"] == "/datasets/now"


def test_several_weeks_begin_with_the_next_day_that_is_chosen_and_not_with_one_counted_from_1970(site: Site) -> None:
    site.home.now = datetime(2026, 11, 29, 17, tzinfo=UTC)
    admin = site.visit("admin")
    page = form(admin, filled(begun(admin, name="Fortnight", account="demo"), schedule__unit="week"))
    page = form(admin, filled(page, schedule__every="2", schedule__on=["monday", "thursday"]))
    assert dict(sent(page))["schedule.start"] == "2026-11-30T06:00"
    assert re.findall(r"<td>(\w+ [\d-]+ 06:00)</td>", page)[:3] == [
        "Mon 2026-11-30 06:00",
        "Thu 2026-12-03 06:00",
        "Mon 2026-12-14 06:00",
    ]
    assert "The 2 weeks are counted from its week." in page
    # It follows what is chosen, until a person changes it.
    page = form(admin, filled(page, schedule__on=["friday"]))
    assert dict(sent(page))["schedule.start"] == "2026-12-04T06:00"
    typed = form(admin, filled(page, schedule__start="2026-12-07T00:00", schedule__on=["monday"]))
    assert dict(sent(typed))["schedule.start"] == "2026-12-07T00:00"
    every_week = form(admin, filled(page, schedule__every="1"))
    assert dict(sent(every_week))["schedule.start"] == ""
    # Also if it is saved at once, without an answer to the last change.
    answer = admin.fragment("POST", "/datasets/new", data(filled(page, schedule__start=None, schedule__every="3")))
    assert answer.status_code in (200, 204, 303), words_of(answer.text)
    stored = json.loads(site.store.datasets.get("fortnight").spec)["schedule"]
    assert stored["start"] == "2026-12-04 06:00"


def test_a_schedule_saved_without_a_start_stays_without_one_while_its_interval_stays(site: Site) -> None:
    admin = site.visit("admin")
    fortnight = {"every": "2 weeks", "on": ["monday"], "at": "06:00"}
    dataset = saved(site, schedule=fortnight)
    assert "Set a start to count from another day." in admin.good(f"/datasets/{dataset.slug}/settings")
    page = form(admin, settings_of(admin, dataset, schedule__on=["monday", "friday"]))
    assert dict(sent(page))["schedule.start"] == ""
    assert dict(sent(form(admin, filled(page, schedule__every="3"))))["schedule.start"] != ""


def test_errors_of_the_schedule_stand_at_their_fields_in_the_page(site: Site) -> None:
    admin = site.visit("admin")
    page = form(admin, filled(begun(admin, name="Fortnight", account="demo"), schedule__unit="week"))
    page = form(admin, filled(page, schedule__every="-2", schedule__at=""))
    assert at(page, "schedule.every") == "Enter a whole number from 1 to 52."
    assert at(page, "schedule") == ""
    page = form(admin, filled(page, schedule__every="1"))
    assert at(page, "schedule.at") == "Enter a time, such as 06:30."
    assert dict(sent(page))["schedule.at"] == ""
