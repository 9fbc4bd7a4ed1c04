"""Texts that several pages share."""

from __future__ import annotations

from adreel.errors import AdreelError, BusyError
from adreel.language import Phrase, phrase
from adreel.web.wording import on_page

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
