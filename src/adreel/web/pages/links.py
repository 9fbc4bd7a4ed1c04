"""CSV links of a dataset's table: made, listed, revoked, and followed by programs that are not signed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.datastructures import QueryParams
from starlette.responses import PlainTextResponse, Response

from adreel.access import RoleRight
from adreel.datasets import csv_links
from adreel.datasets.about import known_columns
from adreel.datasets.csv_links import LinkOverError, create_link, may_revoke, revoke_link
from adreel.datasets.looks import TableLook
from adreel.datasets.schema import Column
from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.language import Phrase, phrase
from adreel.store import ExportLink, SavedDataset
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import file_answer
from adreel.web.pages.data import asked_exactly
from adreel.web.pages.heading import Heading, heading
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond
from adreel.web.status import retry_after, status_of

router = APIRouter()

DAYS: Mapping[str, str] = {
    "30": Phrase("30 days"),
    "90": Phrase("90 days"),
    "365": Phrase("1 year"),
    "": Phrase("Never"),
}
"""When a link expires: days, and what the menu says."""

UNSEEN = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
"""Headers of what a link gives: its address is a secret."""

Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link in the list, its look in words."""

    link: ExportLink
    words: str
    columns: int
    expired: bool
    may_revoke: bool


@dataclass(frozen=True, slots=True)
class NewFormula:
    """The formula of a link that was just made; shown once."""

    name: str
    secret: str
    address: str


@dataclass(frozen=True, slots=True)
class CsvLinksPage(Page):
    """The links of a table, and the form for a new one; `query` is the look that it gives."""

    template: ClassVar[str] = "links.html"
    head: Heading
    links: tuple[LinkRow, ...]
    may_create: bool
    fields: tuple[tuple[str, str], ...]
    look_words: str
    size_words: str
    back: str
    typed: str
    problem: str
    new_link: NewFormula | None
    days: Mapping[str, str]
    warning: str


@router.get("/datasets/{slug}/links")
def links(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The links, and a form for one that gives the look of the address."""
    saved = who.guard.dataset(slug)
    return respond(request, _links(request, deps, who, saved, request.query_params), visitor=who)


@router.post("/datasets/{slug}/links")
def create(
    request: Request, deps: Here, who: Who, slug: str, name: Text = "", days: Text = "", query: Text = ""
) -> Response:
    """Makes a link that gives the look of `query`, an address's, and shows it once."""
    saved = who.guard.dataset(slug)
    asked = QueryParams(query)
    try:
        if days not in DAYS:
            raise InputError(phrase("Select when the link expires."))
        look = asked_exactly(saved.slug, asked).table_look
        link, secret = create_link(who.guard, deps.lake, saved, name, look, int(days) if days else None, deps.clock())
    except InputError as error:
        page = _links(request, deps, who, saved, asked, typed=name[:200], problem=sentence(error))
        return respond(request, page, status_of(error), who)
    web_url = deps.settings.web_url.rstrip("/")
    new_link = NewFormula(link.name, csv_links.formula(web_url, secret), f"{web_url}{csv_links.path_of(secret)}")
    return respond(request, _links(request, deps, who, saved, asked, new_link=new_link), visitor=who)


@router.post("/datasets/{slug}/links/{link_id:int}/revoke")
def revoke(request: Request, who: Who, slug: str, link_id: int) -> Response:
    """Ends a link."""
    saved = who.guard.dataset(slug)
    link = revoke_link(who.guard, saved, link_id)
    return go(
        request,
        f"/datasets/{saved.slug}/links",
        phrase("Revoked the link %(name)s. It gives no data any more.", name=repr(link.name)),
    )


@router.get("/links/{secret}.csv")
def follow(request: Request, deps: Here, secret: str) -> Response:
    """The rows of a link as CSV, for whoever has it. Errors are plain texts that do not repeat the address."""
    now = deps.clock()
    address = request.client.host if request.client else ""
    try:
        try:
            content = csv_links.opened(deps.store, secret, now)
        except NotFoundError:
            deps.link_turns.refuse_guesses(address, now)
            raise
        deps.link_turns.follow(content.link.id, now)
        pieces = deps.link_turns.sent(csv_links.rows_of_link(deps.lake, content, deps.clock()))
        name = f"{content.saved.slug}.csv"
        answer: Response = file_answer(pieces, "csv", name, f"{content.saved.name}.csv")
        deps.store.export_links.note_use(content.link)
    except AdreelError as error:
        status = 410 if isinstance(error, LinkOverError) else status_of(error)
        answer = PlainTextResponse(f"{error.message}\n", status, headers=retry_after(error))
    answer.headers.update(UNSEEN)
    return answer


def _links(
    request: Request,
    deps: Deps,
    who: Visitor,
    saved: SavedDataset,
    query: QueryParams,
    *,
    typed: str = "",
    problem: str = "",
    new_link: NewFormula | None = None,
) -> CsvLinksPage:
    now = deps.clock()
    selected = known_columns(saved, now)
    kept = [(name, value) for name, value in query.multi_items() if name in ("where", "sort", "show")]
    base = f"/datasets/{saved.slug}"
    look_words, size_words = "", ""
    if deps.lake.exists(saved.table_slug):
        look_words, size_words, wrong = _measured(deps, saved, QueryParams(kept), selected)
        problem = problem or wrong
    rows = tuple(
        LinkRow(
            link,
            TableLook.of_json(link.look).words(selected),
            len(link.look["columns"]),
            link.expires_at is not None and link.expires_at <= now,
            may_revoke(who.guard, saved, link),
        )
        for link in deps.store.export_links.list(saved)
    )
    return CsvLinksPage(
        head=heading(deps, who, saved, "data", request.url.path),
        links=rows,
        may_create=who.guard.may_role(RoleRight.SHARE_LINKS) and bool(size_words),
        fields=(("query", urlencode(kept)),),
        look_words=look_words,
        size_words=size_words,
        back=f"{base}/data" + (f"?{urlencode(kept)}" if kept else ""),
        typed=typed,
        problem=problem,
        new_link=new_link,
        days=DAYS,
        warning=csv_links.reach_warning(deps.settings.web_url),
    )


def _measured(
    deps: Deps, saved: SavedDataset, query: QueryParams, selected: Mapping[str, Column]
) -> tuple[str, str, str]:
    """The look in words, how much it is for Google Sheets, and what is wrong with it."""
    try:
        look = asked_exactly(saved.slug, query).table_look
        size = csv_links.size_of(deps.lake, saved, look, deps.clock())
    except InputError as error:
        return "", "", sentence(error)
    return look.words(selected), size, ""
