"""Asynchronous reports: create, check, download and cancel a task (TikTok's doc 1740302766489602)."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import orjson

from adreel import catalog
from adreel.simulator.api.call import Call, Reply, reply
from adreel.simulator.api.errors import ApiError, NotSimulatedError, bad, conflict
from adreel.simulator.api.integrated import read_advertisers
from adreel.simulator.api.query import Query, read_query
from adreel.simulator.api.reports import make_report
from adreel.simulator.control.state import Simulator, Task
from adreel.simulator.world.hashing import word
from adreel.simulator.world.recipes import has_people, metric_recipe

_FORMATS = ("CSV_STRING", "CSV_DOWNLOAD", "XLSX_DOWNLOAD")
_BAD_NAME = re.compile(r"[/\t\x08@#$%^&*()\[\]]")
_SYNCHRONOUS = frozenset({"billed_cost", "minis_name", "optimization_event"})
_CSV = (b"content-type", b"text/csv; charset=utf-8")


def create(call: Call) -> Reply:
    """POST /report/task/create/."""
    simulator, grant = call.simulator, call.grant()
    simulator.task_throttle.take(simulator.monotonic())
    advertisers = read_advertisers(simulator, grant, call.params)
    kind = call.params.word("output_format", _FORMATS, "CSV_STRING")
    if kind == "XLSX_DOWNLOAD":
        raise NotSimulatedError("output_format XLSX_DOWNLOAD")
    name = call.params.text("file_name", "report")
    if len(name) > 255 or _BAD_NAME.search(name):
        raise bad("file_name: has characters that are not allowed, or more than 255.")
    _check(read_query(call.params, several=call.params.has("advertiser_ids"), synchronous=False))
    number = str(7 * 10**18 + word(simulator.config.seed, "task", len(simulator.tasks)) % 10**18)
    simulator.tasks[number] = Task(call.token, advertisers, call.params, name, kind, simulator.task_polls)
    return reply({"task_id": number})


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
    message = {"message": "The task failed."} if status == "FAILED" else {}
    return reply({"status": status, **message})


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
    """The task of the request. Raises ApiError 40007 unless this token created it for this advertiser."""
    call.advertiser()
    call.params.require("task_id")
    task = call.simulator.tasks.get(call.params.text("task_id"))
    ids = () if task is None else tuple(advertiser.id for advertiser in task.advertisers)
    if task is None or task.token != call.token or call.params.text("advertiser_id") not in ids:
        raise ApiError(40007, "The task does not exist.")
    return task


def write_csv(simulator: Simulator, task: Task) -> bytes:
    """The whole report of a task as CSV with a header line."""
    query = read_query(task.params, several=task.params.has("advertiser_ids"), synchronous=False)
    query = replace(query, page=1, page_size=1 << 40, totals=False)
    data, _ = make_report(simulator.scene(query), task.advertisers)
    rows = [{**row["dimensions"], **row["metrics"]} for row in orjson.loads(data)["list"]]
    names = [*query.dimensions, *(name for name in query.metrics if name not in query.dimensions)]
    translated = task.params.flag("enable_report_title_translation", default=True)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([_heading(name, translated=translated) for name in names])
    writer.writerows([row[name] for name in names] for row in rows)
    return file.getvalue().encode()


def _heading(name: str, *, translated: bool) -> str:
    if name == "country_code":
        return "Country/Region" if translated else "country_name"
    if not translated:
        return name
    record = catalog.dimensions().get(name) or catalog.metrics()[name]
    return record.title
