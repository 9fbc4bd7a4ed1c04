"""The list of datasets, and what is done to several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from adreel.access import DatasetRight, RoleRight
from adreel.datasets import service
from adreel.datasets.kept_tables import where_kept
from adreel.datasets.status import SORTS, Standing, Status, Wanted, chosen, standings
from adreel.datasets.stored import as_file, source_of
from adreel.errors import AdreelError, InputError
from adreel.language import Phrase, integer, listed, phrase, phrases
from adreel.store import Draft, SavedDataset
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import attachment
from adreel.web.pages.paging import page_count, page_number
from adreel.web.pages.wording import refusal
from adreel.web.render import Page, go, own_path, respond

router = APIRouter()

PAGE = 50
"""Datasets of a page."""

LONGEST_ERROR = 300
"""Characters of a dataset's error that the list shows; its own page shows all."""

MOST_AT_ONCE = 1_000
"""Datasets that something is done to at once."""

COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("name", Phrase("Name"), False),
    ("report", Phrase("Report"), False),
    ("account", Phrase("Account"), False),
    ("rows", Phrase("Rows"), True),
    ("columns", Phrase("Columns"), True),
    ("last_run", Phrase("Last run"), False),
    ("status", Phrase("Status"), False),
)
"""The columns: the key that they are sorted by, their heading, and whether they hold numbers."""

SWITCHES: tuple[tuple[str, str], ...] = (
    ("attention", Phrase("Needs attention")),
    ("mine", Phrase("Owned by me")),
    ("recent", Phrase("Ran in the last 24 hours")),
    ("scheduled", Phrase("Scheduled")),
    ("paused", Phrase("Paused")),
)

Slugs = Annotated[list[str], Form(default_factory=list, max_length=MOST_AT_ONCE)]
Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters' menus offer: values with their titles."""

    statuses: tuple[tuple[str, str], ...]
    reports: tuple[tuple[str, str], ...]
    accounts: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list. `total` are all datasets that the person may see, `matching` those that are wanted."""

    filters: Wanted
    rows: tuple[Standing, ...]
    total: int
    matching: int
    page: int
    choices: Choices

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return page_count(self.matching, PAGE)

    @property
    def first(self) -> int:
        """The number of the first row."""
        return (self.page - 1) * PAGE + 1

    @property
    def working(self) -> bool:
        """Whether a dataset of this page has a run at work or waiting."""
        return any(standing.status in (Status.RUNNING, Status.QUEUED) for standing in self.rows)

    @property
    def address(self) -> str:
        """The address of this page of the list."""
        return self.at(self.page)

    def at(self, page: int) -> str:
        """The address of another page of it."""
        return address_of(self.filters, page)

    def by(self, key: str) -> str:
        """The address of the list sorted by a column; by the same again, the other way round."""
        again = self.filters.sort == key
        # Numbers and times are of interest from the top.
        falls = not self.filters.descending if again else key in ("rows", "columns", "last_run")
        return address_of(replace(self.filters, sort=key, descending=falls), 1)

    def direction(self, key: str) -> str:
        """How the column is sorted, in ARIA's words."""
        if self.filters.sort != key:
            return "none"
        return "descending" if self.filters.descending else "ascending"


@dataclass(frozen=True, slots=True)
class DatasetsPage(Page):
    """The list with its filters; `accounts` is how many accounts the person sees, for a workspace that is new.

    `drafts` are the person's of new datasets, and `discarded` the key of one that was just put away.
    """

    template: ClassVar[str] = "datasets.html"
    listing: Listing
    accounts: int
    drafts: tuple[Draft, ...]
    discarded: str
    columns: tuple[tuple[str, str, bool], ...] = COLUMNS
    switches: tuple[tuple[str, str], ...] = SWITCHES
    longest_error: int = LONGEST_ERROR


@dataclass(frozen=True, slots=True)
class DatasetsPart(Page):
    """The list without its filters, where these changed."""

    template: ClassVar[str] = "_datasets.html"
    listing: Listing
    columns: tuple[tuple[str, str, bool], ...] = COLUMNS
    longest_error: int = LONGEST_ERROR


@dataclass(frozen=True, slots=True)
class Deletion(Page):
    """The question before datasets are deleted; `action` is where the answer goes, `onward` where a no leads.

    `addresses` are those of their tables, by slug; `kept` says what becomes of tables that stay.
    """

    template: ClassVar[str] = "deletion.html"
    datasets: tuple[Standing, ...]
    addresses: Mapping[str, str]
    kept: str
    action: str
    onward: str


@dataclass(frozen=True, slots=True)
class Refusals(Page):
    """What was done to several datasets, and why it was not done to others."""

    template: ClassVar[str] = "refusals.html"
    message: str
    refused: tuple[tuple[str, str], ...]
    onward: str


@router.get("/datasets")
def datasets(request: Request, deps: Here, who: Who) -> Response:
    """The list, or its rows alone where its filters ask for them."""
    listing = _listing(deps, who, request.query_params)
    if request.headers.get("hx-request-type") == "partial":
        answer = respond(request, DatasetsPart(listing), visitor=who)
        answer.headers["HX-Replace-Url"] = listing.address
        return answer
    accounts = 0 if listing.total else len(who.guard.accounts())
    drafts = deps.store.drafts.list(who.user) if who.may_edit else ()
    discarded = request.query_params.get("discarded", "")
    return respond(request, DatasetsPage(listing, accounts, drafts, discarded), visitor=who)


def _listing(deps: Deps, who: Visitor, query: QueryParams) -> Listing:
    now = deps.clock()
    every = standings(deps.store, who.guard, now)
    filters = wanted_of(query)
    matching = chosen(every, filters, who.user, now)
    last = page_count(len(matching), PAGE)
    page = min(page_number(query.get("page", "")), last)
    rows = tuple(matching[(page - 1) * PAGE : page * PAGE])
    return Listing(filters, rows, len(every), len(matching), page, _choices(every))


def wanted_of(query: QueryParams) -> Wanted:
    """What the address asks for; what it should not hold is passed over."""
    sort = query.get("sort", "name")
    key = sort.removeprefix("-")
    return Wanted(
        text=query.get("q", "").strip()[:200],
        status=query.get("status", ""),
        report=query.get("report", ""),
        account=query.get("account", ""),
        tag=query.get("tag", ""),
        mine=bool(query.get("mine")),
        recent=bool(query.get("recent")),
        attention=bool(query.get("attention")),
        scheduled=bool(query.get("scheduled")),
        paused=bool(query.get("paused")),
        sort=key if key in SORTS else "name",
        descending=sort.startswith("-"),
    )


def address_of(filters: Wanted, page: int = 1) -> str:
    """The address of a page of the list; what does not narrow it is left out."""
    sort = ("-" if filters.descending else "") + filters.sort
    pairs = {
        "q": filters.text,
        "status": filters.status,
        "report": filters.report,
        "account": filters.account,
        "tag": filters.tag,
        "mine": "1" if filters.mine else "",
        "recent": "1" if filters.recent else "",
        "attention": "1" if filters.attention else "",
        "scheduled": "1" if filters.scheduled else "",
        "paused": "1" if filters.paused else "",
        "sort": "" if sort == "name" else sort,
        "page": "" if page == 1 else str(page),
    }
    query = urlencode({name: value for name, value in pairs.items() if value})
    return f"/datasets?{query}" if query else "/datasets"


def _choices(every: Iterable[Standing]) -> Choices:
    standings = tuple(every)
    statuses = sorted({standing.status for standing in standings}, key=lambda status: status.rank)
    reports = sorted(
        {(standing.report, str(standing.report_title)) for standing in standings}, key=lambda pair: pair[1].casefold()
    )
    return Choices(
        statuses=tuple((status.value, status.label) for status in statuses),
        reports=tuple(reports),
        accounts=_sorted(standing.saved.account_name for standing in standings),
        tags=_sorted(word for standing in standings for word in standing.saved.tags),
    )


def _sorted(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in sorted(set(names), key=str.casefold))


# -- several at once


@router.post("/datasets/bulk")
def bulk(
    request: Request,
    deps: Here,
    who: Who,
    slug: Slugs,
    action: Text = "",
    tag_name: Text = "",
    onward: Text = "/datasets",
    sure: Text = "",
    tables: Text = "keep",
) -> Response:
    """Does one thing to all datasets that are named, or to none if the person may not do it to one of them."""
    onward = own_path(onward, "/datasets")
    if not slug:
        raise InputError(phrase("Select at least one dataset."))
    if action == "download":
        return _download([who.guard.dataset(dataset_slug) for dataset_slug in slug])
    who.guard.need_role(RoleRight.BULK)
    if action == "run":
        return _run(request, deps, who, slug, onward)
    if action == "delete":
        if not sure:
            # A page of its own, so that the browser's Back finds it again.
            pairs = [("slug", dataset_slug) for dataset_slug in slug] + [("onward", onward)]
            return go(request, f"/deletion?{urlencode(pairs)}")
        return _delete(request, deps, who, slug, onward, keep_tables=tables == "keep")
    if action in ("tag", "untag"):
        return _tag(request, who, slug, tag_name, onward, put=action == "tag")
    raise InputError(
        phrase("%(action)s is not a bulk action. Use run, delete, tag, untag or download.", action=repr(action))
    )


@router.get("/deletion")
def ask_before_deletion(
    request: Request,
    deps: Here,
    who: Who,
    slug: Annotated[list[str], Query(max_length=MOST_AT_ONCE)],
    onward: str = "/datasets",
) -> Response:
    """The question before several datasets are deleted."""
    ids = {who.guard.dataset(dataset_slug, DatasetRight.DELETE).id for dataset_slug in slug}
    every = standings(deps.store, who.guard, deps.clock())
    to_delete = tuple(standing for standing in every if standing.saved.id in ids)
    return respond(request, deletion(deps, to_delete, "/datasets/bulk", own_path(onward, "/datasets")), visitor=who)


def deletion(deps: Deps, to_delete: tuple[Standing, ...], action: str, onward: str) -> Deletion:
    """The question before these are deleted."""
    slugs = [standing.saved.table_slug for standing in to_delete if standing.good]
    addresses = {slug: deps.lake.table_url(slug) for slug in slugs}
    return Deletion(to_delete, addresses, where_kept(deps.lake, slugs), action, onward)


def deletion_notice(deps: Deps, deleted: str, kept: Sequence[str]) -> str:
    """What was deleted, in a sentence, and where the tables are that stay; `kept` are the slugs of these."""
    return " ".join(filter(None, (deleted, where_kept(deps.lake, kept))))


def _download(datasets: Iterable[SavedDataset]) -> Response:
    """The datasets' files in one, as `adreel datasets import` reads it."""
    text = "---\n".join(as_file(source_of(saved).values) for saved in datasets)
    return Response(text, media_type="application/yaml", headers=attachment("datasets.yaml", "datasets.yaml"))


def _run(request: Request, deps: Deps, who: Visitor, slugs: Iterable[str], onward: str) -> Response:
    selected = [who.guard.dataset(slug, DatasetRight.RUN) for slug in slugs]
    orders = deps.orders
    refused = _each(selected, lambda saved: orders.enqueue(who.guard, saved))
    started = len(selected) - len(refused)
    message = phrases("%(runs)s run started.", "%(runs)s runs started.", started, runs=integer(started))
    return _done(request, message, refused, onward)


def _delete(
    request: Request,
    deps: Deps,
    who: Visitor,
    slugs: Iterable[str],
    onward: str,
    *,
    keep_tables: bool,
) -> Response:
    selected = [who.guard.dataset(slug, DatasetRight.DELETE) for slug in slugs]
    orders = deps.orders
    kept: list[str] = []

    def delete(saved: SavedDataset) -> None:
        if orders.delete(who.guard, saved, keep_table=keep_tables):
            kept.append(saved.table_slug)

    refused = _each(selected, delete)
    count = len(selected) - len(refused)
    deleted = (
        phrases("Deleted %(datasets)s dataset.", "Deleted %(datasets)s datasets.", count, datasets=integer(count))
        if keep_tables
        else phrases(
            "Deleted %(datasets)s dataset with all tables and versions.",
            "Deleted %(datasets)s datasets with all tables and versions.",
            count,
            datasets=integer(count),
        )
    )
    return _done(request, deletion_notice(deps, deleted, kept), refused, onward)


def _tag(request: Request, who: Visitor, slugs: Iterable[str], name: str, onward: str, *, put: bool) -> Response:
    words = tuple(dict.fromkeys(" ".join(word.split()) for word in name.split(",") if word.strip()))
    if not words:
        raise InputError(phrase("Enter a tag name."))
    selected = [who.guard.dataset(slug, DatasetRight.EDIT) for slug in slugs]
    refused = _each(selected, lambda saved: service.retag(who.guard, saved, words, put=put))
    tags = listed(map(repr, words))
    count = len(selected) - len(refused)
    message = (
        phrases(
            "Added %(tags)s to %(datasets)s dataset.",
            "Added %(tags)s to %(datasets)s datasets.",
            count,
            tags=tags,
            datasets=integer(count),
        )
        if put
        else phrases(
            "Removed %(tags)s from %(datasets)s dataset.",
            "Removed %(tags)s from %(datasets)s datasets.",
            count,
            tags=tags,
            datasets=integer(count),
        )
    )
    return _done(request, message, refused, onward)


def _each(selected: Iterable[SavedDataset], work: Callable[[SavedDataset], object]) -> tuple[tuple[str, str], ...]:
    """Does it to each; the names of those to which it could not be done, with the reason."""
    refused = []
    for saved in selected:
        try:
            work(saved)
        except AdreelError as error:
            refused.append((saved.name, refusal(error)))
    return tuple(refused)


def _done(request: Request, message: str, refused: tuple[tuple[str, str], ...], onward: str) -> Response:
    if not refused:
        return go(request, onward, message)
    return respond(request, Refusals(message, refused, onward), 409)
