"""Names and words of entities: some of every kind that a client has to carry unharmed."""

from __future__ import annotations

_CAMPAIGN = (
    "Spring Launch",
    "Prospecting, EU",
    'Always-on "Core"',
    "夏のセール",
    "Retargeting — 30 days",
    "Black Friday 🛍️",
    "<script>alert(1)</script>",
    "Ünïcödé & Söhne",
    "RF burst\tQ4",
    "Kids' line; backup",
    "App installs \\ Android",
)
_ADGROUP = ("Broad", "Lookalike 1%", "18-34 | urban", "兴趣人群", "Interests, sport", 'Women "new in"', "Retention 🔁")
_AD = (
    "Video A",
    "Creator cut, 15s",
    "Product demo — FR",
    'Hook "wait for it"',
    "開封動画",
    "UGC 🎬 #3",
    "Static 1:1",
    "Offer = 20% off",
    "Ad with 'quotes'",
)
_TEXT = ("Try it today", "20% off, this week only", "Neu: jetzt entdecken", "本日限り", "Swipe up 👆", 'Say "hello"')
_ACTIONS = ("LEARN_MORE", "SHOP_NOW", "DOWNLOAD_NOW", "SIGN_UP", "CONTACT_US")


def campaign_name(index: int) -> str:
    """The name of an advertiser's campaign number `index`."""
    return f"{_CAMPAIGN[index % len(_CAMPAIGN)]} {index + 1}"


def adgroup_name(index: int) -> str:
    """The name of ad group number `index`."""
    return f"{_ADGROUP[index % len(_ADGROUP)]} {index + 1}"


def ad_name(index: int) -> str:
    """The name of ad number `index`."""
    return f"{_AD[index % len(_AD)]} {index + 1}"


def ad_text(index: int) -> str:
    """The text of ad number `index`."""
    return _TEXT[index % len(_TEXT)]


def call_to_action(index: int) -> str:
    """What ad number `index` asks people to do."""
    return _ACTIONS[index % len(_ACTIONS)]
