"""Videos and images of an advertiser."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from adreel.simulator.api.call import Call, Reply, page_info, reply
from adreel.simulator.api.errors import NotSimulatedError, bad
from adreel.simulator.world.entities import image_id, video_id
from adreel.simulator.world.hashing import word
from adreel.simulator.world.naming import Naming
from adreel.simulator.world.table import IMAGE, VIDEO, AdTable

_MOST_VIDEOS, _MOST_IMAGES = 60, 100
_REACHABLE = 10_000


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ads_by_file(table: AdTable, surface: int) -> list[int]:
    """The first ad of each video or image, newest first; `surface` is VIDEO or IMAGE."""
    ads = np.flatnonzero(table.surfaces & surface)
    first: list[int] = ads[np.unique(ads // 3, return_index=True)[1]][::-1].tolist()
    return first


def _video(table: AdTable, ad: int, naming: Naming) -> dict[str, object]:
    created = int(table.created[ad])
    identity = video_id(table, ad)
    return {
        "video_id": identity,
        "material_id": str(7 * 10**18 + word(identity) % 10**18),
        "file_name": f"{naming.ad(ad, video=True)}.mp4",
        "format": "mp4",
        "width": 720,
        "height": 1280,
        "duration": 6 + word(identity) % 54,
        "size": 10**6 + word(identity, "size") % 10**7,
        "bit_rate": 1_500_000,
        "signature": f"{word(identity, 'md5'):016x}",
        "displayable": True,
        "allow_download": True,
        "allowed_placements": ["PLACEMENT_TIKTOK"],
        "video_cover_url": f"https://p16.example/{identity}.jpg",
        "preview_url": f"https://v16.example/{identity}.mp4",
        "preview_url_expire_time": _iso(created + 6 * 3600),
        "create_time": _iso(created),
        "modify_time": _iso(created),
    }


def _image(table: AdTable, ad: int, naming: Naming) -> dict[str, object]:
    created = int(table.created[ad])
    identity = image_id(table, ad)
    return {
        "image_id": identity,
        "material_id": str(7 * 10**18 + word(identity) % 10**18),
        "file_name": f"{naming.ad(ad, video=False)}.png",
        "format": "png",
        "width": 1080,
        "height": 1080,
        "size": 10**5 + word(identity, "size") % 10**6,
        "signature": f"{word(identity, 'md5'):016x}",
        "displayable": True,
        "is_carousel_usable": True,
        "image_url": f"https://p16.example/{identity}.png",
        "create_time": _iso(created),
        "modify_time": _iso(created),
    }


def _search(call: Call, surface: int) -> Reply:
    advertiser = call.advertiser()
    table = call.simulator.world.table(advertiser)
    if call.params.has("filtering"):
        raise NotSimulatedError(f"the filters of {call.path}")
    page, size = call.params.number("page", 1, 1, 1 << 31), call.params.number("page_size", 20, 1, 1000)
    ads = _ads_by_file(table, surface)[:_REACHABLE]
    make = _video if surface == VIDEO else _image
    rows = [make(table, ad, advertiser.naming) for ad in ads[(page - 1) * size : page * size]]
    return reply({"list": rows, "page_info": page_info(page, size, len(ads))})


def _info(call: Call, surface: int, name: str, most: int) -> Reply:
    advertiser = call.advertiser()
    table = call.simulator.world.table(advertiser)
    call.params.require(name)
    requested_ids = call.params.strings(name) or ()
    if not 1 <= len(requested_ids) <= most:
        raise bad(f"{name}: takes 1 to {most} ids.")
    make, identify = (_video, video_id) if surface == VIDEO else (_image, image_id)
    ads = _ads_by_file(table, surface)
    rows = [make(table, ad, advertiser.naming) for ad in ads if identify(table, ad) in requested_ids]
    return reply({"list": rows})


def video_search(call: Call) -> Reply:
    """GET /file/video/ad/search/."""
    return _search(call, VIDEO)


def video_info(call: Call) -> Reply:
    """GET /file/video/ad/info/."""
    return _info(call, VIDEO, "video_ids", _MOST_VIDEOS)


def image_search(call: Call) -> Reply:
    """GET /file/image/ad/search/."""
    return _search(call, IMAGE)


def image_info(call: Call) -> Reply:
    """GET /file/image/ad/info/."""
    return _info(call, IMAGE, "image_ids", _MOST_IMAGES)
