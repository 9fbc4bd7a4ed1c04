"""report/integrated/get (TikTok's doc 1740302848100353)."""

from __future__ import annotations

from adreel.simulator.api.call import Call, Reply
from adreel.simulator.api.errors import bad, missing
from adreel.simulator.api.further_reports import TYPES, further_report
from adreel.simulator.api.grants import Grant
from adreel.simulator.api.params import Params
from adreel.simulator.api.query import read_query
from adreel.simulator.api.reports import CUT_HEADER, make_report
from adreel.simulator.control.state import Simulator
from adreel.simulator.world.advertisers import SimulatedAdvertiser

_MOST_ADVERTISERS = 5


def read_advertisers(simulator: Simulator, grant: Grant, params: Params) -> tuple[SimulatedAdvertiser, ...]:
    """The advertisers of a report; `advertiser_ids` takes precedence over `advertiser_id`. Raises ApiError."""
    several = params.strings("advertiser_ids")
    if several is None:
        if not params.has("advertiser_id"):
            raise missing("advertiser_id")
        return (simulator.advertiser(grant, params.text("advertiser_id")),)
    if not 1 <= len(several) <= _MOST_ADVERTISERS:
        raise bad(f"advertiser_ids: takes 1 to {_MOST_ADVERTISERS} ids.")
    return tuple(simulator.advertiser(grant, identity) for identity in dict.fromkeys(several))


def integrated(call: Call) -> Reply:
    """GET /report/integrated/get/."""
    if call.params.text("report_type") in TYPES:
        return further_report(call)
    simulator = call.simulator
    advertisers = read_advertisers(simulator, call.grant(), call.params)
    key = (tuple(advertiser.index for advertiser in advertisers), call.params.key())
    data, cut = simulator.pages.compute(key, lambda: _make(simulator, advertisers, call.params))
    return Reply(data, (CUT_HEADER,) if cut else ())


def _make(simulator: Simulator, advertisers: tuple[SimulatedAdvertiser, ...], params: Params) -> tuple[bytes, bool]:
    query = read_query(params, several=params.has("advertiser_ids"))
    return make_report(simulator.scene(query), advertisers)
