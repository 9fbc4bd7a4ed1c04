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
from adreel.errors import AdreelError, ExistsError, InputError
from adreel.language import integer, phrase, phrases
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
    given, subject = text, name or phrase("The text")
    try:
        if content is None and not text.strip():
            raise InputError(phrase("Choose a file, or paste its text."))
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
        # The page itself says that nothing was imported.
        reason = error.__cause__ if isinstance(error.__cause__, AdreelError) else error
        return respond(request, Import(page.accounts, account, given, sentence(reason), ()), 409)
    return go(request, "/datasets", _said(brought))


def _import(who: Visitor) -> Import:
    who.guard.need_role(RoleRight.IMPORT)
    accounts = tuple(account for account in who.guard.accounts() if who.guard.may(AccountRight.USE, account))
    return Import(accounts, "", "", "", ())


def _said(brought: Brought) -> str:
    words = []
    if brought.saved:
        names = ", ".join(dataset.name for dataset in brought.saved[:5]) + (", …" if len(brought.saved) > 5 else "")
        words.append(
            phrases(
                "%(number)s dataset was imported: %(names)s.",
                "%(number)s datasets were imported: %(names)s.",
                len(brought.saved),
                number=integer(len(brought.saved)),
                names=names,
            )
        )
    if brought.there:
        words.append(
            phrases(
                "%(number)s dataset was unchanged.",
                "%(number)s datasets were unchanged.",
                len(brought.there),
                number=integer(len(brought.there)),
            )
        )
    return " ".join([*words, *brought.notes])


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
    message = phrase("%(dataset)s was converted and keeps its table.", dataset=repr(changed.name))
    if empty:
        removed = phrase("Columns removed because they were always empty: %(columns)s.", columns=", ".join(empty))
        message = f"{message} {removed}"
    return go(request, f"/datasets/{changed.slug}/settings", message)
