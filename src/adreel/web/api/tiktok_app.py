"""The TikTok app that new connections use."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr

from adreel import guide
from adreel.access import RoleRight
from adreel.connections import app_in_use
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, having
from adreel.web.deps import Deps, Here, Visitor

router = api_router("workspace", prefix="/app")


class AppAnswer(Answer):
    """The app that new connections use. Its secret is never shown."""

    app_id: str = Field(description="Empty if no app is set.", examples=["7000000000000000000"])
    secret_set: bool = Field(examples=[True])
    source: str = Field(
        description="`stored` for the app entered here; `environment` or a line of adreel.env, which take precedence; "
        "or empty.",
        examples=["stored"],
    )
    stored_app_id: str | None = Field(
        description="The app entered here, used or not.", examples=["7000000000000000000"]
    )
    changed_at: datetime | None
    changed_by: str | None = Field(examples=["ada"])


class AppBody(Body):
    """An app of TikTok's developer portal."""

    app_id: str = Field(min_length=1, max_length=200, examples=["7000000000000000000"])
    secret: SecretStr | None = Field(None, max_length=200, description="Omit it to keep that of the same app.")


class AppCheck(Answer):
    """What TikTok said of the app."""

    good: bool = Field(examples=[True])
    words: str = Field(examples=["TikTok knows the app."])
    step: str | None = Field(description="The step of the guide to return to.", examples=["keys"])


@router.get("", summary="Get the TikTok app", responses=failures(403))
def get_app(deps: Here, _: Annotated[Visitor, having(RoleRight.VIEW_SETTINGS)]) -> AppAnswer:
    """The app that new connections use, and where it is set. Administrators only."""
    return _answer(deps)


@router.put("", summary="Set the TikTok app", responses=failures(403))
def set_app(deps: Here, _: Annotated[Visitor, having(RoleRight.CHANGE_WORKSPACE)], body: AppBody) -> AppAnswer:
    """Stores the app's ID and secret, encrypted; they take effect at once. Administrators only."""
    deps.store.app.set(body.app_id, body.secret.get_secret_value() if body.secret else "")
    return _answer(deps)


@router.delete("", summary="Remove the TikTok app", status_code=204, responses=failures(403))
def remove_app(deps: Here, _: Annotated[Visitor, having(RoleRight.CHANGE_WORKSPACE)]) -> None:
    """Forgets the app entered here. Connected accounts keep theirs. Administrators only."""
    deps.store.app.remove()


@router.post("/test", summary="Test the TikTok app", responses=failures(403))
async def test_app(deps: Here, who: Annotated[Visitor, having(RoleRight.CHANGE_WORKSPACE)]) -> AppCheck:
    """What TikTok says of the app; one request, which exchanges a made-up code. Administrators only."""
    return AppCheck.model_validate(await guide.check_app(who.guard, deps.settings, deps.transport))


def _answer(deps: Deps) -> AppAnswer:
    app, stored = app_in_use(deps.settings, deps.store), deps.store.app.get()
    return AppAnswer(
        app_id=app.app_id,
        secret_set=bool(app.secret),
        source=app.source,
        stored_app_id=stored.app_id if stored else None,
        changed_at=stored.changed_at if stored else None,
        changed_by=stored.changed_by if stored else None,
    )
