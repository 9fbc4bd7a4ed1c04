"""One request to an endpoint, and what an endpoint answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from adreel.simulator.grants import Grant
from adreel.simulator.params import Params
from adreel.simulator.state import Simulator
from adreel.simulator.world import Advertiser


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has passed the limits; `token` is what its header says, unchecked."""

    simulator: Simulator
    path: str
    params: Params
    token: str = field(repr=False)
    base_url: str

    def grant(self) -> Grant:
        """What the token allows."""
        return self.simulator.grant(self.token)

    def advertiser(self) -> Advertiser:
        """The advertiser that the request is about, if the token may read it."""
        grant = self.grant()
        self.params.require("advertiser_id")
        return self.simulator.advertiser(grant, self.params.text("advertiser_id"))


@dataclass(frozen=True, slots=True)
class Reply:
    """The `data` of an answer as JSON; or, with `raw`, a whole body of another kind. `flat` goes beside code."""

    data: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    raw: bytes | None = None
    flat: Mapping[str, object] = field(default_factory=dict)


Endpoint = Callable[[Call], Reply]


def reply(data: object) -> Reply:
    """An answer with `data`."""
    return Reply(orjson.dumps(data))


def paged(rows: list[dict[str, object]], params: Params, most: int = 1000) -> Reply:
    """A page of a list that is short enough to be made whole."""
    page = params.number("page", 1, 1, 1 << 31)
    size = params.number("page_size", 10, 1, most)
    return reply({"list": rows[(page - 1) * size : page * size], "page_info": page_info(page, size, len(rows))})


def page_info(page: int, size: int, total: int) -> dict[str, int]:
    """Where a page stands."""
    return {"page": page, "page_size": size, "total_number": total, "total_page": -(-total // size)}
