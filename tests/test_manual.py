"""The docs at /docs: all of them, without a dead link, without the network, and found by search."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import yaml

from adreel.errors import StopError
from adreel.manual.contents import NAVIGATION, Contents, folder
from adreel.manual.markdown import rendered
from adreel.manual.search import SearchIndex
from adreel.web.help import HELP, help_address
from adreel.web.pages import ROUTERS
from home import make_home
from web_home import Site, Visit, open_site

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CONTENTS = Contents.read(folder())


@dataclass
class ReadPage(HTMLParser):
    """The links, pictures and anchors of a page, and what the content policy would refuse."""

    ids: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: Mapping[str, str | None] = dict(attrs)
        if values.get("id"):
            self.ids[str(values["id"])] += 1
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if values.get("src") or tag == "link":
            self.files.append(str(values.get("src") or values.get("href")))
        self.refused += [f"{tag} {name}" for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not values.get("src") and values.get("type") != "application/json"):
            self.refused.append(tag)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(make_home(tmp_path_factory.mktemp("manual") / "home", advertisers=1, ads=1)) as site:
        yield site


@pytest.fixture(scope="module")
def stranger(site: Site) -> Visit:
    return site.visit()


@pytest.fixture(scope="module")
def read_pages(stranger: Visit) -> dict[str, ReadPage]:
    """All pages, as a person who is not signed in gets them."""
    pages = {}
    for entry in CONTENTS.entries:
        pages[entry.path] = ReadPage()
        pages[entry.path].feed(stranger.good(entry.path))
    return pages


def test_every_page_is_in_the_menu_once() -> None:
    files = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | {"../CHANGELOG.md"}
    listed = Counter(entry.file for entry in CONTENTS.entries)
    assert files - listed.keys() == set(), f"Add these pages to docs/{NAVIGATION}."
    assert listed.keys() - files == set()
    assert [file for file, times in listed.items() if times > 1] == []
    assert all(entry.title and entry.label for entry in CONTENTS.entries)


@pytest.mark.slow
def test_no_link_and_no_picture_of_a_page_is_dead(stranger: Visit, read_pages: dict[str, ReadPage]) -> None:
    dead, files = [], set()
    for path, page in read_pages.items():
        files |= set(page.files)
        for link in page.links:
            target = urlsplit(urljoin(path, link))
            if target.scheme:
                continue
            linked = read_pages.get(target.path)
            is_elsewhere = target.path in ("/login", "/api/v1/docs")
            if not is_elsewhere and (linked is None or (target.fragment and target.fragment not in linked.ids)):
                dead.append(f"{path}: {link}")
    assert dead == []
    assert any(file.startswith("/docs/pictures/") for file in files)
    for file in files:
        assert file.startswith(("/static/", "/docs/pictures/")), file
        answer = stranger.get(file)
        assert answer.status_code == 200, file
        assert "immutable" in answer.headers["cache-control"]


def test_pages_hold_nothing_that_the_content_policy_refuses(read_pages: dict[str, ReadPage]) -> None:
    for path, page in read_pages.items():
        assert page.refused == [], path
        assert [anchor for anchor, times in page.ids.items() if times > 1] == [], path


def test_a_page_has_two_addresses_that_a_reader_may_try_and_no_other(stranger: Visit) -> None:
    for address in ("/docs/dataset-files.md", "/docs/dataset-files/", "/docs/reference/README.md"):
        answer = stranger.client.get(address, follow_redirects=False)
        assert answer.status_code == 307
        assert stranger.get(answer.headers["location"]).status_code == 200
    for address in (
        *(
            "/docs/none",
            "/docs/../secret.key",
            "/docs/%2e%2e/README",
            "/docs/navigation.yaml",
            "/docs/take_pictures.py",
        ),
        *("/docs/pictures/../navigation.yaml", "/docs/pictures/none.png", "/docs/pictures/"),
    ):
        assert stranger.get(address).status_code == 404, address


def test_a_page_without_a_user_leads_to_sign_in_and_one_with_a_user_has_the_menu(site: Site, stranger: Visit) -> None:
    words = stranger.good("/docs")
    assert 'href="/login"' in words
    assert "Datasets</a>" not in words
    page = site.visit("admin").good("/docs/charts")
    assert 'href="/datasets"' in page
    assert 'aria-current="page">Charts</a>' in page


def test_a_page_in_german_has_english_text_that_says_so(site: Site) -> None:
    page = site.visit().client.get("/docs/charts", headers={"Accept-Language": "de"}).text
    assert '<html lang="de"' in page
    assert '<article class="manual-text" lang="en">' in page
    assert "Auf dieser Seite" in page


# -- search


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("time zone", "/docs/explanation/time-zones"),
        ("restore a backup", "/docs/backup#restore"),
        ("look-back", "/docs/dataset-files#look-back"),
        ("NGINX", "/docs/serving#nginx"),
        ("video_watched_2s", "/docs/reference/metrics#video"),
        ("ADREEL_WEB_URL", "/docs/reference/settings"),
        ("dashboards send", "/docs/dashboards#send"),
        ("reach sum", "/docs/explanation/sums"),
    ],
)
def test_search_finds_the_page_that_answers(words: str, path: str) -> None:
    paths = [hit.path.partition("?")[0] for hit in SearchIndex(CONTENTS).find(words)[:5]]
    assert any(hit == path or hit.startswith(f"{path}#") for hit in paths), paths


def test_every_hit_leads_to_an_anchor_of_its_page(read_pages: dict[str, ReadPage]) -> None:
    index = SearchIndex(CONTENTS)
    hits = [hit for words in ("adreel", "a", "dataset", "the", "run", "version") for hit in index.find(words)]
    assert len(hits) > 100
    for hit in hits:
        path, _, anchor = hit.path.partition("#")
        assert not anchor or anchor in read_pages[path].ids, hit.path


def test_search_shows_what_was_typed_and_nothing_that_it_would_run(stranger: Visit) -> None:
    page = stranger.good("/docs/search", q="<script>alert(1)</script> duckdb")
    assert "<script>alert" not in page
    assert "has all words of" in stranger.words("/docs/search", q="duckdb unheardof")
    assert stranger.get("/docs/search", params=None).status_code == 200
    part = stranger.part("/docs/search", q="duckdb")
    assert "<html" not in part.text
    assert "<mark>duckdb</mark>" in part.text.lower()


def test_words_of_any_kind_are_searched_for(stranger: Visit) -> None:
    for words in ("(", "a" * 5000, ".*", "\\", "%", "ü", "_", " ", "-- "):
        assert stranger.get("/docs/search", q=words).status_code == 200


# -- help


def test_help_leads_to_pages_that_exist(read_pages: dict[str, ReadPage]) -> None:
    for start, address in HELP:
        path, _, anchor = address.partition("#")
        assert path in read_pages, start
        assert not anchor or anchor in read_pages[path].ids, address


def test_every_beginning_of_help_is_of_a_page() -> None:
    paths = [
        re.sub(r"\{[^}]*\}", "x", str(getattr(route, "path", ""))) for router in ROUTERS for route in router.routes
    ] + ["/api/v1/docs"]
    for start, address in HELP:
        assert any(help_address(path) == address for path in paths), start


def test_the_bar_has_help_for_the_page(site: Site) -> None:
    visit = site.visit("admin")
    assert 'href="/docs/destinations">Help</a>' in visit.good("/destinations")
    assert 'href="/docs">Help</a>' in visit.good("/home")
    assert 'href="/docs"' in site.visit().good("/login")


# -- Markdown


def page_of(text: str) -> str:
    return rendered(text, lambda link: link, lambda picture: picture, "Copy", "Table").html


def test_a_prompt_and_the_output_are_no_part_of_what_is_copied() -> None:
    html = page_of("```console\n$ adreel run x \\\n  --json\nVerified\n```\n")
    assert '<code id="code-1"><span class="prompt"></span>adreel run x \\\n  --json\n</code>' in html
    assert "<samp>Verified\n</samp>" in html


def test_comments_are_left_out_and_markup_in_code_is_shown() -> None:
    assert "not run" not in page_of("<!-- not run: why -->\n```text\n<b>\n```\n")
    assert "&lt;b&gt;" in page_of("```text\n<b>\n```\n")
    assert "&lt;b&gt;" in page_of("```yaml\n- <b>\n```\n")


def test_headings_of_one_name_have_anchors_of_their_own() -> None:
    page = rendered("# A\n\n## B `c`\n\n## B `c`\n", str, str, "Copy", "Table")
    assert [heading.anchor for heading in page.headings] == ["b-c", "b-c-1"]


# -- the package


def test_a_wheel_has_every_page_and_picture() -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    packed = {Path(target).relative_to("adreel/manual") for target in build.docs(ROOT).values()}
    assert {Path("docs", NAVIGATION), Path("CHANGELOG.md")} <= packed
    for entry in CONTENTS.entries:
        assert Path("CHANGELOG.md" if entry.file.startswith("..") else f"docs/{entry.file}") in packed


def test_docs_that_are_missing_are_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(StopError, match="The docs are missing from this installation"):
        Contents.read(tmp_path)
    (tmp_path / NAVIGATION).write_text(yaml.safe_dump([{"title": "", "pages": ["none.md"]}]))
    with pytest.raises(StopError, match=r"The page none\.md"):
        Contents.read(tmp_path)
