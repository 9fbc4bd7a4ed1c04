"""The OAuth endpoints (exchange, revoke, advertisers of a token) and the account details."""

from __future__ import annotations

from adreel.simulator.api.call import Call, Reply, reply
from adreel.simulator.api.errors import ApiError, bad
from adreel.simulator.api.grants import access_token, bad_code, read_code
from adreel.simulator.control.state import Simulator
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.hashing import word

SCOPES = (1, 2, 3, 4, 6, 10)
_MOST_IDS = 100
_FIELDS = [
    "telephone_number",
    "contacter",
    "currency",
    "cellphone_number",
    "timezone",
    "advertiser_id",
    "role",
    "company",
    "status",
    "description",
    "rejection_reason",
    "address",
    "name",
    "language",
    "industry",
    "license_no",
    "email",
    "license_url",
    "country",
    "balance",
    "create_time",
    "display_timezone",
    "owner_bc_id",
    "advertiser_account_type",
]
_ON_DEMAND = ("company_name_editable", "ads_only_mode", "can_use_custom_identity")


def _check_app(call: Call, app: str, secret: str) -> None:
    config = call.simulator.config
    if app != config.app_id:
        raise ApiError(40113, "The app_id is inconsistent with the token's app information or does not exist.")
    if secret != config.secret:
        raise ApiError(40101, "The app_id and the secret do not match.")


def _exchange(simulator: Simulator, code: str) -> dict[str, object]:
    grant = read_code(simulator.config, code, simulator.wall())
    if code in simulator.used_codes:
        raise bad_code()
    simulator.used_codes.add(code)
    token = access_token(simulator.config, grant.advertisers, grant.serial)
    simulator.revoked.discard(token)
    return {
        "access_token": token,
        "advertiser_ids": [advertiser.id for advertiser in simulator.granted(grant)],
        "scope": list(SCOPES),
    }


def exchange(call: Call) -> Reply:
    """POST /oauth2/access_token/."""
    call.params.require("app_id", "secret", "auth_code")
    _check_app(call, call.params.text("app_id"), call.params.text("secret"))
    with_ids = call.params.flag("return_advertiser_ids", default=True)
    data = _exchange(call.simulator, call.params.text("auth_code"))
    return reply(data if with_ids else {name: data[name] for name in ("access_token", "scope")})


def exchange_plainly(call: Call) -> Reply:
    """POST /oauth/token/: the same exchange with OAuth's parameter names; the token is beside `code`, not in `data`."""
    call.params.require("client_id", "client_secret", "code", "grant_type")
    if call.params.text("grant_type") != "authorization_code":
        raise ApiError(40108, "The grant_type is not valid.")
    _check_app(call, call.params.text("client_id"), call.params.text("client_secret"))
    return Reply(b"{}", flat=_exchange(call.simulator, call.params.text("code")))


def revoke(call: Call) -> Reply:
    """POST /oauth2/revoke_token/."""
    call.params.require("app_id", "secret", "access_token")
    _check_app(call, call.params.text("app_id"), call.params.text("secret"))
    token = call.params.text("access_token")
    grant = call.simulator.grant(token)
    call.simulator.revoked.add(token)
    ids = [advertiser.id for advertiser in call.simulator.granted(grant)]
    return reply({"app_id": call.simulator.config.app_id, "advertiser_ids": ids})


def advertisers(call: Call) -> Reply:
    """GET /oauth2/advertiser/get/."""
    grant = call.grant()
    call.params.require("app_id", "secret")
    _check_app(call, call.params.text("app_id"), call.params.text("secret"))
    listed = [
        {"advertiser_id": advertiser.id, "advertiser_name": advertiser.name}
        for advertiser in call.simulator.granted(grant)
    ]
    return reply({"list": listed})


def user(call: Call) -> Reply:
    """GET /user/info/."""
    call.grant()
    seed = call.simulator.config.seed
    return reply(
        {
            "display_name": f"Media Team {seed}",
            "email": "m***m@example.com",
            "core_user_id": str(6 * 10**18 + word(seed, "user") % 10**18),
            "create_time": call.simulator.world.advertisers[0].created - 86400,
            "avatar_url": "https://p16.example/avatar.png",
        }
    )


def advertiser_info(call: Call) -> Reply:
    """GET /advertiser/info/."""
    grant = call.grant()
    call.params.require("advertiser_ids")
    ids = call.params.strings("advertiser_ids") or ()
    if len(ids) > _MOST_IDS:
        raise ApiError(40011, f"advertiser_ids: too many ids in one request, at most {_MOST_IDS}.")
    chosen = [call.simulator.advertiser(grant, identity) for identity in ids]
    fields = call.params.strings("fields")
    if fields is not None and (wrong := [name for name in fields if name not in (*_FIELDS, *_ON_DEMAND)]):
        raise bad(f"fields: Invalid fields: {wrong!r}.")
    shown = _FIELDS if fields is None else ["advertiser_id", *fields]
    listed = []
    for advertiser in chosen:
        record = _record(advertiser)
        if "balance" in shown:
            left = call.simulator.ledger().balance(advertiser)
            record["balance"] = (left.cash + left.credit) / 100
        listed.append({name: record[name] for name in dict.fromkeys(shown)})
    return reply({"list": listed})


def _record(advertiser: SimulatedAdvertiser) -> dict[str, object]:
    return {
        "telephone_number": "+1*******42",
        "contacter": "A***",
        "currency": advertiser.currency,
        "cellphone_number": "",
        "timezone": advertiser.timezone,
        "advertiser_id": advertiser.id,
        "role": "ROLE_ADVERTISER",
        "company": advertiser.name,
        "status": "STATUS_LIMIT" if advertiser.index % 7 == 5 else "STATUS_ENABLE",
        "description": "",
        "rejection_reason": "",
        "address": "",
        "name": advertiser.name,
        "language": "en",
        "industry": "290302",
        "license_no": "",
        "email": "a***@example.com",
        "license_url": None,
        "country": advertiser.country,
        "create_time": advertiser.created,
        "display_timezone": advertiser.display_timezone,
        "owner_bc_id": str(7_000_000_000_000_000_100),
        "advertiser_account_type": "AUCTION",
        "company_name_editable": False,
        "ads_only_mode": False,
        "can_use_custom_identity": True,
    }
