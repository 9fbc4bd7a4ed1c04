"""Every page with missing and nonsense values in its address."""

from __future__ import annotations

import re

import pytest

import test_web_security
from test_web_security import NONSENSE, OPEN, PATHS, routes
from web_home import Site, words_of

quiet = test_web_security.quiet


@pytest.mark.parametrize("path", [*PATHS, *(path for path in routes("GET") if "1" in path and path not in OPEN)])
def test_an_address_with_missing_or_nonsense_values_is_answered_with_a_sentence(quiet: Site, path: str) -> None:
    visit = quiet.visit("admin")
    numbers = "before=99&after=98&version=77&page=9999999999999999999999"
    for query in ("", "&".join(f"{name}=n%C3%B6%00" for name in NONSENSE.split()), numbers):
        for ask in (visit.get, visit.part):
            answer = ask(f"{path}?{query}")
            # 204 leads htmx to another page.
            assert answer.status_code in (200, 204, 404, 422), query
            if answer.status_code in (404, 422):
                assert answer.headers["content-type"].startswith("text/html")
                alert = re.findall(r'(?s)role="alert".*?>(.*?)</div>', answer.text)[0]
                assert re.match(r"[A-Z'].*[.?]$", words_of(alert)), (query, alert)
                assert not re.search(r"Input should|Field required|unable to parse|Unprocessable|available:", alert)
