"""Datasets duplicated, downloaded, converted and imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import Response

from adreel.access import AccountRight, DatasetRight, RoleRight
from adreel.datasets import service
from adreel.datasets.file_kinds import sources_in, text_of
from adreel.datasets.imports import LONGEST_NAME, Arrival, Brought, arrivals, bring, with_account
from adreel.datasets.stored import as_file, source_of
from adreel.errors import ExistsError, InputError
from adreel.store import Account
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import attachment
from adreel.web.import_turn import one_at_a_time
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond

router = APIRouter()

Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Import(Page):
    """The import page; `found` have their faults, `error` is one of the whole file."""

    template: ClassVar[str] = "details_import.html"
    accounts: tuple[Account, ...]
    account: str
    text: str
    error: str
    imports: tuple[Arrival, ...]


@router.get("/datasets/import")
def import_page(request: Request, who: Who) -> Response:
    """Where a file is chosen, or its text pasted."""
    return respond(request, _import(who))


@router.post("/datasets/import")
async def bring_over(
    request: Request,
    deps: Here,
    who: Who,
    file: Annotated[UploadFile | None, File()] = None,
    text: Text = "",
    account: Text = "",
) -> Response:
    """Datasets of a file with one or several, also of the older connector: all are saved, or none.

    `account` replaces the one that each of them names.
    """
    name = " ".join((file.filename or "").split())[:LONGEST_NAME] if file is not None else ""
    content = file.file.read() if file is not None and name else None
    return await one_at_a_time(request, lambda: _imported(request, deps, who, (name, content), text, account))


def _imported(
    request: Request, deps: Deps, who: Visitor, file: tuple[str, bytes | None], text: str, account: str
) -> Response:
    page = _import(who)
    name, content = file
    given, subject = text, name or "The text"
    try:
        if content is None and not text.strip():
            raise InputError("Choose a file, or paste its text.")
        given = text_of(content, subject) if content is not None else text
        sources = sources_in(given, subject)
    except InputError as error:
        return respond(request, Import(page.accounts, account, given, error.message, ()), 422)
    if account:
        sources = tuple(with_account(source, account) for source in sources)
    imports = arrivals(deps.store, who.guard, sources, deps.clock())
    if any(arrival.faults for arrival in imports):
        return respond(request, Import(page.accounts, account, given, "", imports), 422)
    try:
        brought = bring(who.guard, imports)
    except ExistsError as error:
        reason = sentence(error).removeprefix("Nothing was imported: ")
        return respond(request, Import(page.accounts, account, given, reason, ()), 409)
    return go(request, "/datasets", _said(brought))


def _import(who: Visitor) -> Import:
    who.guard.need_role(RoleRight.IMPORT)
    accounts = tuple(account for account in who.guard.accounts() if who.guard.may(AccountRight.USE, account))
    return Import(accounts, "", "", "", ())


def _said(brought: Brought) -> str:
    words = []
    if brought.saved:
        names = ", ".join(dataset.name for dataset in brought.saved[:5]) + (", …" if len(brought.saved) > 5 else "")
        words.append(f"{_count(len(brought.saved))} imported: {names}.")
    if brought.there:
        words.append(f"{_count(len(brought.there))} unchanged.")
    return " ".join([*words, *brought.notes])


def _count(number: int) -> str:
    return f"{number:,} dataset{' was' if number == 1 else 's were'}"


@router.post("/datasets/{slug}/duplicate")
def duplicate(request: Request, who: Who, slug: str) -> Response:
    """Leads to a new form that is filled as the dataset is."""
    who.guard.need_role(RoleRight.DUPLICATE)
    saved = who.guard.dataset(slug)
    return go(request, f"/datasets/new?{urlencode({'like': saved.slug})}")


@router.get("/datasets/{slug}/download")
def download(who: Who, slug: str) -> Response:
    """The dataset as a file that `adreel datasets` reads."""
    saved = who.guard.dataset(slug)
    text = as_file(source_of(saved).values)
    return Response(text, media_type="application/yaml", headers=attachment(f"{saved.slug}.yaml", f"{saved.name}.yaml"))


@router.post("/datasets/{slug}/convert")
def convert(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """Turns a dataset of a deprecated report into one of what serves it now; its table is kept."""
    changed, empty = service.convert(who.guard, who.guard.dataset(slug, DatasetRight.EDIT), deps.clock())
    message = f"{changed.name!r} was converted and keeps its table."
    if empty:
        message += f" Columns removed because they were always empty: {', '.join(empty)}."
    return go(request, f"/datasets/{changed.slug}/settings", message)
