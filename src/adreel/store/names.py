"""Names that people give, and the slugs made from them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from adreel.errors import InputError, NotFoundError, did_you_mean
from adreel.language import Phrase, phrase

LONGEST_NAME = 100
LONGEST_SLUG = 48
MOST_NEAREST = 3
_LONGEST_ID = 18

_WORDS = """
add all alter analyse analyze and anti any array as asc asof asymmetric at authorization autoincrement begin between
binary both by case cast check collate collation column commit concurrently constraint create cross current
current_catalog current_date current_role current_schema current_time current_timestamp current_user database default
deferrable delete desc describe distinct do double drop else end escape except exec execute exists external false
fetch file for foreign freeze from full function glob grant group having identity if ilike in index initially inner
insert intersect into is isnull join key lambda lateral leading left like limit load localtime localtimestamp merge
national natural new not nothing notnull null nullif of off offset old on only open option or order outer over
overlaps percent pivot pivot_longer pivot_wider placing plan positional primary procedure public qualify read
references replace restrict return returning revoke right rollback row rows rule schema select semi session_user set
show similar some statistics summarize symmetric system_user table tablesample then to top trailing transaction
trigger true truncate union unique unknown unpack unpivot update use user using values variadic varying verbose view
when where while window with within
aux con nul prn
com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
"""
RESERVED = frozenset(_WORDS.split())
"""Words that cannot name a table unquoted in DuckDB, SQLite, Postgres or SQL Server, or a folder on Windows."""

_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "\u0131": "i", "ħ": "h", "ŋ": "n"}
)


def slug(name: str, taken: Collection[str] = ()) -> str:
    """A slug for `name` that is not in `taken`: ASCII letters, digits and underscores, first a letter, no SQL word.

    The result is at most `LONGEST_SLUG` characters long, and works unquoted as the name of a table.
    """
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS)).casefold()
    ascii_only = "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode()
    stem = re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_")[:LONGEST_SLUG].strip("_") or "dataset"
    if stem[0].isdigit():
        stem = f"d_{stem}"[:LONGEST_SLUG].strip("_")
    if stem in RESERVED:
        stem = f"{stem}_data"
    candidate, number = stem, 1
    while candidate in taken:
        number += 1
        ending = f"_{number}"
        candidate = stem[: LONGEST_SLUG - len(ending)].rstrip("_") + ending
    return candidate


def clean_name(text: str, subject: str, longest: int = LONGEST_NAME) -> str:
    """`text` as names are kept; InputError if it is empty, too long, or holds what cannot be printed."""
    name = kept_name(text)
    if not name or len(name) > longest or not name.isprintable():
        raise InputError(
            phrase(
                "%(name)s cannot name %(subject)s; use 1 to %(longest)s printable characters.",
                name=repr(name),
                subject=subject,
                longest=longest,
            )
        )
    return name


def kept_name(text: str) -> str:
    """`text` with single spaces, its letters composed (NFC): names that look the same are one name."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def is_id(name: str | int) -> bool:
    """Whether `name` can be the number of a row: at most 18 digits, as more are not kept."""
    return str(name).isascii() and str(name).isdecimal() and len(str(name)) <= _LONGEST_ID


def not_found(
    kind: str, name: str, existing: Iterable[str], none: str, slugs: Mapping[str, str] = MappingProxyType({})
) -> NotFoundError:
    """The error for a `name` that is not among `existing`, with the nearest; `none` ends it if there are none.

    `slugs` are other names of the same things, each with its name: one of both may be among the nearest.
    """
    names = set(existing)
    if not names:
        return NotFoundError(
            phrase("%(kind)s %(name)s was not found. %(advice)s", kind=_KINDS[kind], name=repr(name), advice=none)
        )
    by_lower = {n.lower(): n for n in sorted({*names, *slugs})}
    matches = [by_lower[n] for n in get_close_matches(name.lower(), by_lower, n=2 * MOST_NEAREST)]
    near = list({slugs.get(match, match): match for match in reversed(matches)}.values())[::-1][:MOST_NEAREST]
    absent = phrase("%(kind)s %(name)s was not found.", kind=_KINDS[kind], name=repr(name))
    return NotFoundError(f"{absent}{did_you_mean(near)}", kind=kind, nearest=near)


_KINDS = {
    "account": Phrase("Account"),
    "dataset": Phrase("Dataset"),
    "destination": Phrase("Destination"),
    "user": Phrase("User"),
}
"""What can be looked up by name, as sentences begin with it."""
