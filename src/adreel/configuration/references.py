"""Secrets that files name and do not contain: `${env:NAME}` and `${file:PATH}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from adreel.errors import InputError

LONGEST_SECRET = 10_000
"""Characters of a file with a secret."""

OWN_SETTINGS = "ADREEL_"
"""How the variables begin that set adreel up. None of them is a secret of an address, so files cannot name them."""

_TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_INNER = re.compile(r"(env):([A-Za-z_][A-Za-z0-9_]*)|(file):(\S(?:.*\S)?)")
_PLACEHOLDER = "REFERENCE"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is: an environment variable, or a file, whose path may be relative to the file that names it."""

    source: str
    name: str

    def __str__(self) -> str:
        """As files have it."""
        return f"${{{self.source}:{self.name}}}"


@dataclass(frozen=True, slots=True)
class ReferringText:
    """A text with references in it; `$${` is a dollar sign and a brace."""

    parts: tuple[str | Reference, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all of it is one reference."""
        return len(self.parts) == 1 and isinstance(self.parts[0], Reference)

    @property
    def sample(self) -> str:
        """The text with a word in place of each reference, to look at how it is built."""
        return "".join(_PLACEHOLDER if isinstance(part, Reference) else part for part in self.parts)

    def resolved(self, secret_of: Callable[[Reference], str]) -> str:
        """The text with its secrets. Within an address they are encoded, so that they are written as they are."""
        if self.is_whole:
            (reference,) = self.parts
            assert isinstance(reference, Reference), "the only part is a reference"
            return secret_of(reference)
        return "".join(quote(secret_of(part), safe="") if isinstance(part, Reference) else part for part in self.parts)


def is_reference(text: str | None) -> bool:
    """Whether a part of `ReferringText.sample` came from a reference."""
    return text is not None and _PLACEHOLDER in text


def read_references(text: str) -> ReferringText:
    """The text with its references. InputError, which does not repeat the text, for what is none."""
    parts: list[str | Reference] = []
    end = 0
    for match in _TOKEN.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match.group() == "$${":
            parts.append("${")
            continue
        inner = _INNER.fullmatch(match[1]) if match[2] else None
        if inner is None:
            raise InputError("a reference is not valid; write ${env:NAME} or ${file:PATH}, and $${ for a plain ${")
        parts.append(Reference(inner[1] or inner[3], inner[2] or inner[4]))
    parts.append(text[end:])
    return ReferringText(tuple(part for part in parts if part != ""))


def escaped(text: str) -> str:
    """A text without references, as files have it."""
    return text.replace("${", "$${")


def secret(reference: Reference, environ: Mapping[str, str], folder: Path) -> str:
    """The secret of a reference in a file of that folder. InputError if there is none."""
    if reference.source == "env":
        return _of_variable(reference.name, environ)
    path = folder / Path(reference.name).expanduser()
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_SECRET + 1).decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"the file {path} cannot be read: {reason}") from None
    return _checked(text, f"the file {path}")


def _of_variable(name: str, environ: Mapping[str, str]) -> str:
    if name.upper().startswith(OWN_SETTINGS):
        raise InputError(f"the variable {name} is a setting of adreel; use a variable with another name")
    if name not in environ:
        raise InputError(f"the environment variable {name} is not set")
    return _checked(environ[name], f"the environment variable {name}")


def _checked(text: str, source: str) -> str:
    if not text.strip():
        raise InputError(f"{source} is empty")
    if not text.isprintable() or len(text) > LONGEST_SECRET:
        raise InputError(f"{source} has more than one line, or characters that cannot be printed")
    return text
