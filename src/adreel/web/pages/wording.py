"""Small wordings that several pages share."""

from __future__ import annotations

from adreel.errors import AdreelError, BusyError

BUSY = "A run waits for its turn or is under way already, so no other was asked for."


def sentence(error: AdreelError) -> str:
    """An error's words as a sentence of its own; on the command line they follow a colon."""
    words = str(error)
    return words[:1].upper() + words[1:]


def refusal(error: AdreelError) -> str:
    """Why no run was asked for: in a page's own words where another run is there, else as `sentence`."""
    return BUSY if isinstance(error, BusyError) else sentence(error)


def device(agent: str) -> str:
    """A browser and its system in words, from what it calls itself."""
    browsers = (
        ("Edg", "Edge"),
        ("OPR", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("HeadlessChrome", "Chrome without a window"),
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
        return f"{browser} on {system}"
    return browser or system or agent[:60] or "Unknown browser"
