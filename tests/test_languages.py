"""Pages in other languages: every message is translated, every page is made of messages, and the rest stays English."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel import catalog
from adreel.language import (
    LANGUAGES,
    PSEUDO,
    Phrase,
    decimal,
    either,
    integer,
    listed,
    messages,
    phrase,
    phrases,
    shown_day,
    shown_time,
    speaking,
)
from adreel.manual.contents import Contents, folder
from adreel.store import Role
from adreel.stored_texts import translated
from adreel.web.wording import LEVEL_NAMES, ROLE_NAMES, titled
from api_home import program
from home import make_home
from test_browser_axe import ADDRESSES, AWAY, duckdb_file
from web_home import Site, open_site, words_of

ROOT = Path(__file__).parent.parent
OTHERS = [code for code in LANGUAGES if code != "en"]


def test_every_message_is_translated_with_the_same_values() -> None:
    done = subprocess.run(
        [sys.executable, "docs/update_languages.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_numbers_and_days_are_written_as_the_language_writes_them() -> None:
    with speaking("de"):
        assert integer(1234567) == "1.234.567"
        assert decimal(Decimal("-1234.5"), 2) == "-1.234,50"
        assert shown_day(date(2026, 11, 30)) == "30.11.2026"
        assert shown_time(datetime(2026, 11, 30, 14, 5, tzinfo=UTC)) == "30.11.2026, 14:05"
        assert listed(["a", "b", "c"]) == "a, b und c"
        assert either(["a", "b"]) == "a oder b"
    assert integer(1234567) == "1,234,567"
    assert shown_time(datetime(2026, 11, 30, 14, 5, tzinfo=UTC)) == "2026-11-30 14:05"


def test_a_constant_is_english_for_programs_and_translated_where_it_is_shown() -> None:
    title = Phrase("Impressions")
    with speaking("de"):
        assert (str(title), f"{title}", phrase("%(title)s", title=title)) == ("Impressionen",) * 3
        assert title == "Impressions"
    assert str(title) == "Impressions"


def test_a_name_read_from_right_to_left_is_set_apart_on_pages_only() -> None:
    assert phrase("%(name)s 5", name="\u05e9\u05dc 3") == "\u05e9\u05dc 3 5"
    with speaking("en"):
        assert phrase("%(name)s 5", name="\u05e9\u05dc 3") == "\u2068\u05e9\u05dc 3\u2069 5"
        assert phrases("%(name)s 5", "", 1, name="\u0645\u0631") == "\u2068\u0645\u0631\u2069 5"
        assert phrase("%(name)s 5", name="hello") == "hello 5"


# -- pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A home with all that pages show: versions, restatements, people, a dashboard, drafts, rates."""
    home = make_home(tmp_path_factory.mktemp("languages") / "home", advertisers=3, ads=6, days=40)
    home.add_account()
    dates = {"start": "today-20", "end": "yesterday"}
    metrics = ["spend", "impressions", "clicks", "reach", "conversion", "ctr", "ad_name", "campaign_name"]
    update = {"method": "upsert", "lookback": 20}
    home.good("run", "-f", home.file(name="Spend by ad", metrics=metrics, dates=dates, update=update))
    home.good("datasets", "create", "-f", home.file("n.yaml", name="Never run", metrics=["spend"], dates=dates))
    home.later(1)
    home.good("run", "spend_by_ad")
    with open_site(home) as opened_site:
        store = opened_site.store
        for name in ("warehouse", "team", "spare"):
            store.destinations.add(duckdb_file(name))
        for name in ("warehouse", "team"):
            home.good("destinations", "attach", "spend_by_ad", name, "--table", name)
        failing, now = store.destinations.get("warehouse"), home.now - timedelta(days=1)
        saved = store.datasets.get("spend_by_ad")
        store.publications.failed(saved, failing, "warehouse", "a", AWAY, attempts=1, at=now, next_at=now)
        opened_site.user("eddy", Role.EDITOR)
        opened_site.user("vera", Role.VIEWER)
        admin = opened_site.store.users.get("admin")
        opened_site.store.saved_queries.add(admin, "Rows", "select count(*) from spend_by_ad", shared=True)
        board = opened_site.store.dashboards.add(admin, "Every morning")
        opened_site.store.dashboards.add_pin(
            board, opened_site.store.datasets.get("spend_by_ad"), "spend", "days=7", ""
        )
        opened_site.store.dashboards.share(board, shared=True)
        yield opened_site


class Texts(HTMLParser):
    """What people read of a page, and what screen readers say of it."""

    SHOWN = ("aria-label", "placeholder", "title", "alt")
    SKIPPED = ("script", "style", "code", "pre", "kbd")

    def __init__(self) -> None:
        super().__init__()
        self.stream: list[str] = []
        self.attributes: list[str] = []
        self.parts: list[str] = []
        self._skipped = 0
        self._english: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._english[:1] or (tag != "html" and dict(attrs).get("lang") == "en" and not self._english):
            # What says that it is English, as the docs do, with elements of the same kind in it.
            self._english.append(tag)
        if self._english:
            return
        self._skipped += tag in self.SKIPPED
        self.stream.append(" ")
        for name, value in attrs:
            if name in self.SHOWN and value:
                self.attributes.append(value)
            if name == "hx-get" and value and ("load" in (dict(attrs).get("hx-trigger") or "")):
                self.parts.append(value)

    def handle_endtag(self, tag: str) -> None:
        if self._english:
            if tag == self._english[0]:
                self._english.pop()
            return
        self._skipped -= tag in self.SKIPPED
        self.stream.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._skipped and not self._english:
            self.stream.append(data)

    def outside(self) -> set[str]:
        """The words that stand in no message."""
        return {word for text in ("".join(self.stream), *self.attributes) for word in WORD.findall(_outside(text))}


WORD = re.compile(r"(?<![\w./@-])[A-Za-zÀ-ž]{2,}(?![\w/@]|\.\w)")

NAMES = frozenset(
    re.findall(
        r"\w+",
        "adreel TikTok UTC ID API SQL CSV PDF Excel Parquet JSON JSONL TSV kB MB GB EUR USD INR JPY GBP Deutsch "
        "English Spend by ad Never run program demo admin eddy vera Rows Every morning Media Team testclient DSA LIVE "
        "SKAdNetwork Python SQLite deltalake duckdb fastapi http pyarrow sqlalchemy starlette date from to rate "
        "Microsoft Slack Teams Postgres warehouse team spare "
        "BigQuery Snowflake Redshift Databricks ClickHouse SQL Server Azure Synapse MotherDuck MySQL MariaDB",
    )
)
"""Names of things, units, and what the home above has called so."""


def _outside(text: str) -> str:
    kept, depth = [], 0
    for character in text:
        depth += character == "⟦"
        kept.append(" " if depth else character)
        depth -= character == "⟧"
    return "".join(kept)


def looked_at(site: Site, path: str) -> set[str]:
    """The words of a page and of the parts that it loads that stand in no message."""
    visit = site.visit("admin")
    visit.client.cookies.set("adreel_language", PSEUDO)
    texts = Texts()
    page = visit.get(path)
    assert page.status_code in (200, 422)
    assert "_(" not in page.text, "a call in place of its message"
    texts.feed(page.text)
    for part in texts.parts:
        texts.feed(visit.part(part).text)
    return texts.outside() - NAMES


@pytest.fixture(scope="module")
def data_words(site: Site) -> set[str]:
    """Words of ad accounts, campaigns, ads and columns."""
    names = [each["name"] for each in site.home.door("state")["advertisers"]]
    names += catalog.metrics()
    names += [row["column_name"] for row in site.home.rows("DESCRIBE spend_by_ad")]
    rows = site.home.rows("SELECT DISTINCT ad_name AS ad, campaign_name AS campaign FROM spend_by_ad")
    names += [str(value) for row in rows for value in row.values()]
    return {word for name in names for word in re.findall(r"[A-Za-zÀ-ž]+", name)}


@pytest.mark.parametrize("route", ADDRESSES)
def test_every_text_of_a_page_is_a_message(site: Site, data_words: set[str], route: str) -> None:
    newest = site.store.runs.list(site.store.datasets.get("spend_by_ad"), limit=1)[0]
    path = ADDRESSES[route].format(run_id=newest.id, share=site.store.dashboards.get(1).share)
    title = Contents.read(folder()).at(path.removeprefix("/docs")) if path.startswith("/docs") else None
    titles = set(re.findall(r"[A-Za-z]+", title.title)) if title else set()
    assert sorted(looked_at(site, path) - data_words - titles) == []


# -- whose language


def test_the_language_is_the_chosen_one_or_the_one_that_the_browser_prefers(site: Site) -> None:
    visit = site.visit("admin")
    assert '<html lang="en"' in visit.good("/accounts")
    prefers = {"Accept-Language": "fr-FR, de-AT;q=0.8, en;q=0.3"}
    answer = visit.client.get("/accounts", headers=prefers)
    assert '<html lang="de"' in answer.text
    assert "Konten" in words_of(answer.text)
    assert visit.sent("/language", {"language": "de", "onward": "/accounts"}) == "/accounts"
    assert "Konten" in words_of(visit.good("/accounts"))
    visit.sent("/language", {"language": "en", "onward": "/"})
    assert '<html lang="en"' in visit.client.get("/accounts", headers=prefers).text
    visit.sent("/language", {"language": '"><script>', "onward": "/"})
    assert '<html lang="en"' in visit.good("/accounts")


@pytest.mark.parametrize("header", ["", "*", "de;q=0", "de;q=x", ";;,,=", "x" * 5000, "en, de", "fr"])
def test_what_no_language_is_asked_by_is_english(site: Site, header: str) -> None:
    answer = site.visit("admin").client.get("/accounts", headers={"Accept-Language": header})
    assert '<html lang="en"' in answer.text


def test_programs_are_answered_in_english(site: Site) -> None:
    asking = program(site)
    german = asking.ask("GET", "/datasets/nothing", headers={"Accept-Language": "de", "Cookie": "adreel_language=de"})
    assert german.json() == asking.ask("GET", "/datasets/nothing").json()


def test_what_is_stored_stays_english_whoever_asks(site: Site) -> None:
    visit = site.visit("admin")
    visit.sent("/language", {"language": "de", "onward": "/"})
    visit.sent("/datasets/never_run/run")
    run = site.store.runs.list(site.store.datasets.get("never_run"), limit=1)[0]
    assert visit.post(f"/runs/{run.id}/cancel").status_code == 303
    assert "Abgebrochen" in words_of(visit.good("/datasets/never_run/history"))
    cancelled = site.store.runs.list(site.store.datasets.get("never_run"), limit=1)[0]
    assert "cancelled" in str(cancelled).lower()
    assert "bgebrochen" not in str(cancelled)


def test_what_a_run_noted_is_translated_on_its_page(site: Site) -> None:
    visit = site.visit("admin")
    newest = site.store.runs.list(site.store.datasets.get("spend_by_ad"), limit=1)[0]
    path = f"/datasets/spend_by_ad/history/{newest.id}"
    english = visit.words(path)
    visit.sent("/language", {"language": "de", "onward": "/"})
    german = visit.words(path)
    assert newest.notes
    for note in newest.notes:
        assert note in english
        assert note[-40:] not in german


# -- stored texts


def made_messages() -> list[tuple[str, str]]:
    """Messages with values, and their German."""
    return [
        (message.id, str(message.string))
        for message in messages("de")
        if isinstance(message.id, str) and message.id and VALUE.search(message.id)
    ]


VALUE = re.compile(r"%\((\w+)\)s")


@given(st.data())
def test_a_stored_text_is_recognised_by_the_message_that_it_was_made_from(data: st.DataObject) -> None:
    english, german = data.draw(st.sampled_from(made_messages()))
    names = list(dict.fromkeys(VALUE.findall(english)))
    values = {name: f"Zyx{place}" for place, name in enumerate(names)}
    text = english % values
    with speaking("de"):
        shown = translated(text)
    # Another message may fit as well; nothing of the values is lost, and a long message is told from all others.
    assert all(value in shown for value in values.values())
    letters = sum(character.isalpha() for character in VALUE.sub("", english))
    assert letters < 40 or shown == german % values or shown != text


def test_sentences_of_a_stored_text_are_recognised_one_by_one() -> None:
    stored = (
        "Not complete yet: Reach, Frequency of 2026-11-22 for 2 of the 3 ad accounts that are read on this day "
        "(complete on 2026-11-24 at 00:00 UTC); 2026-11-21 (complete on 2026-11-23 at 00:00 UTC). The figures are too "
        "low until a run reads them again after that."
    )
    with speaking("de"):
        shown = translated(stored)
    assert shown.endswith("Die Zahlen sind zu niedrig, bis ein Lauf sie danach noch einmal liest.")
    assert "Reichweite, Frequenz" in shown
    assert "22.11.2026" in shown
    assert not {"complete", "figures", "accounts"} & set(re.findall(r"\w+", shown))


@given(st.text(max_size=200))
def test_any_stored_text_can_be_shown(text: str) -> None:
    with speaking("de"):
        assert translated(text) is not None
    assert translated(text) == text


def test_roles_and_levels_have_the_same_name_by_themselves_and_within_a_sentence() -> None:
    names = [*ROLE_NAMES.items(), *LEVEL_NAMES.items()]
    assert [titled(word) for word in ("admin", "read", "none", "valid")] == ["Admin", "Read", "None", "Valid"]
    with speaking("de"):
        assert [titled(word) for word in ("admin", "read", "none")] == ["Administrator", "Lesen", "Keine"]
        assert [titled(word).casefold() for word, _ in names] == [str(name).casefold() for _, name in names]
