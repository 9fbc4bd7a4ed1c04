"""Pages as dataclasses and templates of the same name, and how values look in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from adreel.charts.labels import cell
from adreel.datasets.menus import level_words
from adreel.datasets.restatement import amount
from adreel.datasets.runs import started_by
from adreel.enumerations import TextEnum
from adreel.language import (
    LANGUAGES,
    Phrase,
    decimal,
    gettext,
    in_language,
    integer,
    isolated,
    language,
    phrase,
    phrases,
    plural,
    shown_day,
    shown_time,
)
from adreel.notify.schemes import as_webhook
from adreel.store import Role, User
from adreel.stored_texts import translated
from adreel.update_methods import method_title
from adreel.web.assets import Assets
from adreel.web.deps import MadeUp, Visitor, deps_of, known_visitor
from adreel.web.help import help_address
from adreel.web.languages import script_phrases
from adreel.web.wording import on_page, titled, weekday_and_time

NOTICE = "adreel_said"
"""The cookie with the message that the page after a redirect shows."""

THEME = "adreel_theme"
THEMES = ("auto", "light", "dark")

UNKNOWN = "\N{EN DASH}"
"""Shown for a value that is not known."""


class NextStep(TextEnum):
    """What a notice offers to do next: a button that posts to an address, or a link that leads to one."""

    label: str
    path: str
    is_link: bool

    TEST = "test", Phrase("Send a test"), "/notifications/{}/test", False
    RUN = "run", Phrase("Run now"), "/datasets/{}/run", False
    CHARTS = "charts", Phrase("View charts"), "/datasets/{}/cards", True


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said once on the next page; `subject` is what the offer is about: a number or slug."""

    text: str
    failed: bool = False
    offer: NextStep | None = None
    subject: str = ""

    @property
    def action(self) -> str:
        """The address that the offer posts or leads to."""
        return self.offer.path.format(self.subject) if self.offer else ""

    def as_cookie(self) -> str:
        """As the browser keeps it until the next page."""
        return quote(":".join((str(int(self.failed)), self.offer or "", self.subject, str(self.text))))

    @staticmethod
    def read(cookie: str) -> Notice | None:
        """From the browser; None without one, or for what is none."""
        match = re.fullmatch(r"([01]):([a-z]*):([a-z0-9_-]*):(.+)", unquote(cookie), re.DOTALL)
        if match is None:
            return None
        failed, offer, subject, text = match.groups()
        next_step = NextStep(offer) if offer in set(NextStep) and subject else None
        return Notice(text[:500], failed == "1", next_step, subject)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page's template gets; the template has the same name. Fragments of pages are pages without a frame."""

    template: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Shell:
    """What the frame around every page shows; `zone` is the workspace's."""

    user: User | None
    workspace: str
    zone: str
    path: str
    notice: Notice | None
    theme: str
    language: str
    find_made_up: Callable[[], MadeUp | None]

    @property
    def made_up(self) -> MadeUp | None:
        """Which numbers are made up. Looked up when it is shown: parts of pages do not."""
        return self.find_made_up()

    @property
    def languages(self) -> Mapping[str, str]:
        """The languages that a person can choose, each in its own name, by code."""
        return LANGUAGES

    @property
    def phrases(self) -> Mapping[str, str | list[str]]:
        """The messages of scripts in the language of the page; none in English, which scripts have themselves."""
        return script_phrases(self.language)

    @property
    def help(self) -> str:
        """The page of the docs about this page."""
        return help_address(self.path)

    @property
    def may_edit(self) -> bool:
        """Whether the person's role allows changes."""
        return self.user is not None and self.user.role is not Role.VIEWER

    @property
    def is_admin(self) -> bool:
        """Whether the person is an administrator."""
        return self.user is not None and self.user.role is Role.ADMIN


class Pages:
    """Renders pages; one for each app, which keeps the templates that were read."""

    def __init__(self, assets: Assets) -> None:
        """Templates are read on first use; `assets` gives the addresses of static files."""
        self.environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        # Jinja's own functions would put in the values without setting names apart.
        self.environment.newstyle_gettext = True  # type: ignore[attr-defined]
        self.environment.globals |= {"_": _message, "gettext": _message, "ngettext": _plural_message}
        self.environment.globals |= {"asset": assets.url}
        self.environment.filters |= {
            "on_page": on_page,
            "as_webhook": as_webhook,
            "titled": titled,
            "count": shown_count,
            "day": shown_day,
            "time": shown_time,
            "weekday_and_time": weekday_and_time,
            "decimal": decimal,
            "in_language": in_language,
            "translated": translated,
            "number": number,
            "labelled": labelled,
            "level": level_words,
            "method": method_title,
            "started_by": started_by,
            "duration": duration,
            "size": size,
            "ago": ago,
            "moment": moment,
            "restated_amount": restated_amount,
        }

    def html(self, page: Page, shell: Shell, now: datetime) -> str:
        """The page's text."""
        values = {field.name: getattr(page, field.name) for field in fields(page)}
        return self.environment.get_template(page.template).render(values, shell=shell, now=now)


def _message(message: str, /, **values: object) -> Markup:
    """A message of a template, which may have tags, with its values escaped."""
    return Markup(gettext(message)) % isolated(values)  # noqa: S704 - our own messages


def _plural_message(singular: str, several: str, number: int, /, **values: object) -> Markup:
    return Markup(plural(singular, several, number)) % isolated({"num": number, **values})  # noqa: S704 - our own messages


def respond(request: Request, page: Page, status: int = 200, visitor: Visitor | None = None) -> HTMLResponse:
    """The answer with a page or fragment; a notice is shown once."""
    shell = shell_of(request, visitor or known_visitor(request))
    pages: Pages = request.app.state.pages
    answer = HTMLResponse(pages.html(page, shell, deps_of(request).clock()), status)
    if shell.notice and not is_fragment(request):
        answer.delete_cookie(NOTICE, path="/")
    return answer


def shell_of(request: Request, visitor: Visitor | None) -> Shell:
    """The frame around a page, for the visitor."""
    deps = deps_of(request)
    workspace = deps.store.workspace.get()
    theme = request.cookies.get(THEME, "auto")
    return Shell(
        user=visitor.user if visitor else None,
        workspace=workspace.name,
        zone=workspace.zone,
        path=_shown_path(request.url.path),
        notice=Notice.read(request.cookies.get(NOTICE, "")),
        theme=theme if theme in THEMES else "auto",
        language=language(),
        find_made_up=lambda: deps.made_up,
    )


def _shown_path(path: str) -> str:
    """The path as a page may repeat it: without the secret of a link."""
    return "/links" if path.startswith("/links/") else path


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def is_opened(request: Request) -> bool:
    """Whether a browser opens the address itself, as from the address bar, and not a part of a page."""
    return not is_fragment(request) and "text/html" in request.headers.get("accept", "")


def go(request: Request, path: str, notice: str | Notice = "") -> Response:
    """Redirects the browser to another page of the Data Center, which shows `notice` once."""
    answer = Response(status_code=204, headers={"HX-Redirect": path}) if is_fragment(request) else None
    response = answer or RedirectResponse(path, 303)
    if notice:
        response.set_cookie(
            NOTICE,
            (notice if isinstance(notice, Notice) else Notice(notice)).as_cookie(),
            max_age=60,
            path="/",
            httponly=True,
            samesite="lax",
            secure=deps_of(request).secure,
        )
    return response


def own_path(text: str, otherwise: str = "/") -> str:
    """`text` if it is a path of this site, and no address of another in disguise; else `otherwise`."""
    plain_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    printable = all(character.isprintable() and character != "\\" for character in text)
    return text if plain_path and printable else otherwise


# -- how values look


def shown_count(value: int | None) -> str:
    """12,345; a dash for what is not known."""
    return UNKNOWN if value is None else integer(value)


def number(value: Decimal | float | None, digits: int = 2) -> str:
    """1,234.50; whole numbers without digits."""
    if value is None:
        return UNKNOWN
    return integer(value) if isinstance(value, int) else decimal(value, digits)


def restated_amount(value: Decimal, currency: str | None) -> str:
    """+1,234.50 EUR."""
    return amount(value, currency, signed=True)


def labelled(value: Any, column: str) -> Markup:
    """A value of a table's column, with TikTok's constant on hover where its label is shown."""
    shown = cell(column, value)
    pattern = '<span title="{stored}">{text}</span>' if shown.stored else "{text}"
    return Markup(pattern).format(text=shown.text, stored=shown.stored)  # noqa: S704 - our own patterns


def duration(value: timedelta | float | None) -> str:
    """3 min 20 s."""
    if value is None:
        return UNKNOWN
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 10:
        return phrase("%(seconds)s s", seconds=decimal(seconds, 1))
    rounded = round(seconds)
    if rounded < 60:
        return phrase("%(seconds)s s", seconds=rounded)
    minutes, rest = divmod(rounded, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return phrase("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
    return phrase("%(minutes)s min %(seconds)s s", minutes=minutes, seconds=rest)


def size(value: int | None) -> str:
    """4.2 MB."""
    if value is None:
        return UNKNOWN
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{decimal(amount, 0 if unit == 'B' else 1)} {unit}"
        amount /= 1000
    return f"{decimal(amount, 1)} TB"


def ago(value: datetime | None, now: datetime) -> str:
    """How long ago, in words."""
    if value is None:
        return phrase("never")
    seconds = int((now - value).total_seconds())
    if seconds < 60:
        return phrase("just now")
    if (minutes := seconds // 60) < 60:
        return phrases("%(number)s minute ago", "%(number)s minutes ago", minutes, number=minutes)
    if (hours := seconds // 3600) < 24:
        return phrases("%(number)s hour ago", "%(number)s hours ago", hours, number=hours)
    if (days := seconds // 86400) < 60:
        return phrases("%(number)s day ago", "%(number)s days ago", days, number=days)
    return phrase("on %(day)s", day=shown_day(value.date()))


def moment(value: datetime | None, zone: str) -> Markup:
    """A time in the workspace's zone, with UTC on hover and for programs."""
    if value is None:
        return Markup(UNKNOWN)  # noqa: S704 - our own constant
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", shown_time(utc, seconds=True), shown_time(value.astimezone(ZoneInfo(zone)))
    )
