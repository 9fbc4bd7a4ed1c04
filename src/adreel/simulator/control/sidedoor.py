"""The side door: what a test orders, and what it may look at. Nothing of it is TikTok's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adreel.simulator.api.errors import ApiError
from adreel.simulator.api.further_behavior import FurtherBehavior
from adreel.simulator.api.gmv_query import GmvBehavior
from adreel.simulator.api.grants import access_token
from adreel.simulator.api.params import read_body
from adreel.simulator.api.query import TaskBehavior
from adreel.simulator.control.state import Simulator, TaskOrders
from adreel.simulator.control.trouble import read_trouble

Order = Callable[[Simulator, Mapping[str, object]], object]
Behavior = TypeVar("Behavior", GmvBehavior, TaskBehavior, FurtherBehavior)


def _whole(body: Mapping[str, object], name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}; it must be a whole number.")
    return value


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; it must be text.")
    return value


def _trouble(simulator: Simulator, body: Mapping[str, object]) -> object:
    simulator.troubles.append(read_trouble(body))
    return {"troubles": len(simulator.troubles)}


def _calm(simulator: Simulator, body: Mapping[str, object]) -> object:
    del body
    simulator.troubles.clear()
    return {"troubles": 0}


def _now(simulator: Simulator, body: Mapping[str, object]) -> object:
    """`today` (a day in UTC), `hour` and `minute` in UTC; or `days` to go on by."""
    present = simulator.clock.now
    day = date.fromisoformat(_text(body, "today")) if "today" in body else present.date()
    day += timedelta(days=_whole(body, "days", 0))
    moment = datetime(day.year, day.month, day.day, _whole(body, "hour", 12), _whole(body, "minute", 0), tzinfo=UTC)
    simulator.follows_wall = False
    simulator.set_now(moment)
    return {"now": moment.isoformat()}


def _limits(simulator: Simulator, body: Mapping[str, object]) -> object:
    per_second = _whole(body, "qps", simulator.throttle.per_second)
    per_minute = _whole(body, "qpm", 60 * per_second)
    simulator.throttle.set(per_second, per_minute)
    return {"qps": per_second, "qpm": per_minute}


def _latency(simulator: Simulator, body: Mapping[str, object]) -> object:
    simulator.latency = _whole(body, "ms", 0) / 1000
    return {"latency_ms": simulator.latency * 1000}


def _jitter(simulator: Simulator, body: Mapping[str, object]) -> object:
    simulator.jitter = _whole(body, "ms", 0) / 1000
    return {"jitter_ms": simulator.jitter * 1000}


def _revoke(simulator: Simulator, body: Mapping[str, object]) -> object:
    simulator.revoked.add(_text(body, "token"))
    return {"revoked": len(simulator.revoked)}


def _remove(simulator: Simulator, body: Mapping[str, object]) -> object:
    """The advertiser answers 40300 from now on; with `listed` false, the account's list drops it, too."""
    simulator.removed[_text(body, "advertiser_id")] = body.get("listed", True) is True
    return {"removed": sorted(simulator.removed)}


def _tasks(simulator: Simulator, body: Mapping[str, object]) -> object:
    """Tasks created from now on are ready after `polls` questions, or fail (`fails`, for the reason `message`).

    With `expired` those that are there are over. What sources disagree about is set by the names of `TaskBehavior`.
    """
    changed = {name: value for name, value in body.items() if name not in ("polls", "fails", "message", "expired")}
    simulator.task_behavior = _changed(simulator.task_behavior, changed, "tasks")
    failure = str(body.get("message") or "The task failed.") if body.get("fails") is True else ""
    simulator.task_orders = TaskOrders(_whole(body, "polls", 2), failure)
    if body.get("expired") is True:
        for task in simulator.tasks.values():
            task.expired = True
    return {**asdict(simulator.task_orders), **asdict(simulator.task_behavior)}


def _gmv_max(simulator: Simulator, body: Mapping[str, object]) -> object:
    """How GMV Max behaves where sources disagree, by the names of `GmvBehavior`; `store_id` moves to another
    `advertiser_id`.
    """
    store, owner = body.get("store_id"), body.get("advertiser_id")
    if store is not None:
        if store not in simulator.shops.by_id or owner not in simulator.world.by_id:
            raise ValueError("store_id and advertiser_id must be a shop and an advertiser of this world.")
        simulator.shop_owners[str(store)] = simulator.world.by_id[str(owner)].index
    changed = {name: value for name, value in body.items() if name not in ("store_id", "advertiser_id")}
    simulator.gmv = _changed(simulator.gmv, changed, "GMV Max")
    return asdict(simulator.gmv)


def _further(simulator: Simulator, body: Mapping[str, object]) -> object:
    """How further types of reports behave where sources disagree, by the names of `FurtherBehavior`."""
    simulator.further = _changed(simulator.further, body, "further reports")
    return asdict(simulator.further)


def _changed(behavior: Behavior, changed: Mapping[str, object], of: str) -> Behavior:
    """The behavior with other values; ValueError for a name or a type that it does not have."""
    kinds = {kind.name: type(kind.default) for kind in fields(behavior)}
    for name, value in changed.items():
        if name not in kinds or type(value) is not kinds[name]:
            raise ValueError(f"{name}={value!r} is no behavior of {of}; known are {', '.join(kinds)}.")
    return replace(behavior, **changed)  # type: ignore[arg-type]  # checked one by one above


def _finance_role(simulator: Simulator, body: Mapping[str, object]) -> object:
    """The finance role of everybody in a Business Center from now on: MANAGER, ANALYST or none."""
    role = _text(body, "finance_role")
    if role not in ("MANAGER", "ANALYST", ""):
        raise ValueError("finance_role must be MANAGER, ANALYST or empty.")
    simulator.finance_roles[_text(body, "bc_id")] = role
    return {"finance_roles": simulator.finance_roles}


def _fields(simulator: Simulator, body: Mapping[str, object]) -> object:
    """Fields that all entities of a `level` (campaign, adgroup, ad) have from now on, which TikTok added: their values
    by name.
    """
    level, values = _text(body, "level"), body.get("fields")
    if level not in ("campaign", "adgroup", "ad") or not isinstance(values, dict):
        raise ValueError("level must be campaign, adgroup or ad, and fields an object.")
    simulator.new_fields[level] = values
    return {"level": level, "fields": values}


def _reset(simulator: Simulator, body: Mapping[str, object]) -> object:
    del body
    simulator.reset()
    return {}


def _clock(simulator: Simulator, body: Mapping[str, object]) -> object:
    del body
    return {"now": simulator.clock.now.isoformat(), "ahead_seconds": simulator.ahead_seconds}


def _state(simulator: Simulator, body: Mapping[str, object]) -> object:
    del body
    return {
        "now": simulator.clock.now.isoformat(),
        "seed": simulator.config.seed,
        "app_id": simulator.config.app_id,
        "qps": simulator.throttle.per_second,
        "qpm": simulator.throttle.per_minute,
        "requests": len(simulator.log),
        "refused": simulator.throttle.refused,
        "troubles": [asdict(trouble) for trouble in simulator.troubles],
        "removed": sorted(simulator.removed),
        "revoked": len(simulator.revoked),
        "tasks": len(simulator.tasks),
        "shops": [
            {
                "store_id": shop.id,
                "name": shop.name,
                "advertiser_id": simulator.world.advertisers[simulator.shop_owner(shop)].id,
                "listed": shop.listed,
            }
            for shop in simulator.shops.shops
        ],
        "advertisers": [
            {
                "advertiser_id": advertiser.id,
                "name": advertiser.name,
                "kind": advertiser.kind,
                "timezone": advertiser.timezone,
                "offset_minutes": advertiser.offset,
                "currency": advertiser.currency,
            }
            for advertiser in simulator.world.advertisers
        ],
    }


def _requests(simulator: Simulator, body: Mapping[str, object]) -> object:
    path = body.get("path", "")
    entries = [asdict(entry) for entry in simulator.log if str(path) in entry.path]
    return {"requests": entries[_whole(body, "skip", 0) :]}


def _token(simulator: Simulator, body: Mapping[str, object]) -> object:
    """A token without the consent page: for all advertisers, or for `advertiser_ids`."""
    ids = body.get("advertiser_ids")
    if ids is None:
        return {"access_token": access_token(simulator.config)}
    if not isinstance(ids, list) or any(text not in simulator.world.by_id for text in ids):
        raise ValueError("advertiser_ids is not a list of this world's advertisers.")
    indexes = [simulator.world.by_id[text].index for text in ids]
    return {"access_token": access_token(simulator.config, indexes)}


ORDERS: Mapping[str, tuple[str, Order]] = {
    "trouble": ("POST", _trouble),
    "calm": ("POST", _calm),
    "now": ("POST", _now),
    "limits": ("POST", _limits),
    "latency": ("POST", _latency),
    "jitter": ("POST", _jitter),
    "revoke": ("POST", _revoke),
    "remove": ("POST", _remove),
    "tasks": ("POST", _tasks),
    "gmv-max": ("POST", _gmv_max),
    "further-reports": ("POST", _further),
    "fields": ("POST", _fields),
    "finance-role": ("POST", _finance_role),
    "reset": ("POST", _reset),
    "token": ("POST", _token),
    "state": ("GET", _state),
    "clock": ("GET", _clock),
    "requests": ("GET", _requests),
}
"""What the side door takes, by the last part of the path."""


async def side_door(request: Request) -> Response:
    """Answers an order with JSON; 400 with a sentence if it is not in order."""
    order = ORDERS.get(request.path_params["path"].strip("/"))
    if order is None or order[0] != request.method:
        names = ", ".join(f"{method} {name}" for name, (method, _) in ORDERS.items())
        return JSONResponse({"error": f"There is no such endpoint. Available: {names}."}, 404)
    simulator: Simulator = request.app.state.simulator
    try:
        body = {**read_body(await request.body()), **_numbers(request.query_params)}
        return JSONResponse(order[1](simulator, body))
    except (ValueError, ApiError) as error:
        return JSONResponse({"error": str(error)}, 400)


def _numbers(query: Mapping[str, str]) -> dict[str, object]:
    return {name: int(value) if value.isdecimal() else value for name, value in query.items()}
