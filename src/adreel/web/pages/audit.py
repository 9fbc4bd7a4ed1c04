"""The audit log for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from adreel.access import RoleRight
from adreel.auditing import FORMATS, AuditSearch, details_text, entries, exported
from adreel.errors import InputError
from adreel.store.audit import OPERATOR, AuditAction, AuditEntry
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import file_answer
from adreel.web.pages.paging import page_count
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, respond

router = APIRouter()

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry with its details in words; `link` leads to what it is about, empty if there is no page."""

    entry: AuditEntry
    details: str
    link: str


@dataclass(frozen=True, slots=True)
class AuditPage(Page):
    """The entries that match, and the filters; `query` is the filters as part of an address."""

    template: ClassVar[str] = "audit.html"
    rows: tuple[AuditRow, ...]
    total: int
    page: int
    pages: int
    search: AuditSearch
    names: tuple[str, ...]
    operator: str
    actions: tuple[AuditAction, ...]
    formats: tuple[str, ...]
    query: str
    error: str
    filtered: bool


@router.get("/audit")
def audit(
    request: Request,
    deps: Here,
    who: Who,
    user: str = "",
    action: Annotated[list[str] | None, Query()] = None,
    subject: str = "",
    start: str = "",
    end: str = "",
    page: int = 1,
) -> Response:
    """What people did, latest first."""
    who.guard.need_role(RoleRight.VIEW_AUDIT)
    search = AuditSearch(user, tuple(name for name in action or () if name), subject, start, end)
    try:
        view, status = _page(deps, who, search, page), 200
    except InputError as error:
        view, status = _page(deps, who, AuditSearch(), 1, shown=search, error=sentence(error)), 422
    return respond(request, view, status, who)


@router.get("/audit/export")
def export(
    deps: Here,
    who: Who,
    user: str = "",
    action: Annotated[list[str] | None, Query()] = None,
    subject: str = "",
    start: str = "",
    end: str = "",
    format: str = "csv",  # noqa: A002 - the word in the address
) -> Response:
    """The entries that match as a file."""
    search = AuditSearch(user, tuple(action or ()), subject, start, end)
    chunks = exported(who.guard, search.chosen(deps.store.workspace.get().zone), format)
    return file_answer(chunks, format, f"audit.{format}", f"audit.{format}")


def _page(
    deps: Deps, who: Visitor, search: AuditSearch, page: int, *, shown: AuditSearch | None = None, error: str = ""
) -> AuditPage:
    chosen = search.chosen(deps.store.workspace.get().zone)
    number = min(max(page, 1), 1_000_000)
    shown_entries, total = entries(who.guard, chosen, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    values = {"user": search.who, "subject": search.subject, "start": search.start, "end": search.end}
    given = [(name, value) for name, value in values.items() if value]
    linked = _Links(deps)
    return AuditPage(
        rows=tuple(AuditRow(entry, details_text(entry.details), linked.to(entry)) for entry in shown_entries),
        total=total,
        page=number,
        pages=page_count(total, PER_PAGE),
        search=shown or search,
        names=deps.store.audit.names(),
        operator=OPERATOR,
        actions=tuple(AuditAction),
        formats=FORMATS,
        query=urlencode([*given, *(("action", name) for name in search.action)]),
        error=error,
        filtered=chosen.is_set,
    )


class _Links:
    """Addresses of what entries are about, as far as it is still there."""

    def __init__(self, deps: Deps) -> None:
        self._paths = {
            "dataset": {str(saved.id): f"/datasets/{saved.slug}" for saved in deps.store.datasets.list()},
            "account": {str(account.id): f"/accounts/{account.id}" for account in deps.store.accounts.list()},
            "user": {str(user.id): f"/users/{user.id}" for user in deps.store.users.list()},
        }

    def to(self, entry: AuditEntry) -> str:
        """The path, or empty."""
        return self._paths.get(entry.subject_kind, {}).get(entry.subject_id, "")
