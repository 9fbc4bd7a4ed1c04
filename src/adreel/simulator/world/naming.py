"""Names and texts of ad accounts and what is in them: an agency's, or for tests some of every kind that hurts."""

from __future__ import annotations

from dataclasses import dataclass

_ACTIONS = ("LEARN_MORE", "SHOP_NOW", "DOWNLOAD_NOW", "SIGN_UP", "CONTACT_US")


@dataclass(frozen=True, slots=True)
class Naming:
    """Pools that names are taken from in turn. A campaign's `form` may use country, purpose, theme and number.

    `purposes` go with the objectives of `adreel.simulator.world.table.OBJECTIVES`.
    """

    accounts: tuple[str, ...]
    form: str
    purposes: tuple[str, ...]
    themes: tuple[str, ...]
    adgroups: tuple[str, ...]
    videos: tuple[str, ...]
    images: tuple[str, ...]
    texts: tuple[str, ...]
    audiences: tuple[str, ...]

    def account(self, index: int) -> str:
        """The name of ad account number `index`."""
        name = self.accounts[index % len(self.accounts)]
        return name if index < len(self.accounts) else f"{name} {index + 1}"

    def campaign(self, index: int, objective: int, country: str) -> str:
        """The name of an advertiser's campaign number `index`."""
        theme = self.themes[index % len(self.themes)]
        return self.form.format(country=country, purpose=self.purposes[objective], theme=theme, number=index + 1)

    def adgroup(self, index: int) -> str:
        """The name of ad group number `index`."""
        return f"{self.adgroups[index % len(self.adgroups)]} {index + 1}"

    def ad(self, index: int, *, video: bool) -> str:
        """The name of ad number `index`."""
        pool = self.videos if video else self.images
        return f"{pool[index % len(pool)]} {index + 1}"

    def text(self, index: int) -> str:
        """The text of ad number `index`."""
        return self.texts[index % len(self.texts)]

    def audience(self, index: int) -> str:
        """The name of custom audience number `index`."""
        return self.audiences[index % len(self.audiences)]


AGENCY = Naming(
    accounts=(
        "Harbor & Pine US",
        "Nordlicht Möbel DE",
        "山田珈琲店 JP",
        "Saffron Studio IN",
        "Kettle & Thread UK",
        "Southern Surf AU",
        "Limonada Moda BR",
        "Brightside Fitness US",
        "Kiwi Trails NZ",
        "Reef Supply US",
    ),
    form="{country} | {purpose} | {theme} {number:02d}",
    purposes=("Sales", "App Installs", "Traffic", "Leads", "Shop", "Video Views", "Reach", "Engagement"),
    themes=(
        "Spring Collection",
        "Always On",
        "Summer Sale",
        "New Arrivals",
        "Back to School",
        "Black Friday",
        "Holiday Gifts",
        "Bestsellers",
        "Brand Launch",
        "Loyalty Members",
        "Creator Series",
    ),
    adgroups=(
        "Broad 18-34",
        "Lookalike 1% Purchasers",
        "Retargeting 30d Visitors",
        "Interests Lifestyle",
        "Women 25-44",
        "Cart Abandoners 14d",
        "Men 25-44",
    ),
    videos=(
        "UGC Testimonial 15s",
        "Unboxing 21s",
        "Founder Story 30s",
        "Product Demo 15s",
        "Before and After 12s",
        "Creator Haul 24s",
        "Three Reasons Why 18s",
        "Customer Review 20s",
        "Limited Offer 9s",
    ),
    images=("Static Lifestyle", "Static Product", "Carousel Bestsellers", "Static Offer"),
    texts=(
        "The new collection is here. Find your favorite.",
        "20% off this week, on every order.",
        "Free shipping until Sunday.",
        "See why customers give it five stars.",
        "Almost gone: order yours today.",
        "Made to last. Try it for 30 days.",
    ),
    audiences=(
        "Newsletter Subscribers",
        "Website Visitors 30d",
        "Video Viewers 75%",
        "Lookalike 1% Purchasers",
        "App Installers 90d",
        "Purchasers 180d",
        "Add to Cart 14d",
        "Profile Visitors 60d",
        "Lookalike 3% Leads",
        "App Subscribers",
        "Loyalty Members",
        "Checkout Started 7d",
    ),
)
"""Names that a marketer would give."""

HOSTILE = Naming(
    accounts=(
        "Nordlicht Möbel GmbH",
        "O'Brien & Sons “Outdoor”, Ltd.",
        "山田珈琲店",
        "<script>alert('adreel')</script> Shop",
        "Limonada 🍋 São Paulo",
        'Quote "Unquote" Books, Inc.',
        "Ægir Fiskur ehf.",
        "Plain Advertising",
    ),
    form="{theme} {number}",
    purposes=("",) * len(AGENCY.purposes),
    themes=(
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
    ),
    adgroups=(
        "Broad",
        "Lookalike 1%",
        "18-34 | urban",
        "兴趣人群",
        "Interests, sport",
        'Women "new in"',
        "Retention 🔁",
    ),
    videos=(
        "Video A",
        "Creator cut, 15s",
        "Product demo — FR",
        'Hook "wait for it"',
        "開封動画",
        "UGC 🎬 #3",
        "Static 1:1",
        "Offer = 20% off",
        "Ad with 'quotes'",
    ),
    images=("=HYPERLINK(1)", "Static 1:1", "{b|x}", "</td><img src=x onerror=alert(1)>"),
    texts=("Try it today", "20% off, this week only", "Neu: jetzt entdecken", "本日限り", "Swipe up 👆", 'Say "hello"'),
    audiences=('Buyers "2026"', "<b>Visitors</b>", "兴趣人群", "=1+1", "Ünïcödé, list", "🔁 Retention"),
)
"""Names that a client has to carry unharmed: quotes, commas, tabs, markup, formulas, other scripts, emoji."""


def call_to_action(index: int) -> str:
    """What ad number `index` asks people to do."""
    return _ACTIONS[index % len(_ACTIONS)]
