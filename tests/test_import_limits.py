"""Files of datasets and bodies in JSON that are too much: refused before they are parsed, in few words, and quickly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.datasets.files import read, read_all
from adreel.datasets.validation import check, parse
from adreel.errors import DatasetError
from adreel.web.api.bodies import fault_of
from adreel.yaml_files import DEEPEST, MOST_BYTES, MOST_DATASETS, MOST_VALUES
from api_home import API
from home import make_home
from web_home import Site, Visit, open_site, words_of

DOCUMENT = "---\nname: a\nreport: performance\n"
TOO_MUCH = {
    "bytes": ("name: a\ndescription: " + "x " * MOST_BYTES, "more than 500,000 bytes"),
    "documents": (DOCUMENT * (MOST_DATASETS + 1), "more than 200 datasets"),
    "list": ("[" + "{name: a}, " * (MOST_DATASETS + 1) + "]", "more than 200 datasets"),
    "values": ("name: a\nmetrics: [" + "x, " * MOST_VALUES + "]", "more than 20,000 values"),
    "keys": ("\n".join(f"k{number}: 1" for number in range(MOST_VALUES // 2 + 1)), "more than 20,000 values"),
    "flow depth": ("a: " + "[" * 50_000, "more than 50 levels"),
    "block depth": ("\n".join(" " * level + "a:" for level in range(DEEPEST + 1)), "more than 50 levels"),
    "sequence depth": ("- " * 3_000 + "a", "more than 50 levels"),
    "laughs": (
        "a0: &a0 [x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 9)),
        "more than 20,000 values",
    ),
    "merges": (
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)),
        "more than 20,000 values",
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = make_home(tmp_path_factory.mktemp("import") / "home")
    home.add_account()
    with open_site(home) as site:
        yield site


@pytest.fixture(scope="module")
def visit(site: Site) -> Visit:
    return site.visit("admin")


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_a_file_that_is_too_much_is_refused_with_the_limit(kind: str) -> None:
    text, message = TOO_MUCH[kind]
    with pytest.raises(DatasetError) as caught:
        read_all(text)
    assert message in caught.value.message
    assert len(caught.value.message) < 200


def test_a_file_at_the_limits_is_read() -> None:
    assert len(read_all(DOCUMENT * MOST_DATASETS)) == MOST_DATASETS
    assert len(read_all("[" + "{name: a}, " * MOST_DATASETS + "]")) == MOST_DATASETS
    ids = ", ".join(str(7_000_000_000_000_000_000 + number) for number in range(15_000))
    (source,) = read_all(f"name: a\nadvertisers: [{ids}]")
    assert len(source.values["advertisers"]) == 15_000


def test_page_api_and_command_line_refuse_a_file_that_is_too_much(visit: Visit, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "much.yaml"
    for kind in ("documents", "laughs"):
        text, message = TOO_MUCH[kind]
        page = visit.post("/datasets/import", {"text": text})
        assert page.status_code == 422
        assert message in words_of(page.text)
        answer = visit.client.post(
            f"{API}/datasets/import",
            content=text,
            headers={"content-type": "application/yaml", "Sec-Fetch-Site": "same-origin"},
        )
        assert answer.status_code == 422
        assert message in answer.json()["error"]["message"]
        file.write_text(text)
        code, stderr = site.home.bad("datasets", "import", str(file))
        assert code
        assert message in " ".join(stderr.split())
    file.write_text("x" * (MOST_BYTES + 1))
    assert "500,000 bytes" in site.home.bad("datasets", "import", str(file))[1]


@pytest.mark.slow
def test_the_list_of_problems_is_cut(visit: Visit) -> None:
    names = ", ".join(f"spendx{number}" for number in range(5_000))
    text = f"name: a\naccount: demo\nreport: performance\ndata_level: ad\nmetrics: [{names}]"
    (source,) = read_all(text)
    problems = check(source).problems
    assert len(problems) == 101
    assert "more problems" in problems[-1].reason
    assert sum(problem.nearest is not None for problem in problems) <= 20
    repeated = "name: a\n" * 3_000
    with pytest.raises(DatasetError, match="and 2,901 more problems"):
        parse(read(repeated))
    many = "".join(f"---\nname: n{n}\nreport: performance\nx: 1\ny: 2\n" for n in range(MOST_DATASETS))
    for file, more in ((text, r"and [\d,]{5} more problems"), (many, r"and \d more problems")):
        page = visit.post("/datasets/import", {"text": file})
        assert page.status_code == 422
        assert re.search(more, words_of(page.text))
        assert len(page.text) < len(file) + 200_000


def test_a_long_text_is_not_quoted_whole(visit: Visit) -> None:
    (source,) = read_all(f"name: a\naccount: demo\nreport: {'x' * 100_000}\n{'k' * 900}: 1\n")
    problems = check(source).problems
    assert all(len(str(problem)) < 1_500 for problem in problems)
    page = visit.post("/datasets/import", {"text": f"name: {'n' * 100_000}\nreport: performance\n"})
    assert len(page.text) < 100_000 + 20_000


# -- JSON


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"sql": ' + "[" * 100 + "]" * 100 + "}", "at most 60 levels"),
        ("[" * 400_000, "at most 60 levels"),
        ("{" + ",".join(f'"k{n}":1' for n in range(30_000)) + "}", "at most 40,000 keys and values"),
        ("[" + "1," * 50_000 + "1]", "at most 40,000 keys and values"),
    ],
)
def test_json_that_is_too_much_is_refused_before_it_is_parsed(visit: Visit, content: str, message: str) -> None:
    headers = {"content-type": "application/json", "Sec-Fetch-Site": "same-origin"}
    for path in ("/query", "/datasets/validate", "/datasets/import", "/datasets/bulk"):
        answer = visit.client.post(f"{API}{path}", content=content, headers=headers)
        assert answer.status_code == 422, path
        assert message in answer.json()["error"]["message"]
        assert len(answer.content) < 1_000


def test_what_is_wrong_with_a_body_is_cut(visit: Visit) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    body = {"sql": "select 1", **{f"k{number}": 1 for number in range(5_000)}}
    answer = visit.client.post(f"{API}/query", json=body, headers=headers)
    assert answer.status_code == 422
    assert len(answer.json()["error"]["problems"]) == 101
    assert "and 4,900 more problems" in answer.json()["error"]["message"]


def test_commas_and_brackets_in_texts_count_for_nothing(visit: Visit) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    sql = "select '" + '[,{:"\\' * 7_000 + "' as a"
    answer = visit.client.post(f"{API}/query", json={"sql": sql}, headers=headers)
    assert answer.status_code == 200, answer.text[:500]
    assert len(answer.json()["items"][0]["a"]) == 42_000


VALUES: Any = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(VALUES)
def test_json_of_ordinary_size_is_let_through(value: object) -> None:
    assert fault_of(json.dumps(value).encode()) is None
    assert fault_of(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) is None
