"""What money is in the currencies of the world's accounts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Currency:
    """`rate`: so many of its smallest coins, in hundredths, buy what a US cent buys. `coin` is one in hundredths."""

    rate: int = 100
    coin: int = 1

    def worth(self, dollars: float) -> float:
        """What costs so many US dollars in America, in whole coins."""
        return round(100 * dollars) * self.rate // 100 * self.coin / 100


_CURRENCIES = {
    "AUD": Currency(150),
    "BRL": Currency(550),
    "GBP": Currency(80),
    "INR": Currency(8_500),
    "JPY": Currency(150, coin=100),
    "NZD": Currency(170),
}
"""Round figures; euro and dollar are taken as equal."""


def currency_of(code: str) -> Currency:
    """The currency with this ISO 4217 code."""
    return _CURRENCIES.get(code, Currency())
