"""Asynchronous reports: create, check, download and cancel a task (TikTok's doc 1740302766489602)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import orjson
from babel import Locale

from adreel import catalog
from adreel.simulator.api.call import Call, Reply, reply
from adreel.simulator.api.errors import ApiError, NotSimulatedError, bad, conflict
from adreel.simulator.api.integrated import read_advertisers
from adreel.simulator.api.params import Params
from adreel.simulator.api.query import Query, TaskBehavior, read_query
from adreel.simulator.api.reports import make_report
from adreel.simulator.control.state import TASK_LIFE, Simulator, Task
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.hashing import word
from adreel.simulator.world.recipes import has_people, metric_recipe

_FORMATS = ("CSV_STRING", "CSV_DOWNLOAD", "XLSX_DOWNLOAD")
_BAD_NAME = re.compile(r"[/\t\x08@#$%^&*()\[\]]")
_SYNCHRONOUS = frozenset({"billed_cost", "minis_name", "optimization_event"})
_MOST_OF_DAY = 4_500
_MOST_OF_HOUR = 500
_CSV = (b"content-type", b"text/csv; charset=utf-8")


def create(call: Call) -> Reply:
    """POST /report/task/create/."""
    simulator, grant = call.simulator, call.grant()
    simulator.task_throttle.take(simulator.monotonic())
    advertisers = read_advertisers(simulator, grant, call.params)
    _check_number(simulator, advertisers)
    kind = call.params.word("output_format", _FORMATS, "CSV_STRING")
    if kind == "XLSX_DOWNLOAD":
        raise NotSimulatedError("output_format XLSX_DOWNLOAD")
    name = call.params.text("file_name", "report")
    if len(name) > 255 or _BAD_NAME.search(name):
        raise bad("file_name: has characters that are not allowed, or more than 255.")
    _check(_query(call.params, simulator.task_behavior))
    number = str(7 * 10**18 + word(simulator.config.seed, "task", len(simulator.tasks)) % 10**18)
    orders = simulator.task_orders
    simulator.tasks[number] = Task(
        call.token,
        advertisers,
        call.params,
        name,
        kind,
        orders.polls,
        orders.failure,
        simulator.task_behavior,
        simulator.task_clock(),
        simulator.clock.now,
        simulator.monotonic(),
    )
    return reply({"task_id": number})


def _check_number(simulator: Simulator, advertisers: Sequence[SimulatedAdvertiser]) -> None:
    """Refuses more tasks than a day allows the app, or an hour an ad account (doc 1740302766489602)."""
    if not simulator.config.qps:
        return
    today, hour_ago = simulator.clock.now.date(), simulator.monotonic() - 3600
    if sum(task.created.date() == today for task in simulator.tasks.values()) >= _MOST_OF_DAY:
        raise ApiError(40100, "Requests made too frequently: the limit per day is reached.")
    recent = [task for task in simulator.tasks.values() if task.at > hour_ago]
    for advertiser in advertisers:
        if sum(advertiser in task.advertisers for task in recent) >= _MOST_OF_HOUR:
            raise ApiError(40133, f"Advertiser ({advertiser.id})'s tasks reach the limit of {_MOST_OF_HOUR} an hour.")


def _query(params: Params, behavior: TaskBehavior) -> Query:
    """The report of a task; the rows of one over several ad accounts may have their id beside another one."""
    several = params.has("advertiser_ids")
    if several and _has_two_ids(params):
        dimensions = [name for name in params.strings("dimensions") or () if name != "advertiser_id"]
        params = params.replaced("dimensions", dimensions)
    return read_query(params, several=several, task=behavior)


def _has_two_ids(params: Params) -> bool:
    names = params.strings("dimensions") or ()
    return "advertiser_id" in names and any(name in names for name in ("campaign_id", "adgroup_id", "ad_id"))


def _check(query: Query) -> None:
    """Refuses metrics and dimensions that only the synchronous report supports."""
    catalog_metrics = catalog.metrics()
    for name in query.metrics:
        if name in _SYNCHRONOUS or catalog_metrics[name].group == "native_growth":
            raise conflict()
        if query.breakdown and not catalog_metrics[name].attribute and has_people(metric_recipe(name)):
            raise conflict()
    if "minis_id" in query.breakdown or "bucket_id" in query.breakdown:
        raise conflict()


def check(call: Call) -> Reply:
    """GET /report/task/check/."""
    task = _task(call)
    status = task.status
    task.asked += 1
    return reply({"status": status, "message": task.failure if status == "FAILED" else ""})


def cancel(call: Call) -> Reply:
    """POST /report/task/cancel/."""
    task = _task(call)
    if task.status not in {"QUEUING", "PROCESSING"}:
        raise ApiError(40200, "The task cannot be canceled any more.")
    task.canceled = True
    return reply({"status": "CANCELED"})


def download(call: Call) -> Reply:
    """GET /report/task/download/."""
    task = _task(call)
    if task.status in {"QUEUING", "PROCESSING"}:
        raise ApiError(40201, "The task is not ready. Please try again later.")
    if task.status != "SUCCESS":
        raise ApiError(40200, f"The task is {task.status}.")
    if task.format == "CSV_STRING":
        return Reply(b"", raw=write_csv(call.simulator, task), headers=(_CSV,))
    url = f"{call.base_url}_downloads/{call.params.text('task_id')}"
    return reply({"download_url": url, "file_name": f"{task.name}.csv", "output_format": task.format})


def _task(call: Call) -> Task:
    """The task of the request. Raises ApiError 40007 unless this token created it for this advertiser, lately."""
    call.advertiser()
    call.params.require("task_id")
    task = call.simulator.tasks.get(call.params.text("task_id"))
    ids = () if task is None else tuple(advertiser.id for advertiser in task.advertisers)
    if (
        task is None
        or _is_over(call.simulator, task)
        or task.token != call.token
        or call.params.text("advertiser_id") not in ids
    ):
        raise ApiError(40007, "The task does not exist.")
    return task


def _is_over(simulator: Simulator, task: Task) -> bool:
    return task.expired or simulator.clock.now - task.created >= TASK_LIFE


def write_csv(simulator: Simulator, task: Task) -> bytes:
    """The whole report of a task as CSV with a header line."""
    query = _query(task.params, task.behavior)
    data, _ = make_report(simulator.task_scene(task, query), task.advertisers)
    rows = [{**row["metrics"], **row["dimensions"]} for row in orjson.loads(data)["list"]]
    for row in rows:
        if "country_code" in row:
            row["country_code"] = _country(row["country_code"])
    names = list(dict.fromkeys((*(task.params.strings("dimensions") or ()), *query.metrics)))
    # Only basic and audience reports have a choice (doc 1740302766489602).
    translated = query.report == "CATALOG" or task.params.flag("enable_report_title_translation", default=True)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([_heading(name, translated=translated) for name in names])
    writer.writerows([row[name] for name in names] for row in rows)
    return file.getvalue().encode()


def _country(code: str) -> str:
    """The name of a country, which tasks have in place of its code."""
    return str(Locale("en").territories.get(code, code))


def _heading(name: str, *, translated: bool) -> str:
    if name == "country_code":
        return "Country/Region" if translated else "country_name"
    if not translated:
        return name
    record = catalog.dimensions().get(name) or catalog.metrics()[name]
    return record.title
