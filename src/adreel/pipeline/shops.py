"""Which shops each ad account reads in a GMV Max report.

A shop has at most one ad account with GMV Max authorization ("Get shops", doc 1822001044479041). TikTok's list of an ad
account also has shops of others, and may lack its own; so a shop can be given by its ID, and is then asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from adreel.advertisers import SKIP_ADVICE, Advertiser, Shop
from adreel.catalog import all_spend, gmv_max
from adreel.datasets.dataset import Dataset, reads_shops
from adreel.dates import Span, today_at
from adreel.enumerations import first_of
from adreel.errors import AdvertiserError, RequestError
from adreel.language import phrase, phrases
from adreel.pipeline.plan import GMV_MAX_PATH, SHOPS_PATH, shop_params
from adreel.tiktok.client import Client, together

MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class ShopsRead:
    """The shops to read by advertiser, why other advertisers cannot be read, and sentences on what is left out.

    `warnings` are about shops that were asked for and cannot be read, `notes` about advertisers without shops. `kept`
    are by advertiser shops of the table that are not read, whose rows have to stay; `refused` are ids of advertisers
    and shops whose report TikTok refused just now. `lacking` are advertisers of a report of all spend that lacks GMV
    Max cost of them: TikTok refuses it, or they have shops that are not read.
    """

    shops: dict[str, tuple[Shop, ...]] | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: frozenset[tuple[str, str]] = frozenset()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Listed:
    """TikTok's list of an advertiser: its own shops, and the advertisers that have the others, in words by shop."""

    own: Mapping[str, Shop] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    refusal: AdvertiserError | None = None


async def read_shops(
    client: Client,
    dataset: Dataset,
    advertisers: Sequence[Advertiser],
    now: datetime,
    earlier: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> ShopsRead:
    """The shops of the advertisers that the dataset reads; nothing for reports without shops.

    `earlier` has by advertiser the shops in the table: one that TikTok lists no more is asked for. Raises
    AdvertiserError for an advertiser or a shop that cannot be read, unless the dataset skips those, and if there is no
    shop at all. A report of all spend has other rows of such advertisers, so these are warnings there.
    """
    if not reads_shops(dataset):
        return ShopsRead()
    listed = dict(
        zip((a.id for a in advertisers), await together(_listed(client, a) for a in advertisers), strict=True)
    )
    if dataset.shops:
        read = await _selected(client, dataset, advertisers, listed, now)
    else:
        read = _all_shops(dataset, advertisers, listed)
        if dataset.report == all_spend.REPORT:
            read = await _answering(client, advertisers, read, now)
        read = await _with_earlier(client, advertisers, read, earlier, now)
    read = replace(read, kept=_kept(dataset, read, advertisers, earlier))
    if dataset.report == all_spend.REPORT:
        read = replace(read, lacking=tuple(_lacking(read, listed)))
    if dataset.report == gmv_max.REPORT and not any((read.shops or {}).values()):
        why = " ".join((*read.unreadable.values(), *read.warnings))
        raise AdvertiserError(
            phrase(
                "TikTok lists no shop of these ad accounts. The table is unchanged. If they have one, enter its ID "
                "in the settings under Shops (shops in dataset files). %(reasons)s",
                reasons=why,
            ).rstrip()
        )
    return read


async def own_shops(client: Client, advertiser: Advertiser) -> tuple[Shop, ...]:
    """The shops that TikTok lists for the advertiser as its own. Raises AdvertiserError if it may not be read."""
    listed = await _listed(client, advertiser)
    if listed.refusal is not None:
        raise listed.refusal
    return tuple(listed.own.values())


async def _listed(client: Client, advertiser: Advertiser) -> _Listed:
    try:
        answer = await client.call("GET", SHOPS_PATH, params={"advertiser_id": advertiser.id})
    except AdvertiserError as error:
        return _Listed(refusal=error)
    rows = answer.data.get("store_list")
    own: dict[str, Shop] = {}
    others: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or not row.get("store_id"):
            continue
        shop = Shop(str(row["store_id"]), str(row.get("store_name") or ""))
        owner = row.get("exclusive_authorized_advertiser_info")
        owner_id, owner_name = (
            (str(owner.get(name) or "") for name in ("advertiser_id", "advertiser_name"))
            if isinstance(owner, dict)
            else ("", "")
        )
        if owner_id == advertiser.id or (not owner_id and row.get("is_gmv_max_available") is True):
            own[shop.id] = shop
        elif owner_id:
            others[shop.id] = f"{owner_name} ({owner_id})".lstrip()
    return _Listed(own, others)


def _all_shops(dataset: Dataset, advertisers: Sequence[Advertiser], listed: Mapping[str, _Listed]) -> ShopsRead:
    unreadable: dict[str, str] = {}
    refused: dict[str, str] = {}
    without: list[Advertiser] = []
    for advertiser in advertisers:
        refusal = listed[advertiser.id].refusal
        if refusal is not None and dataset.report == all_spend.REPORT:
            refused[advertiser.id] = _basic_rows_only(advertiser, refusal)
        elif refusal is not None:
            if not dataset.skip_failing:
                raise _named(advertiser, refusal, several=len(advertisers) > 1)
            unreadable[advertiser.id] = str(refusal)
        elif not listed[advertiser.id].own:
            without.append(advertiser)
    shops = {name: tuple(of.own.values()) for name, of in listed.items() if of.own}
    notes = _without_shops(without) if dataset.report == all_spend.REPORT else _without(without)
    owners = defaultdict[str, list[str]](list)
    for name, of in shops.items():
        for shop in of:
            owners[shop.id].append(name)
    twice = (_twice(Shop(shop), names) for shop, names in owners.items() if len(names) > 1)
    return ShopsRead(shops, unreadable, tuple(notes), (*refused.values(), *twice))


async def _answering(client: Client, advertisers: Sequence[Advertiser], read: ShopsRead, now: datetime) -> ShopsRead:
    """The same without shops whose report TikTok refuses, so that the other rows of their advertisers come."""
    shops, warnings, refused = dict(read.shops or {}), list(read.warnings), set(read.refused)
    for advertiser in advertisers:
        of = shops.get(advertiser.id, ())
        refusals = await together(_refusal(client, advertiser, shop, now) for shop in of)
        shops[advertiser.id] = tuple(shop for shop, refusal in zip(of, refusals, strict=True) if refusal is None)
        refused |= {(advertiser.id, shop.id) for shop in of if shop not in shops[advertiser.id]}
        warnings += [
            phrase(
                "Shop %(shop)s of ad account %(name)s (%(id)s) could not be read, so its GMV Max cost is missing: "
                "%(reason)s Rows that the table has of it stay as they were read last.",
                shop=shop.words,
                name=advertiser.name,
                id=advertiser.id,
                reason=refusal.message,
            )
            for shop, refusal in zip(of, refusals, strict=True)
            if refusal is not None
        ]
    return replace(read, shops=shops, warnings=tuple(warnings), refused=frozenset(refused))


def _lacking(read: ShopsRead, listed: Mapping[str, _Listed]) -> Iterable[str]:
    """The advertisers whose shops are not all read, or not known."""
    shops = read.shops or {}
    for name, of in listed.items():
        if of.refusal is not None or set(of.own) - {shop.id for shop in shops.get(name, ())}:
            yield name


def _kept(
    dataset: Dataset,
    read: ShopsRead,
    advertisers: Sequence[Advertiser],
    earlier: Mapping[str, Collection[str]],
) -> dict[str, tuple[str, ...]]:
    """The shops of the table that are wanted and not read.

    One that another advertiser reads now is among them if campaigns identify its rows, as some may be read there again.
    """
    shops = read.shops or {}
    owned = {shop.id for of in shops.values() for shop in of}
    has_campaigns = dataset.level != "account"
    kept = {}
    for advertiser in advertisers:
        own = {shop.id for shop in shops.get(advertiser.id, ())}
        wanted = set(earlier.get(advertiser.id, ())) - own
        if dataset.shops:
            wanted &= set(dataset.shops)
        kept[advertiser.id] = tuple(sorted(shop for shop in wanted if has_campaigns or shop not in owned))
    return {name: of for name, of in kept.items() if of}


def _basic_rows_only(advertiser: Advertiser, refusal: AdvertiserError) -> str:
    return phrase(
        "GMV Max of ad account %(name)s (%(id)s) could not be read, so the cost of its GMV Max campaigns is missing: "
        "%(reason)s Rows that the table has of them stay as they were read last.",
        name=advertiser.name,
        id=advertiser.id,
        reason=refusal.message,
    )


async def _with_earlier(
    client: Client,
    advertisers: Sequence[Advertiser],
    read: ShopsRead,
    earlier: Mapping[str, Collection[str]],
    now: datetime,
) -> ShopsRead:
    """The same with the shops of the table that TikTok lists no more, as long as it still gives their reports."""
    shops, warnings = dict(read.shops or {}), list(read.warnings)
    owners = {shop.id: name for name, of in shops.items() for shop in of}
    for advertiser in advertisers:
        listed_ids = {shop.id for shop in shops.get(advertiser.id, ())}
        for shop_id in sorted(set(earlier.get(advertiser.id, ())) - listed_ids):
            if advertiser.id in read.unreadable or (advertiser.id, shop_id) in read.refused:
                continue
            if shop_id in owners:
                warnings.append(_moved(shop_id, advertiser, owners[shop_id]))
                continue
            refusal = await _refusal(client, advertiser, Shop(shop_id), now)
            if refusal is None:
                shops[advertiser.id] = (*shops.get(advertiser.id, ()), Shop(shop_id))
            else:
                warnings.append(
                    phrase(
                        "The table has rows of shop %(shop)s, which ad account %(name)s (%(id)s) can no longer read, "
                        "so it was not read again: %(reason)s If another ad account has its GMV Max authorization now, "
                        "add that one to the dataset. Its rows in the table stay as they were read last.",
                        shop=shop_id,
                        name=advertiser.name,
                        id=advertiser.id,
                        reason=refusal.message,
                    )
                )
    return replace(read, shops=shops, warnings=tuple(warnings))


def _moved(shop_id: str, advertiser: Advertiser, owner_id: str) -> str:
    return phrase(
        "Shop %(shop)s moved from ad account %(name)s (%(id)s) to %(owner)s, for which it is read now. The rows of a "
        "campaign on a day are those of the ad account that TikTok gives them for now, and others stay as they were "
        "read last. Where rows have no campaign or no day, compare the days of both before you add their cost.",
        shop=shop_id,
        name=advertiser.name,
        id=advertiser.id,
        owner=owner_id,
    )


def _without_shops(advertisers: Sequence[Advertiser]) -> Iterable[str]:
    """A note on advertisers of which a report of all spend has basic rows alone."""
    if advertisers:
        yield phrases(
            "TikTok lists no shop of %(number)s ad account, so all its rows are of the basic report: %(ad_accounts)s. "
            "If it has one, enter the IDs of all shops as shops: [ID, ID].",
            "TikTok lists no shop of %(number)s ad accounts, so all their rows are of the basic report: "
            "%(ad_accounts)s. If they have one, enter the IDs of all shops as shops: [ID, ID].",
            len(advertisers),
            number=len(advertisers),
            ad_accounts=first_of([f"{advertiser.name} ({advertiser.id})" for advertiser in advertisers], MOST_NAMED),
        )


def _without(advertisers: Sequence[Advertiser]) -> Iterable[str]:
    if advertisers:
        yield phrases(
            "TikTok lists no shop of %(number)s ad account, so it is not read: %(ad_accounts)s. If it has one, enter "
            "the IDs of all shops in the settings under Shops (shops in dataset files).",
            "TikTok lists no shop of %(number)s ad accounts, so they are not read: %(ad_accounts)s. If they have one, "
            "enter the IDs of all shops in the settings under Shops (shops in dataset files).",
            len(advertisers),
            number=len(advertisers),
            ad_accounts=first_of([f"{advertiser.name} ({advertiser.id})" for advertiser in advertisers], MOST_NAMED),
        )


async def _selected(
    client: Client,
    dataset: Dataset,
    advertisers: Sequence[Advertiser],
    listed: Mapping[str, _Listed],
    now: datetime,
) -> ShopsRead:
    """The selected shops, each with the advertiser that has it; one that no list has is asked for with each."""
    shops: dict[str, list[Shop]] = {}
    warnings = []
    for shop_id in dataset.shops:
        owners = [name for name, of in listed.items() if shop_id in of.own]
        elsewhere = next((of.others[shop_id] for of in listed.values() if shop_id in of.others), None)
        shop = next((of.own[shop_id] for of in listed.values() if shop_id in of.own), Shop(shop_id))
        reasons: list[str] = []
        if not owners and elsewhere is None:
            for advertiser in advertisers:
                refusal = await _refusal(client, advertiser, shop, now)
                if refusal is None:
                    owners.append(advertiser.id)
                else:
                    reasons.append(refusal.message)
        if len(owners) > 1:
            warnings.append(_twice(shop, owners))
        if owners:
            for owner in owners:
                shops.setdefault(owner, []).append(shop)
            continue
        fault = _elsewhere(shop, elsewhere) if elsewhere else _nobody(shop, reasons)
        if not dataset.skip_failing and dataset.report == gmv_max.REPORT:
            raise AdvertiserError(fault)
        warnings.append(fault)
    return ShopsRead({name: tuple(of) for name, of in shops.items()}, warnings=tuple(warnings))


async def _refusal(client: Client, advertiser: Advertiser, shop: Shop, now: datetime) -> AdvertiserError | None:
    """Why TikTok refuses the shop's report to the advertiser; None if it does not."""
    today = today_at(now, advertiser.offset)
    params = {
        **shop_params(advertiser, shop, Span(today, today)),
        "dimensions": ["advertiser_id"],
        "metrics": ["cost"],
    }
    try:
        await client.page(GMV_MAX_PATH, params, 1, 1)
    except AdvertiserError as error:
        return error
    except RequestError as error:
        return AdvertiserError(error.message, code=error.code, request_id=error.request_id)
    return None


def _elsewhere(shop: Shop, owner: str) -> str:
    return phrase(
        "Shop %(shop)s belongs to ad account %(owner)s, which has its GMV Max authorization. Add that ad account to "
        "the dataset, connect it first if it is missing, or remove the shop.",
        shop=shop.words,
        owner=owner,
    )


def _twice(shop: Shop, owners: Sequence[str]) -> str:
    return phrase(
        "TikTok gives the report of shop %(shop)s to several ad accounts: %(ad_accounts)s. If their rows are the same, "
        "select only one of them, as the cost is in the table more than once.",
        shop=shop.words,
        ad_accounts=first_of(list(owners), MOST_NAMED),
    )


def _nobody(shop: Shop, reasons: Sequence[str]) -> str:
    return phrase(
        "No ad account of the dataset can read shop %(shop)s: %(reasons)s See in TikTok Ads Manager or Seller Center "
        "which ad account has its GMV Max authorization, and select that one or remove the shop.",
        shop=shop.words,
        reasons=" ".join(dict.fromkeys(reasons)),
    )


def _named(advertiser: Advertiser, error: AdvertiserError, *, several: bool) -> AdvertiserError:
    name = f"{advertiser.name} ({advertiser.id})"
    failure = phrase("Ad account %(name)s could not be read: %(reason)s", name=name, reason=error.message)
    return AdvertiserError(
        f"{failure} {SKIP_ADVICE}" if several else failure, code=error.code, request_id=error.request_id
    )
