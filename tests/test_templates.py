"""Templates: every ready question gives a dataset that runs, whichever way it is created."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adreel import catalog
from adreel.connections import covered
from adreel.datasets.dataset import Source
from adreel.datasets.freshness import USUAL_DELAY
from adreel.datasets.stored import source_of
from adreel.datasets.validation import parse
from adreel.store import RunState
from api_home import program
from form_page import Pairs, sent
from home import make_home
from web_home import Site, Visit, open_site, words_of

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A small world with one account, and nothing saved at first."""
    home = make_home(tmp_path_factory.mktemp("templates") / "home", advertisers=2, ads=6, days=40)
    home.add_account()
    with open_site(home) as site:
        yield site


def as_data(pairs: Pairs) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def from_page(visit: Visit, template: str, **changes: str) -> str:
    """The address of the dataset that one click on the template and one on Save create."""
    page = visit.good("/datasets/new", template=template)
    pairs = [(field, changes.get(field, value)) for field, value in sent(page)]
    return visit.sent("/datasets/new", as_data([*pairs, ("then", "open")]))


@pytest.mark.slow
@pytest.mark.parametrize("name", catalog.TEMPLATES)
def test_every_template_is_the_same_dataset_from_page_api_and_command_line_and_its_run_is_verified(
    shop: Site, name: str
) -> None:
    template = catalog.TEMPLATES[name]
    shop.home.good("datasets", "create", "--template", name, "--account", "demo", "--name", f"{name} cli")
    slug = from_page(shop.visit("admin"), name, name=f"{name} page").rpartition("/")[2]
    answer = program(shop).get(f"/templates/{name}", account="demo")
    body = answer["values"] | {"name": f"{name} api", "account": "demo", "description": template.question}
    program(shop).good("POST", "/datasets", 201, json=body)
    now = shop.home.now
    (of_page, of_cli, of_api) = (
        parse(Source({**source_of(shop.store.datasets.get(f"{name} {way}")).values, "name": "Same"}, {}), now)
        for way in ("page", "cli", "api")
    )
    assert of_page == of_cli == of_api
    # Saving on the page has asked for the first run.
    (run,) = shop.work()
    assert run.dataset_slug == slug
    assert run.state in (RunState.VERIFIED, RunState.VERIFIED_WITH_WARNINGS), (run.error, run.warnings)
    assert run.verification["verified"], run.verification
    assert run.rows > 0


def test_pages_api_and_command_line_list_the_same_templates(shop: Site) -> None:
    listed = shop.home.json("templates")
    assert listed == program(shop).get("/templates")["items"]
    assert [template["name"] for template in listed] == list(catalog.TEMPLATES)
    page = words_of(shop.visit("admin").good("/datasets/new"))
    printed = shop.home.good("templates").stdout
    for template in catalog.TEMPLATES.values():
        assert f"{template.title} {template.question}" in page
        assert template.name in printed
        assert template.question in printed


def test_every_report_and_every_type_of_report_has_a_template_and_an_example() -> None:
    examples = [yaml.safe_load(path.read_text("utf-8")) for path in EXAMPLES.glob("*.yaml")]
    types = next(menu for menu in catalog.REPORTS["performance"].menus if menu.name == "report_type")
    every = {("performance", choice.value) for choice in types.choices}
    every |= {(name, "basic") for name, report in catalog.REPORTS.items() if not report.deprecated}
    for files in (examples, [template.values for template in catalog.TEMPLATES.values()]):
        assert every <= {(values["report"], values.get("report_type", "basic")) for values in files}


def test_lists_are_folded_after_the_templates_of_results(shop: Site) -> None:
    gallery = shop.visit("admin").good("/datasets/new").partition('<nav class="templates"')[2].partition("</nav>")[0]
    results, lists = (re.findall(r"\?template=(\w+)", part) for part in gallery.split("<details>"))
    assert [*results, *lists] == list(catalog.TEMPLATES)
    assert results == [each["name"] for each in shop.home.json("templates") if each["group"] == "results"]
    assert f"Lists of names, settings and assets ({len(lists)})" in gallery


def test_every_template_has_a_picture_of_its_own(shop: Site) -> None:
    page = shop.visit("admin").good("/datasets/new")
    drawn = [part.split("</svg>")[0].partition(">")[2] for part in page.split('class="template-icon"')[1:]]
    assert len(drawn) == len(catalog.TEMPLATES)
    assert all("<" in drawing for drawing in drawn)
    assert len(set(drawn)) == len(drawn)


def test_the_schedule_of_a_template_waits_for_the_last_ad_account(shop: Site) -> None:
    page = shop.visit("admin").good("/datasets/new", template="ad_daily", account="demo")
    demo = shop.store.accounts.get("demo")
    zones = [each.offset for each in covered(shop.store.accounts.advertisers(demo), demo.selection).advertisers]
    first = max(6, math.ceil((USUAL_DELAY - min(zones)).total_seconds() / 3600))
    assert f"Every day at {first:02}:00 UTC" in words_of(page)
    why = "is the first full hour, from 06:00 on, at which TikTok has completed yesterday in all ad accounts."
    assert f"{first:02}:00 UTC {why}" in words_of(page)
    of_shops = shop.visit("admin").good("/datasets/new", template="gmv_max_daily", account="demo")
    assert f"{why} It comes before Net cost, which TikTok completes later." in words_of(of_shops)
    assert '<div role="status" id="late-schedule"></div>' in page
    assert program(shop).get("/templates/ad_daily")["values"]["schedule"]["at"] == ["06:00"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("campaign_list", "06:00 UTC is the usual time: it reads no days"),
        ("age_gender", "06:00 UTC is the usual time: at no hour of the day has TikTok completed yesterday in all"),
    ],
)
def test_a_template_says_why_it_begins_at_the_usual_time(shop: Site, template: str, why: str) -> None:
    shop.store.workspace.set(zone="Pacific/Auckland")
    try:
        assert why in words_of(shop.visit("admin").good("/datasets/new", template=template, account="demo"))
    finally:
        shop.store.workspace.set(zone="UTC")
    hourly = shop.visit("admin").good("/datasets/new", template="hourly_pacing", account="demo")
    assert "is the usual time" not in words_of(hourly)


def test_a_template_begins_with_its_name_its_schedule_and_the_button_that_saves_it(shop: Site) -> None:
    gallery = shop.visit("admin").good("/datasets/new").partition('data-start tabindex="-1">Start from a template')[2]
    assert re.findall(r"<(?:a|button|input)\b[^>]*", gallery)[0].startswith(
        '<a class="card" href="/datasets/new?template='
    )
    page = shop.visit("admin").good("/datasets/new", template="ad_daily")
    begun = page.partition('<section class="card card-body template-begun"')[2].partition("</section>")[0]
    assert 'data-start tabindex="-1" aria-describedby="begun-facts">Template Daily ad performance</h2>' in begun
    assert re.search(r"What did each ad cost and bring, day by day\? Every day at \d\d:00 UTC", words_of(begun))
    (button,) = re.findall(r"<button [^>]*>[^<]*", begun)
    assert 'form="details" formaction="/datasets/new" name="then" value="open">Save and schedule' in button
    assert re.findall(r'<button [^>]*value="open"[^>]*>([^<]*)', page) == ["Save and schedule"] * 2


def test_a_template_printed_as_a_file_can_be_changed_and_created(shop: Site, tmp_path: Path) -> None:
    text = shop.home.good("templates", "ad_daily").stdout
    values: dict[str, Any] = yaml.safe_load(text)
    assert values["account"] == "ACCOUNT"
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(values | {"account": "demo", "name": "From a file"}))
    shop.home.good("datasets", "create", "-f", str(file))
    assert json.loads(shop.store.datasets.get("From a file").spec)["data_level"] == "ad"


def test_a_second_dataset_of_a_template_gets_a_number_and_what_is_unclear_is_refused(shop: Site) -> None:
    create = ("datasets", "create")
    for _ in range(2):
        shop.home.good(*create, "--template", "ad_accounts")
    assert {"Ad accounts at a glance", "Ad accounts at a glance 2"} <= {
        dataset.name for dataset in shop.store.datasets.list()
    }
    page = shop.visit("admin").good("/datasets/new", template="ad_accounts")
    assert ("name", "Ad accounts at a glance 3") in sent(page)
    assert "Did you mean 'ad_daily'?" in shop.home.bad(*create, "--template", "ad_dayly")[1]
    assert "Did you mean 'ad_daily'?" in program(shop).bad("GET", "/templates/ad_dayly", 404)["message"]
    assert shop.visit("admin").get("/datasets/new", template="ad_dayly").status_code == 404
    assert "Use one of -f FILE and --template NAME" in shop.home.bad(*create)[1]
    file = shop.home.file()
    assert "Use one of" in shop.home.bad(*create, "-f", file, "--template", "ad_daily")[1]
    assert "a file has its own account and name" in shop.home.bad(*create, "-f", file, "--name", "X")[1]
    shop.home.add_account("other")
    message = shop.home.bad(*create, "--template", "ad_daily")[1]
    assert "Name the account with --account. Available: demo, other." in message


def test_the_preview_of_creatives_begins_with_names_and_figures_and_ends_with_empty_columns_and_ids(
    shop: Site,
) -> None:
    visit = shop.visit("admin")
    page = visit.good("/datasets/new", template="creative_leaderboard")
    preview = visit.fragment("POST", "/datasets/preview", as_data(sent(page)) | {"account": ["demo"]}).text
    columns = re.findall(r'data-column="([^"]*)"', preview)
    figures = ["spend", "ctr", "cost_per_conversion", "complete_payment_roas"]
    named = columns.index("ad_name")
    assert columns[named : named + 3] == ["ad_name", "adgroup_name", "campaign_name"]
    assert [name for name in columns if name in figures] == figures
    assert columns.index("hook_rate") < columns.index("ad_id")
    values = {"name": "Videos", "account": "demo", "report": "creatives", "metrics": ["spend"]}
    dates = {"dates": {"period": "last_30_days"}, "update": {"method": "replace"}}
    program(shop).good("POST", "/datasets", 201, json=values | dates)
    fields = as_data(sent(visit.good("/datasets/videos/settings")))
    preview = visit.fragment("POST", "/datasets/preview", fields).text
    head = re.findall(r'data-column="([^"]*)"', preview)
    tbody = preview.split("<tbody>")[1]
    cells = [re.findall(r"(?s)<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"(?s)<tr>(.*?)</tr>", tbody)]
    is_empty = [not any(row[place].strip() for row in cells) for place in range(len(head))]
    assert cells
    assert is_empty == sorted(is_empty)
    assert is_empty[-1]
