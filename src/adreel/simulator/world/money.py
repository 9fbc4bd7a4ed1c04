"""Exchange rates and smallest coins of the currencies of simulated accounts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Currency:
    """`rate` is the worth of a US cent in the smallest coin, in hundredths; `coin` the smallest coin in hundredths."""

    rate: int = 100
    coin: int = 1

    def worth(self, dollars: float) -> float:
        """An amount of US dollars converted to this currency, in whole coins."""
        return round(100 * dollars) * self.rate // 100 * self.coin / 100

    def dollars(self, hundredths: int) -> int:
        """Hundredths of a unit of this currency as US cents."""
        return hundredths * 100 // (self.rate * self.coin)


_CURRENCIES = {
    "AUD": Currency(150),
    "BRL": Currency(550),
    "GBP": Currency(80),
    "INR": Currency(8_500),
    "JPY": Currency(150, coin=100),
    "NZD": Currency(170),
}
"""Rounded rates; all other currencies, such as EUR, are worth as much as USD."""


def currency_of(code: str) -> Currency:
    """The currency with this ISO 4217 code."""
    return _CURRENCIES.get(code, Currency())
