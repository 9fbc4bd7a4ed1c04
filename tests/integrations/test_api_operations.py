"""Generated requests to every operation of the API: each is answered as the description says."""

from __future__ import annotations

import pytest

import test_api_schema
from test_api_schema import OPERATIONS, Prepared, check_generated_requests
from web_home import Site

prepared = test_api_schema.prepared
site = test_api_schema.site


@pytest.mark.parametrize("name", OPERATIONS)
def test_generated_requests_are_answered_as_the_description_says(prepared: Prepared, site: Site, name: str) -> None:
    check_generated_requests(prepared, site, name)
