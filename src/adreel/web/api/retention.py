"""The retention policy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adreel import pruning
from adreel.access import RoleRight
from adreel.store import Retention
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, having
from adreel.web.deps import Here, Visitor

router = api_router("retention")

PREVIEW_SECONDS = 20.0
"""Time for looking at tables; more tables than that are counted as `complete: false`."""


class RetentionAnswer(Answer):
    """How long things are kept, in days; null for good."""

    version_days: int | None = Field(description="Versions of tables.", examples=[None])
    version_count: int = Field(description="Latest versions that stay, whatever their age.", examples=[10])
    run_days: int | None = Field(description="Runs whose version is not kept.", examples=[None])
    log_days: int | None = Field(description="Logs of runs.", examples=[365])
    audit_days: int | None = Field(description="Audit entries.", examples=[None])


class RetentionBody(Body):
    """A retention policy, in days; null keeps for good."""

    version_days: int | None = Field(None, ge=1, le=100_000, examples=[90])
    version_count: int = Field(10, ge=1, le=100_000, examples=[10])
    run_days: int | None = Field(None, ge=1, le=100_000, examples=[None])
    log_days: int | None = Field(365, ge=1, le=100_000, examples=[365])
    audit_days: int | None = Field(None, ge=1, le=100_000, examples=[None])

    @property
    def policy(self) -> Retention:
        """As the store has it."""
        return Retention(self.version_days, self.version_count, self.run_days, self.log_days, self.audit_days)


class PrunedAnswer(Answer):
    """What a policy would delete now."""

    versions: int = Field(examples=[12])
    size: int = Field(description="Bytes that are freed.", examples=[1048576])
    runs: int = Field(examples=[0])
    log_lines: int = Field(examples=[500])
    audit_entries: int = Field(examples=[0])
    tables: int = Field(description="Tables with such versions.", examples=[3])
    complete: bool = Field(description="False if there was no time to look at every table.", examples=[True])


@router.get("/retention", summary="Get the retention policy", responses=failures(403))
def get_retention(deps: Here, _: Annotated[Visitor, having(RoleRight.VIEW_RETENTION)]) -> RetentionAnswer:
    """How long versions, runs, logs and audit entries are kept. Administrators only."""
    return RetentionAnswer.model_validate(deps.store.retention.get())


@router.put("/retention", summary="Change the retention policy", responses=failures(403))
def change_retention(
    who: Annotated[Visitor, having(RoleRight.CHANGE_RETENTION)], body: RetentionBody
) -> RetentionAnswer:
    """Saves another policy. Workers apply it within a day; see `POST /retention/preview` for what it deletes."""
    return RetentionAnswer.model_validate(pruning.change(who.guard, body.policy))


@router.post("/retention/preview", summary="Preview a retention policy", responses=failures(403))
def preview_retention(
    deps: Here, who: Annotated[Visitor, having(RoleRight.VIEW_RETENTION)], body: RetentionBody
) -> PrunedAnswer:
    """What a policy would delete now, and how much space that frees. Changes nothing."""
    pruned = pruning.preview(who.guard, deps.lake, body.policy, deps.clock(), seconds=PREVIEW_SECONDS)
    return PrunedAnswer.model_validate(pruned)
