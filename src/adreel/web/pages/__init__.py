"""The pages, a module for each family of addresses."""

from adreel.web.pages import (
    accounts,
    audit,
    backfills,
    changed_rows,
    charts,
    data,
    dataset,
    datasets,
    details,
    entrance,
    history,
    links,
    notifications,
    people,
    query,
    retention,
    status,
)

ROUTERS = (
    entrance.router,
    details.router,
    datasets.router,
    dataset.router,
    backfills.router,
    data.router,
    links.router,
    charts.router,
    history.router,
    changed_rows.router,
    accounts.router,
    people.router,
    notifications.router,
    query.router,
    status.router,
    audit.router,
    retention.router,
)
"""In the order in which addresses are looked for: /datasets/new before /datasets/{slug}."""
