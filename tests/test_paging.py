"""Lists in pages."""

from __future__ import annotations

import pytest

from adreel.web.pages.paging import page_count, page_number


@pytest.mark.parametrize(("rows", "pages"), [(0, 1), (1, 1), (50, 1), (51, 2), (100, 2), (101, 3)])
def test_a_list_has_as_many_pages_as_its_rows_fill_and_at_least_one(rows: int, pages: int) -> None:
    assert page_count(rows, 50) == pages


@pytest.mark.parametrize(
    ("text", "page"),
    [("3", 3), ("007", 7), ("", 1), ("0", 1), ("-2", 1), ("x", 1), ("1.5", 1), ("²", 1), ("٣", 1), ("9" * 5000, 1)],
)
def test_an_address_that_has_no_number_of_a_page_is_of_the_first(text: str, page: int) -> None:
    assert page_number(text) == page
