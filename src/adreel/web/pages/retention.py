"""The retention policy: what it deletes is shown before it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel import pruning
from adreel.access import RoleRight
from adreel.errors import InputError
from adreel.language import Phrase, phrase
from adreel.store import Retention
from adreel.store.retention import LEAST_DAYS, LEAST_VERSIONS
from adreel.web.deps import Here, Who
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond

router = APIRouter()

Text = Annotated[str, Form()]

PREVIEW_SECONDS = 10.0
"""Time for looking at tables while a person waits."""


@dataclass(frozen=True, slots=True)
class RetentionField:
    """A field for days; empty keeps for good."""

    name: str
    label: str
    hint: str
    least: int
    value: str


@dataclass(frozen=True, slots=True)
class RetentionPage(Page):
    """The policy in a form; `effect` says what the policy `seen` deletes, once that was looked at."""

    template: ClassVar[str] = "retention.html"
    day_fields: tuple[RetentionField, ...]
    version_count: str
    least_versions: int
    effect: str
    deletes: bool
    seen: str
    error: str


_FIELDS = {
    "version_days": (Phrase("Versions of tables"), Phrase("Older versions cannot be restored or compared any more.")),
    "run_days": (Phrase("Runs"), Phrase("Runs of kept versions stay, and the latest of each dataset.")),
    "log_days": (Phrase("Logs of runs"), Phrase("The latest run of each dataset keeps its log.")),
    "audit_days": (Phrase("Audit entries"), Phrase("Who did what.")),
}


@router.get("/retention")
def retention(request: Request, deps: Here, who: Who) -> Response:
    """The policy as it is."""
    who.guard.need_role(RoleRight.VIEW_RETENTION)
    return respond(request, _page(_texts(deps.store.retention.get())), visitor=who)


@router.post("/retention")
def change_retention(
    request: Request,
    deps: Here,
    who: Who,
    version_days: Text = "",
    version_count: Text = "",
    run_days: Text = "",
    log_days: Text = "",
    audit_days: Text = "",
    seen: Text = "",
) -> Response:
    """Shows what a policy deletes, and saves it if the person has seen that of the same policy."""
    who.guard.need_role(RoleRight.CHANGE_RETENTION)
    days = {"version_days": version_days, "run_days": run_days, "log_days": log_days, "audit_days": audit_days}
    texts = {name: text.strip()[:20] for name, text in (days | {"version_count": version_count}).items()}
    try:
        policy = Retention(
            **{name: _number(name, texts[name]) for name in days},
            version_count=_number("version_count", texts["version_count"]) or 0,
        ).checked()
        if seen == _signature(policy):
            pruning.change(who.guard, policy)
            return go(request, "/retention", phrase("Saved the retention policy. It is applied within a day."))
        pruned = pruning.preview(who.guard, deps.lake, policy, deps.clock(), seconds=PREVIEW_SECONDS)
    except InputError as error:
        return respond(request, _page(texts, error=sentence(error)), 422, who)
    deletes = any((pruned.versions, pruned.runs, pruned.log_lines, pruned.audit_entries)) or not pruned.complete
    page = _page(texts, effect=pruning.effect(pruned), deletes=deletes, seen=_signature(policy))
    return respond(request, page, visitor=who)


def _page(
    texts: Mapping[str, str], *, effect: str = "", deletes: bool = False, seen: str = "", error: str = ""
) -> RetentionPage:
    day_fields = [
        RetentionField(name, label, hint, LEAST_DAYS[name], texts[name]) for name, (label, hint) in _FIELDS.items()
    ]
    return RetentionPage(tuple(day_fields), texts["version_count"], LEAST_VERSIONS, effect, deletes, seen, error)


def _texts(policy: Retention) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in asdict(policy).items()}


def _signature(policy: Retention) -> str:
    return " ".join(str(value) for value in asdict(policy).values())


def _number(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise InputError(phrase("%(field)s: %(text)s is not a whole number.", field=name, text=repr(text)))
    return int(text)
