"""Which page of the docs answers the questions of a page of the Data Center."""

from __future__ import annotations

import re

HELP = (
    ("/datasets/new", "/docs/tutorials/marketer#create-a-dataset-from-a-template"),
    ("/datasets/import", "/docs/dataset-files"),
    (r"/datasets/\w+/settings", "/docs/dataset-files"),
    (r"/datasets/\w+/cards", "/docs/charts"),
    (r"/datasets/\w+/restatements", "/docs/explanation/restatements"),
    (r"/datasets/\w+/versions", "/docs/dataset-files#restore-a-version"),
    (r"/datasets/\w+/history", "/docs/explanation/runs"),
    (r"/datasets/\w+/notifications", "/docs/notifications"),
    (r"/datasets/\w+/destinations", "/docs/destinations"),
    ("/dashboards", "/docs/dashboards"),
    ("/accounts", "/docs/accounts"),
    ("/query", "/docs/tutorials/analyst#query-a-table"),
    ("/status", "/docs/operations"),
    ("/notifications", "/docs/notifications"),
    ("/destinations", "/docs/destinations"),
    ("/users", "/docs/reference/rights"),
    ("/workspace/rates", "/docs/rates"),
    ("/retention", "/docs/audit-and-retention#retention"),
    ("/audit", "/docs/audit-and-retention#audit-log"),
    ("/api", "/docs/api"),
)
"""The beginning of an address, as a pattern, with where *Help* leads there; the first that fits."""


def help_address(path: str) -> str:
    """Where *Help* leads on the page at `path`."""
    return next((address for start, address in HELP if re.match(rf"{start}(/|$)", path)), "/docs")
