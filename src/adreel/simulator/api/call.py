"""A request to an endpoint, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from adreel.simulator.api.grants import Grant
from adreel.simulator.api.params import Params
from adreel.simulator.control.state import Simulator
from adreel.simulator.world.advertisers import SimulatedAdvertiser


@dataclass(frozen=True, slots=True)
class Call:
    """A request within the rate limits; `token` is the header's value, unchecked."""

    simulator: Simulator
    path: str
    params: Params
    token: str = field(repr=False)
    base_url: str

    def grant(self) -> Grant:
        """What the token allows. Raises ApiError 40104 or 40105."""
        return self.simulator.grant(self.token)

    def advertiser(self) -> SimulatedAdvertiser:
        """The advertiser of the request. Raises ApiError if it is missing or the token may not read it."""
        grant = self.grant()
        self.params.require("advertiser_id")
        return self.simulator.advertiser(grant, self.params.text("advertiser_id"))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `data` as JSON, or with `raw` a whole body that is not JSON. `flat` are fields beside `code`."""

    data: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    raw: bytes | None = None
    flat: Mapping[str, object] = field(default_factory=dict)


Endpoint = Callable[[Call], Reply]


def reply(data: object) -> Reply:
    """An answer with `data`, encoded as JSON."""
    return Reply(orjson.dumps(data))


def paged(rows: list[dict[str, object]], params: Params, most: int = 1000) -> Reply:
    """The requested page of `rows`, which are all rows of the list; `most` is the largest page_size."""
    page = params.number("page", 1, 1, 1 << 31)
    size = params.number("page_size", 10, 1, most)
    return reply({"list": rows[(page - 1) * size : page * size], "page_info": page_info(page, size, len(rows))})


def page_info(page: int, size: int, total: int) -> dict[str, int]:
    """The page_info of a page, as TikTok writes it."""
    return {"page": page, "page_size": size, "total_number": total, "total_page": -(-total // size)}
