"""The search of metrics by words, which form, command line and API share: ranked, with synonyms, forgiving a typo."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product

from adreel import catalog
from adreel.catalog.additions import per_catalogue
from adreel.catalog.calculated import CalculatedMetric
from adreel.catalog.records import Metric
from adreel.datasets.presets import GROUP_TITLES
from adreel.language import language, speaking

SHORTEST_TYPO = 3
"""Letters of a word in which a typo is looked for."""

MOST_SPELLINGS = 40

MOST_COMPLETED = 2
"""Synonyms that begin as what is typed, up to which one of them is what is meant."""


@dataclass(frozen=True, slots=True)
class _SearchedMetric:
    """What is searched of a metric, in small letters with single blanks. `phrases` are its synonyms, with ranks.

    `titles` are in English and in the language in force.
    """

    name: str
    titles: tuple[str, ...]
    names: str
    text: str
    phrases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Search:
    """Words as they are searched: for each its spellings, of which one must be found, and the phrases they make."""

    words: tuple[tuple[str, ...], ...]
    phrases: tuple[str, ...]


def search_metrics(words: str, group: str = "", refused: Collection[str] = ()) -> tuple[Metric, ...]:
    """The metrics that have all the words in name, title, synonyms, meaning or group, the best first.

    First those that are called so, by TikTok or by marketers, then those whose name begins so, then those with the
    words in their names, then in their meanings. Among equals those not `refused` are first, then core metrics, then
    short titles. A word that no metric has is taken for one with a typo of one letter. Without words the order is that
    of the catalogue.
    """
    catalogue = catalog.metrics()
    names = [name for name, metric in catalogue.items() if group in ("", metric.group)]
    code = language()
    search = _completed(_search_of(words, _texts(code), _vocabulary(code)), code)
    if not search.words:
        return tuple(catalogue[name] for name in sorted(names, key=lambda name: name in refused))
    ranked: list[tuple[tuple[int, bool, int, bool, int], str]] = []
    for name in names:
        entry = _entries(code)[name]
        if all(any(spelling in entry.text for spelling in spellings) for spellings in search.words):
            rank, place = _rank(entry, search)
            core = catalogue[name].group == "core"
            ranked.append(((rank, name in refused, place, not core, _length(catalogue[name])), name))
    # Stable: equals stay in the order of the catalogue.
    return tuple(catalogue[name] for _, name in sorted(ranked, key=lambda item: item[0]))


def search_calculated(words: str) -> tuple[CalculatedMetric, ...]:
    """The ready-made calculated metrics that have all the words in name, title, meaning or formula."""
    ready = catalog.calculated_metrics()
    texts = {
        name: plain(" ".join((name, *_spoken(metric.title), *_spoken(metric.meaning), metric.formula)))
        for name, metric in ready.items()
    }
    vocabulary = frozenset(word for text in texts.values() for word in text.split())
    search = _search_of(words, texts.values(), vocabulary)
    return tuple(
        ready[name]
        for name, text in texts.items()
        if all(any(spelling in text for spelling in spellings) for spellings in search.words)
    )


def plain(text: str) -> str:
    """A name, title or search in small letters, with single blanks in place of - and _."""
    return " ".join(text.replace("_", " ").replace("-", " ").lower().split())


def _spoken(text: str) -> tuple[str, ...]:
    """A text in English and, where that is another, in the language in force."""
    return tuple(dict.fromkeys((text[:], str(text))))


def _completed(search: _Search, code: str) -> _Search:
    """The search with the synonym that a person has begun to type, if it can be hardly another."""
    begun = [
        synonym
        for synonym in _synonyms(code)
        if any(len(phrase) >= SHORTEST_TYPO and synonym.startswith(phrase) for phrase in search.phrases)
    ]
    return replace(search, phrases=(*search.phrases, *begun)) if len(begun) <= MOST_COMPLETED else search


@per_catalogue()
def _synonyms(code: str) -> tuple[str, ...]:
    return tuple(sorted({synonym for entry in _entries(code).values() for synonym in entry.phrases}))


def _rank(entry: _SearchedMetric, search: _Search) -> tuple[int, int]:
    """How well the words fit, 0 for best, and the place among the metrics of a synonym."""
    if any(phrase in (entry.name, *entry.titles) for phrase in search.phrases):
        return 0, 0
    places = [entry.phrases[phrase] for phrase in search.phrases if phrase in entry.phrases]
    if places:
        return 1, min(places)
    if any(name.startswith(phrase) for name in (entry.name, *entry.titles) for phrase in search.phrases):
        return 2, 0
    # Who asks for installs means App install too.
    in_names = (any(spelling.removesuffix("s") in entry.names for spelling in spellings) for spellings in search.words)
    return (3 if all(in_names) else 4), 0


def _length(metric: Metric) -> int:
    """Of the title; what stands in brackets only says where the same thing is counted."""
    return len(metric.title.partition(" (")[0])


@per_catalogue()
def _entries(code: str) -> Mapping[str, _SearchedMetric]:
    """What is searched, in English and in the language of that code."""
    with speaking(code):
        return {metric.name: _entry(metric) for metric in catalog.metrics().values()}


def _entry(metric: Metric) -> _SearchedMetric:
    synonyms, titles = catalog.synonyms().get(metric.name, {}), _spoken(metric.title)
    names = " ".join((metric.name, *titles))
    text = " ".join((names, *synonyms, *_spoken(metric.meaning), *_spoken(GROUP_TITLES.get(metric.group, ""))))
    return _SearchedMetric(plain(metric.name), tuple(map(plain, titles)), plain(names), plain(text), synonyms)


@per_catalogue()
def _texts(code: str) -> tuple[str, ...]:
    return tuple(entry.text for entry in _entries(code).values())


@per_catalogue()
def _vocabulary(code: str) -> frozenset[str]:
    """Words that a typo may be of: those of names, titles and synonyms."""
    return frozenset(
        word.strip("(),.;:")
        for entry in _entries(code).values()
        for text in (entry.names, *entry.phrases)
        for word in text.split()
    )


def _search_of(words: str, texts: Collection[str], vocabulary: frozenset[str]) -> _Search:
    spelled = tuple(_spellings(word, texts, vocabulary) for chunk in words.split() if (word := plain(chunk)))
    phrases = tuple(" ".join(spelling) for spelling in islice(product(*spelled), MOST_SPELLINGS))
    return _Search(spelled, phrases)


def _spellings(chunk: str, texts: Collection[str], vocabulary: frozenset[str]) -> tuple[str, ...]:
    """A word, or words that - and _ join, if a text has it so; else with words of one letter's difference."""
    if any(chunk in text for text in texts):
        return (chunk,)
    near = product(*(_near(word, texts, vocabulary) for word in chunk.split()))
    return tuple(" ".join(words) for words in islice(near, MOST_SPELLINGS))


def _near(word: str, texts: Collection[str], vocabulary: frozenset[str]) -> tuple[str, ...]:
    """The word if a text has it, else the words of one letter's difference; the word alone if there are none."""
    if len(word) < SHORTEST_TYPO or any(word in text for text in texts):
        return (word,)
    return tuple(sorted(other for other in vocabulary if is_near(word, other))) or (word,)


def is_near(word: str, other: str) -> bool:
    """Whether one letter more, less, other, or two neighbours swapped make the words equal."""
    if abs(len(word) - len(other)) > 1:
        return False
    start = next((place for place, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), None)
    if start is None:
        return True
    return any(rest == other_rest for rest, other_rest in _rests(word[start:], other[start:]))


def _rests(rest: str, other: str) -> Iterator[tuple[str, str]]:
    """The ends of two words behind their first difference, in each way that it may be a typo."""
    yield rest[1:], other[1:]
    yield rest[1:], other
    yield rest, other[1:]
    if rest[:2] == other[1::-1]:
        yield rest[2:], other[2:]
