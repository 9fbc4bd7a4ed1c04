"""The pages of the docs whose commands draw, send or start programs, as `test_docs_executed.py` has the others."""

from __future__ import annotations

import pytest

import doc_session
from doc_session import LONG, DocSession, type_page

prepared = doc_session.prepared
session = doc_session.session


@pytest.mark.parametrize("page", sorted(LONG))
def test_what_a_page_says_can_be_typed(session: DocSession, page: str) -> None:
    type_page(session, page)
