"""What the docs tell people to type does what they say: each block of each page is run, in the order of its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import doc_session
from doc_session import LONG, PAGES, ROOT, RUN, SHOWN, Block, DocSession, blocks_of, first_missing, type_page

prepared = doc_session.prepared
session = doc_session.session

MOST_NOT_RUN = 12
"""Blocks of all pages that nothing runs."""


def all_blocks() -> list[tuple[str, Block]]:
    return [(page, block) for page, text in PAGES.items() for block in blocks_of(text)]


RUNNABLE = sorted({page for page, block in all_blocks() if block.language in RUN and block.mark in ("", "file")} - LONG)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE)
def test_what_a_page_says_can_be_typed(session: DocSession, page: str) -> None:
    type_page(session, page)


def test_every_block_is_run_or_shown_or_says_why_not() -> None:
    blocks = all_blocks()
    strange = [f"{page}:{block.line}: {block.language}" for page, block in blocks if block.language not in RUN | SHOWN]
    assert not strange, "Name the language of the block, or mark it: <!-- not run: why -->"
    missing = [
        f"{page}:{block.line}: {block.value}"
        for page, block in blocks
        if block.mark == "run by" and not (ROOT / block.value).is_file()
    ]
    assert not missing
    not_run = [f"{page}:{block.line}: {block.value}" for page, block in blocks if block.mark == "not run"]
    assert len(not_run) <= MOST_NOT_RUN, not_run


def test_json_in_the_docs_is_json() -> None:
    for page, block in all_blocks():
        if block.language == "json" and not block.mark:
            assert json.loads(block.text), f"{page}:{block.line}"


@pytest.mark.parametrize(
    "text",
    [
        "$ adreel versions ad_spend_by_dya\n",
        "$ adreel versions ad_spend_by_day\nno such line\n",
        "$ adreel query 'select spent from ad_spend_by_day'\n",
        "$ rm -r /\n",
        "$ curl -X POST http://localhost:8765/api/v1/datasets/none/runs\n",
    ],
)
def test_a_block_that_is_wrong_fails(session: DocSession, text: str) -> None:
    with pytest.raises(AssertionError):
        session.console(text)


def test_commands_have_pipes_files_variables_and_several_lines(session: DocSession, tmp_path: Path) -> None:
    session.console(
        "$ export NAME=ad_spend_by_day\n"
        "$ adreel versions $NAME --json | head -c 2 > ~/start.txt\n"
        "$ cat > d.csv <<'EOF'\na,b\n1,2\nEOF\n"
    )
    session.console("adreel query \\\n  'select 6 * 7\n  as answer' --format csv -o answer.csv && cat d.csv\n")
    assert (tmp_path / "answer.csv").read_text().split() == ['"answer"', "42"]
    assert (tmp_path / "start.txt").read_text() == "[\n"
    assert (tmp_path / "d.csv").read_text() == "a,b\n1,2\n"
    session.console("$ echo Verified, 22 rows in 1 s\nVerified, … rows in …\n")


def test_lines_of_an_answer_have_to_come_in_their_order() -> None:
    assert first_missing(["a", "c"], "a\nb\nc\n") is None
    assert first_missing(["c", "a"], "a\nb\nc\n") == "a"
    assert first_missing(["2 …"], "12 rows\n") == "2 …"
