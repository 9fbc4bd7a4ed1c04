"""Texts that several pages share."""

from __future__ import annotations

from adreel.enumerations import first_of
from adreel.errors import AdreelError, BusyError
from adreel.language import Phrase, integer, phrase, phrases, shown_time
from adreel.monitoring.home import GmvMaxCheck
from adreel.web.wording import on_page

MOST_NAMED = 3
"""Ad accounts or datasets that a sentence names."""

BUSY = Phrase("A run is queued or running already, so no other run was started.")


def sentence(error: AdreelError) -> str:
    """An error's message with a capital letter; on the command line it follows a colon."""
    text = on_page(str(error))
    return text[:1].upper() + text[1:]


def refusal(error: AdreelError) -> str:
    """Why no run was started: `BUSY` where another run is queued or running, else as `sentence`."""
    return str(BUSY) if isinstance(error, BusyError) else sentence(error)


def device(agent: str) -> str:
    """The browser and system that a User-Agent header names, such as "Firefox on Linux"."""
    browsers = (
        ("Edg", "Edge"),
        ("OPR", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("HeadlessChrome", "Headless Chrome"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
    )
    systems = (
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    )
    browser = next((title for word, title in browsers if word in agent), "")
    system = next((title for word, title in systems if word in agent), "")
    if browser and system:
        return phrase("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system or agent[:60] or phrase("Unknown browser")


def gmv_max_sentences(check: GmvMaxCheck) -> str:
    """What is known of the GMV Max cost of ad accounts, and since when."""
    sentences = []
    if check.read and check.read_at:
        sentences.append(
            phrases(
                "Datasets read all GMV Max cost of the shops that TikTok lists for %(ad_accounts)s ad account "
                "(last run on %(time)s UTC).",
                "Datasets read all GMV Max cost of the shops that TikTok lists for %(ad_accounts)s ad accounts "
                "(last run on %(time)s UTC).",
                check.read,
                ad_accounts=integer(check.read),
                time=shown_time(check.read_at),
            )
        )
    if check.without_cost and check.checked_at:
        sentences.append(
            phrases(
                "%(ad_accounts)s ad account has no GMV Max cost that no dataset reads (checked on %(time)s UTC).",
                "%(ad_accounts)s ad accounts have no GMV Max cost that no dataset reads (checked on %(time)s UTC).",
                check.without_cost,
                ad_accounts=integer(check.without_cost),
                time=shown_time(check.checked_at),
            )
        )
    if check.unknown:
        sentences.append(
            phrase(
                "It is not known whether these ad accounts have GMV Max cost, as no run could check it: %(names)s.",
                names=first_of(check.unknown, MOST_NAMED),
            )
        )
    return " ".join(sentences)
