"""The choice between pages and report tasks: by the requests and the time of both ways, or as the dataset says.

One function decides for runs, estimates, pages and the API. It is for tasks only if they have the same rows by TikTok's
documentation, the number of rows is known, and they save many requests without taking long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adreel.language import integer, phrase
from adreel.pipeline.plan import Plan, Read, least_seconds
from adreel.pipeline.progress import duration_text
from adreel.pipeline.report_tasks import (
    TASK_REQUESTS,
    by_task,
    documented,
    file_columns,
    groups,
    refusal,
    unsettled_days,
)
from adreel.tiktok.rate_limit import RateLimits

TASK_SECONDS = 180.0
"""Seconds that TikTok is expected to work on a task; it documents no figure."""

TASKS_AT_ONCE = 16
"""Tasks that a run waits for at a time, as it reads so many chunks."""

LEAST_SAVED = 500
"""Requests that tasks have to save to be chosen: most of a minute at TikTok's basic API level."""

MOST_PART = 0.5
"""The most that tasks may take of the requests of pages, to be chosen."""

MOST_SECONDS = 600.0
"""Tasks that take longer than this, and than pages, are not chosen."""


@dataclass(frozen=True, slots=True)
class ReadingChoice:
    """The way of reading a plan, and why; `text` is empty where there was nothing to choose.

    `requests` and `seconds` are those of tasks, the first `page_requests` and `page_seconds` those of pages alone; None
    where the number of rows is not known. With `tasks` settled days are read by tasks, as far as these save requests.
    """

    tasks: bool
    text: str
    requests: int | None = None
    seconds: float | None = None
    page_requests: int | None = None
    page_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As the command line and the API give it."""
        return {
            "way": "tasks" if self.tasks else "pages",
            "text": self.text,
            "page_requests": self.page_requests,
            "page_minutes": _minutes(self.page_seconds),
            "task_requests": self.requests,
            "task_minutes": _minutes(self.seconds),
        }


PAGES = ReadingChoice(False, "")
"""Pages, where there is nothing to choose."""


def choose(
    plan: Plan, rows: Mapping[str, tuple[int, int]] | None, page_requests: int | None, limits: RateLimits
) -> ReadingChoice:
    """The way of reading the plan. `rows` has by ad account rows and the days that they span, None if not known.

    `page_requests` are those that pages are expected to take, None if not known.
    """
    option = plan.dataset.reading
    if option == "pages":
        return PAGES
    why_not = refusal(plan.dataset, len(plan.batches))
    if why_not or not any(_spans(plan, read) for read in plan.reads):
        reason = why_not or phrase(
            "report tasks do not read the last %(days)s days, as TikTok still changes them",
            days=unsettled_days(plan.dataset),
        )
        return ReadingChoice(False, _pages(reason) if option == "tasks" else "")
    if rows is None or page_requests is None:
        return _unknown(plan)
    requests, tasks = _task_requests(plan, rows, page_requests)
    rounds = math.ceil(tasks / TASKS_AT_ONCE)
    seconds = _seconds(requests, limits) + rounds * TASK_SECONDS
    choice = ReadingChoice(False, "", requests, seconds, page_requests, _seconds(page_requests, limits))
    return _compared(plan, choice, tasks)


def _unknown(plan: Plan) -> ReadingChoice:
    if plan.dataset.reading == "tasks":
        text = phrase(
            "Reads all but the last %(days)s days with report tasks where these take fewer requests than pages. "
            "The number of rows is not known yet.",
            days=unsettled_days(plan.dataset),
        )
        return ReadingChoice(True, text)
    return PAGES


def _compared(plan: Plan, choice: ReadingChoice, tasks: int) -> ReadingChoice:
    """The choice where both ways are known; `choice` has their figures."""
    requests, page_requests = choice.requests or 0, choice.page_requests or 0
    seconds, page_seconds = choice.seconds or 0.0, choice.page_seconds or 0.0
    if not tasks or requests >= page_requests:
        text = _pages(phrase("report tasks would not take fewer requests")) if plan.dataset.reading == "tasks" else ""
        return _with(choice, tasks=False, text=text)
    figures = {
        "requests": integer(requests),
        "time": duration_text(seconds),
        "page_requests": integer(page_requests),
        "page_time": duration_text(page_seconds),
        "days": unsettled_days(plan.dataset),
    }
    saves = phrase(
        "With report tasks for all but the last %(days)s days: about %(requests)s requests and %(time)s. "
        "With pages alone: about %(page_requests)s requests and %(page_time)s.",
        **figures,
    )
    if plan.dataset.reading == "tasks":
        return _with(choice, tasks=True, text=phrase("Reads with report tasks. %(saves)s", saves=saves))
    if page_requests - requests < LEAST_SAVED or requests > MOST_PART * page_requests:
        return choice
    if not documented(plan.dataset):
        reason = phrase("TikTok does not document that report tasks have deleted ads")
    elif seconds > max(MOST_SECONDS, page_seconds):
        reason = phrase("report tasks would take longer")
    else:
        return _with(choice, tasks=True, text=phrase("Reads with report tasks. %(saves)s", saves=saves))
    advice = phrase("To use report tasks nevertheless, set reading: tasks.")
    return _with(choice, tasks=False, text=" ".join((_pages(reason), saves, advice)))


def _with(choice: ReadingChoice, *, tasks: bool, text: str) -> ReadingChoice:
    return ReadingChoice(tasks, text, choice.requests, choice.seconds, choice.page_requests, choice.page_seconds)


def _pages(reason: str) -> str:
    return phrase("Reads pages: %(reason)s.", reason=reason)


def _spans(plan: Plan, read: Read) -> list[bool]:
    """For each span of a read whether a task may read it; empty if none may."""
    able = [by_task(plan, read.advertisers, span, plan.now) for span in read.spans]
    return able if any(able) else []


def _task_requests(plan: Plan, rows: Mapping[str, tuple[int, int]], page_requests: int) -> tuple[int, int]:
    """The requests of the plan with tasks, of which pages take so many, and the number of tasks."""
    columns = len(file_columns(plan.dataset, plan.batches[0]))
    saved = tasks = 0
    for part in plan.parts():
        read = part.reads[0]
        count, spanned = rows.get(read.advertisers[0].id, (0, 0))
        sizes: list[tuple[int, int] | None] = []
        for span, able in zip(read.spans, _spans(plan, read), strict=False):
            expected = round(count / spanned * span.days) if span and spanned else 0
            sizes.append((expected, max(1, math.ceil(expected / plan.page_size))) if able else None)
        for group in groups(sizes, columns):
            tasks += 1
            saved += sum(size[1] - 1 for place in group if (size := sizes[place])) - TASK_REQUESTS
    return page_requests - saved, tasks


def _seconds(requests: int, limits: RateLimits) -> float:
    return least_seconds(requests, limits.per_second, limits.per_minute, limits.per_day)


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 2)
