"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import Field

from adreel.access import RoleRight
from adreel.auditing import AuditSearch, entries, entry_json, exported
from adreel.store.audit import AuditAction, Means
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Paged, having
from adreel.web.api.tables import FILE
from adreel.web.deps import Visitor
from adreel.web.downloads import file_answer

router = api_router("audit")


class AuditItem(Answer):
    """What a user did, by which means, and to what. Names are those of the time."""

    id: str = Field(examples=["1"])
    at: datetime
    user_id: str | None = Field(description="Null for no user, such as the command line.", examples=["1"])
    user: str = Field(examples=["ada"])
    by: Means = Field(examples=[Means.PAGE])
    token: str | None = Field(description="Name of the API token.", examples=[None])
    action: AuditAction = Field(examples=[AuditAction.RUN_START])
    meaning: str = Field(examples=["Started run"])
    subject_kind: str = Field(examples=["dataset"])
    subject_id: str | None = Field(examples=["1"])
    subject: str | None = Field(examples=["Ad spend by day"])
    details: dict[str, Any]


class AuditList(Paged[AuditItem]):
    """Entries of the audit log, latest first."""


class AuditQuery(Body):
    """Which entries."""

    user: str = Field("", max_length=200, description="Name of the user, in any case, or `command line`.")
    action: list[AuditAction] = Field([], description="One or several actions.")
    subject: str = Field("", max_length=200, description="Part of the subject's name, or its ID.")
    start: str = Field("", max_length=40, description="First day, in UTC.")
    end: str = Field("", max_length=40, description="Last day, in UTC.")

    @property
    def search(self) -> AuditSearch:
        """As the command line and the page have it."""
        return AuditSearch(self.user, tuple(map(str, self.action)), self.subject, self.start, self.end)


class AuditPageQuery(AuditQuery):
    """Which entries, and which part of the list."""

    limit: int = Field(50, ge=1, le=1_000, description="Maximum number of items.")
    offset: int = Field(0, ge=0, le=2**53, description="Number of items to skip.")


class AuditExportQuery(AuditQuery):
    """Which entries, and the format."""

    format: Literal["csv", "json"] = Field("csv", description="Format of the file.")


@router.get("/audit", summary="List the entries of the audit log", responses=failures(403))
def list_audit(
    who: Annotated[Visitor, having(RoleRight.VIEW_AUDIT)], query: Annotated[AuditPageQuery, Query()]
) -> AuditList:
    """Entries, latest first. Administrators only."""
    shown_entries, total = entries(who.guard, query.search.chosen(), limit=query.limit, offset=query.offset)
    items = [AuditItem(**entry_json(entry)) for entry in shown_entries]
    return AuditList(items=items, total=total, limit=query.limit, offset=query.offset)


@router.get(
    "/audit/export",
    summary="Download the audit log",
    response_class=Response,
    responses=FILE | failures(403),
)
def export_audit(
    who: Annotated[Visitor, having(RoleRight.VIEW_AUDIT)], query: Annotated[AuditExportQuery, Query()]
) -> Response:
    """All entries that match as CSV or JSON, latest first. The download is an entry itself."""
    chunks = exported(who.guard, query.search.chosen(), query.format)
    return file_answer(chunks, query.format, f"audit.{query.format}", f"audit.{query.format}")
