"""The pages, a module for each family of addresses."""

from adreel.web.pages import (
    accounts,
    audit,
    backfills,
    charts,
    data,
    dataset,
    datasets,
    details,
    entrance,
    history,
    home,
    notifications,
    people,
    query,
    restatements,
    retention,
    status,
)

ROUTERS = (
    entrance.router,
    home.router,
    details.router,
    datasets.router,
    dataset.router,
    backfills.router,
    data.router,
    charts.router,
    history.router,
    restatements.router,
    accounts.router,
    people.router,
    notifications.router,
    query.router,
    status.router,
    audit.router,
    retention.router,
)
"""In the order in which addresses are looked for: /datasets/new before /datasets/{slug}."""
