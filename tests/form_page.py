"""A form of a page as a browser would send it: which fields count, and what each holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

Pairs = list[tuple[str, str]]


@dataclass
class _Choice:
    """A select while it is read: without a selected option a browser takes the first."""

    name: str
    options: list[str] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Reads the fields of one form; what is disabled and what is not ticked does not count."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.pairs: Pairs = []
        self._form_id = form_id
        self._inside = False
        self._choice: _Choice | None = None
        self._area: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("id") == self._form_id
        if not self._inside or "disabled" in given:
            return
        if tag == "input" and given.get("name"):
            ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
            self.pairs += [(given["name"], given.get("value", ""))] * ticked
        elif tag == "select":
            self._choice = _Choice(given["name"])
        elif tag == "option" and self._choice is not None:
            self._choice.options.append(given.get("value", ""))
            self._choice.selected += [given.get("value", "")] * ("selected" in given)
        elif tag == "textarea":
            self._area = (given["name"], [])

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select" and self._choice is not None:
            chosen = self._choice.selected[-1:] or self._choice.options[:1]
            self.pairs += [(self._choice.name, value) for value in chosen]
            self._choice = None
        elif tag == "textarea" and self._area is not None:
            name, parts = self._area
            # HTML leaves out one line break at the beginning.
            self.pairs.append((name, "".join(parts).removeprefix("\n")))
            self._area = None


def sent(page: str, form_id: str = "details") -> Pairs:
    """The names and values that the form of the page would send now."""
    reader = _Reader(form_id)
    reader.feed(page)
    reader.close()
    return reader.pairs


def filled(page: str, **changes: str | list[str] | None) -> Pairs:
    """The same after a person changed some fields; None empties one, and `__` in a name stands for a dot.

    What a list has chosen is taken as a whole, whatever its boxes said.
    """
    named = {name.replace("__", "."): value for name, value in changes.items()}
    gone = {*named, *(f"{name}.{part}" for name in named for part in ("seen", "tick"))}
    pairs = [(name, value) for name, value in sent(page) if name not in gone]
    for name, value in named.items():
        if value is not None:
            pairs += [(name, item) for item in (value if isinstance(value, list) else [value])]
    return pairs
