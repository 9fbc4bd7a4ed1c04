"""Formulas of calculated metrics: +, -, *, /, parentheses, numbers and names, read into a tree and written as SQL.

A formula is computed from sums: each name stands for the sum of an additive metric over the rows at hand, one row or
many. Division by zero and a sum of nothing give null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NoReturn

from adreel.language import Phrase, integer, phrase

LONGEST = 500
"""Characters of a formula."""

DEEPEST = 30
"""Levels of parentheses and signs, one inside the other."""

PLACES = 6
"""Decimals of an exact value, as of money in tables."""

EXACT = f"DECIMAL(38, {PLACES})"
"""The SQL type of sums, and of what a formula gives in a table."""

_MOST_DIGITS = 18

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)(?![\w.])|(?P<name>[0-9]*[A-Za-z_][A-Za-z0-9_]*)(?!\w)|(?P<sign>[-+*/()]))"
)
"""A name may begin with digits, as that of one metric does."""

Sign = Literal["+", "-", "*", "/"]


class FormulaError(ValueError):
    """What is wrong with a formula, in words for the person who wrote it.

    `span` are the characters at fault, as the first and the one behind the last, from 0; None for the whole formula.
    """

    def __init__(self, words: str, span: tuple[int, int] | None = None) -> None:
        super().__init__(words)
        self.span = span


@dataclass(frozen=True, slots=True)
class Constant:
    """A number as it is written: digits, with a point or without."""

    text: str


@dataclass(frozen=True, slots=True)
class MetricSum:
    """The sum of a metric."""

    metric: str


@dataclass(frozen=True, slots=True)
class Negative:
    """A value with the other sign."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Operation:
    """Two values put together."""

    sign: Sign
    left: Expression
    right: Expression


Expression = Constant | MetricSum | Negative | Operation


@dataclass(frozen=True, slots=True)
class _FormulaToken:
    kind: Literal["number", "name", "sign", "end"]
    text: str
    place: int

    @property
    def span(self) -> tuple[int, int]:
        """Its characters in the formula."""
        return self.place, self.place + len(self.text)


def parse(text: str) -> Expression:
    """The formula as a tree. FormulaError with the place of what cannot be read, counted from 1."""
    if len(text) > LONGEST:
        words = phrase(
            "the formula has %(characters)s characters; the limit is %(limit)s",
            characters=integer(len(text)),
            limit=LONGEST,
        )
        raise FormulaError(words, (LONGEST, len(text)))
    return _FormulaReader(list(_tokens(text))).formula()


def _tokens(text: str) -> Iterator[_FormulaToken]:
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            raise FormulaError(
                phrase(
                    "%(character)s at character %(position)s cannot be used; a formula has names of metrics, "
                    "numbers such as 1000 or 0.5, + - * / and parentheses",
                    character=repr(text[place]),
                    position=place + 1,
                ),
                (place, place + 1),
            )
        kind: Literal["number", "name", "sign"] = "number" if match["number"] else "name" if match["name"] else "sign"
        yield _FormulaToken(kind, match[kind], match.start(kind))
        place = match.end()
    yield _FormulaToken("end", "", len(text))


class _FormulaReader:
    """Reads tokens from left to right: sums of products of single values."""

    def __init__(self, tokens: list[_FormulaToken]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def formula(self) -> Expression:
        value = self._sum()
        if self._token.kind != "end":
            self._refuse(Phrase("an operator (+ - * /) is missing before %(text)s at character %(position)s"))
        return value

    @property
    def _token(self) -> _FormulaToken:
        return self._tokens[self._next]

    def _taken(self, *signs: str) -> str:
        """The sign, if one of these comes next; empty otherwise."""
        if self._token.kind == "sign" and self._token.text in signs:
            self._next += 1
            return self._tokens[self._next - 1].text
        return ""

    def _sum(self) -> Expression:
        value = self._product()
        while sign := self._taken("+", "-"):
            value = Operation("+" if sign == "+" else "-", value, self._product())
        return value

    def _product(self) -> Expression:
        value = self._single()
        while sign := self._taken("*", "/"):
            value = Operation("*" if sign == "*" else "/", value, self._single())
        return value

    def _single(self) -> Expression:
        token = self._token
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormulaError(
                phrase("the formula is nested more than %(limit)s levels deep", limit=DEEPEST), token.span
            )
        value = self._inner(token)
        self._depth -= 1
        return value

    def _inner(self, token: _FormulaToken) -> Expression:
        if self._taken("-"):
            return Negative(self._single())
        if self._taken("("):
            value = self._sum()
            if not self._taken(")"):
                raise FormulaError(
                    phrase("the parenthesis at character %(position)s is not closed", position=token.place + 1),
                    token.span,
                )
            return value
        if token.kind not in ("number", "name"):
            self._refuse(
                Phrase("a number or the name of a metric is missing before %(text)s at character %(position)s")
            )
        self._next += 1
        if token.kind == "name":
            return MetricSum(token.text)
        if len(token.text.replace(".", "")) > _MOST_DIGITS:
            words = phrase(
                "the number at character %(position)s has more than %(limit)s digits",
                position=token.place + 1,
                limit=_MOST_DIGITS,
            )
            raise FormulaError(words, token.span)
        return Constant(token.text)

    def _refuse(self, fault: str) -> NoReturn:
        token = self._token
        if token.kind == "end":
            raise FormulaError(
                phrase("the formula is not complete") if self._next else phrase("the formula is empty"), token.span
            )
        raise FormulaError(
            phrase(fault, text=repr(token.text), position=token.place + 1),
            token.span,
        )


def name_spans(text: str) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Where the names of a formula stand, by name. FormulaError as `parse`, for characters that cannot be used."""
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    for token in _tokens(text):
        if token.kind == "name":
            spans[token.text] = (*spans.get(token.text, ()), token.span)
    return spans


def parts(expression: Expression) -> tuple[str, ...]:
    """The metrics of a formula, each once, in the order in which they stand."""
    return tuple(dict.fromkeys(_names(expression)))


def divisors(expression: Expression) -> tuple[str, ...]:
    """The metrics that a formula divides by, each once."""
    return tuple(dict.fromkeys(_divisors(expression)))


def numbers(expression: Expression) -> tuple[str, ...]:
    """The numbers of a formula as they are written."""
    match expression:
        case Constant(text):
            return (text,)
        case Negative(value):
            return numbers(value)
        case Operation(_, left, right):
            return (*numbers(left), *numbers(right))
        case MetricSum():
            return ()


def _names(expression: Expression) -> Iterator[str]:
    match expression:
        case MetricSum(metric):
            yield metric
        case Negative(value):
            yield from _names(value)
        case Operation(_, left, right):
            yield from _names(left)
            yield from _names(right)
        case Constant():
            return


def _divisors(expression: Expression) -> Iterator[str]:
    match expression:
        case Negative(value):
            yield from _divisors(value)
        case Operation(sign, left, right):
            yield from _divisors(left)
            yield from (_names(right) if sign == "/" else _divisors(right))
        case Constant() | MetricSum():
            return


@dataclass(frozen=True, slots=True)
class _SqlPiece:
    """A piece of SQL. `places` are the decimals of an exact value, None for a value in double precision."""

    text: str
    places: int | None

    @property
    def double(self) -> str:
        return self.text if self.places is None else f"CAST({self.text} AS DOUBLE)"


_MOST_PLACES = 12
"""Decimals up to which a product is computed exactly."""


def sql_of(expression: Expression, term: Callable[[str], str]) -> str:
    """The formula in DuckDB's SQL; `term` gives the SQL of a metric's sum, such as `sum("spend")`.

    Sums, differences and multiples of exact sums are exact decimals. What is divided is exact, and each division is in
    double precision (15 digits).
    """
    return _sql(expression, term).text


def table_sql_of(expression: Expression, term: Callable[[str], str]) -> str:
    """As `sql_of`, as a decimal with six places, which is what tables of rows have."""
    return f"CAST({sql_of(expression, term)} AS {EXACT})"


def _sql(expression: Expression, term: Callable[[str], str]) -> _SqlPiece:
    match expression:
        case Constant(text):
            places = len(text.partition(".")[2])
            return _SqlPiece(f"CAST('{text}' AS DECIMAL(38, {places}))", places)
        case MetricSum(metric):
            return _SqlPiece(f"CAST({term(metric)} AS {EXACT})", PLACES)
        case Negative(value):
            inner = _sql(value, term)
            return _SqlPiece(f"(-{inner.text})", inner.places)
        case Operation("/", left, right):
            over, under = _sql(left, term), _sql(right, term)
            # Asked before it is rounded to double precision, so that only zero is zero.
            divisor = _SqlPiece(f"nullif({under.text}, 0)", under.places)
            return _SqlPiece(f"({over.double} / {divisor.double})", None)
        case Operation("*", left, right):
            return _product(_sql(left, term), _sql(right, term), exact=not (parts(left) and parts(right)))
        case Operation(sign, left, right):
            first, second = _sql(left, term), _sql(right, term)
            if first.places is None or second.places is None:
                return _SqlPiece(f"({first.double} {sign} {second.double})", None)
            return _SqlPiece(f"({first.text} {sign} {second.text})", max(first.places, second.places))


def _product(first: _SqlPiece, second: _SqlPiece, *, exact: bool) -> _SqlPiece:
    """A product of two sums may have too many digits for a decimal, and is rounded; a multiple of one is exact."""
    if exact and first.places is not None and second.places is not None:
        places = first.places + second.places
        if places <= _MOST_PLACES:
            return _SqlPiece(f"({first.text} * {second.text})", places)
    return _SqlPiece(f"({first.double} * {second.double})", None)


def value_of(expression: Expression, sums: Mapping[str, Decimal | None]) -> Decimal | None:
    """What the formula gives for these sums, with six decimals, as the SQL of `table_sql_of` does.

    None for a division by zero, and where a sum that it needs is missing or null.
    """
    value = _fraction(expression, sums)
    return None if value is None else Decimal(round(value * 10**PLACES)).scaleb(-PLACES)


def _fraction(expression: Expression, sums: Mapping[str, Decimal | None]) -> Fraction | None:
    match expression:
        case Constant(text):
            return Fraction(text)
        case MetricSum(metric):
            total = sums.get(metric)
            return None if total is None else Fraction(total)
        case Negative(value):
            inner = _fraction(value, sums)
            return None if inner is None else -inner
        case Operation(sign, left, right):
            return _operated(sign, _fraction(left, sums), _fraction(right, sums))


def _operated(sign: Sign, first: Fraction | None, second: Fraction | None) -> Fraction | None:
    if first is None or second is None or (sign == "/" and second == 0):
        return None
    if sign == "/":
        return first / second
    return first * second if sign == "*" else first + second if sign == "+" else first - second


def money_power(expression: Expression, money: Collection[str]) -> int | None:
    """How often money is multiplied: 1 for an amount, 0 for a plain number, -1 for a number per money.

    `money` are the metrics that are amounts. None for a number alone, which goes with everything. FormulaError for a
    sum of an amount and a count.
    """
    match expression:
        case Constant():
            return None
        case MetricSum(metric):
            return 1 if metric in money else 0
        case Negative(value):
            return money_power(value, money)
        case Operation(sign, left, right):
            first, second = money_power(left, money), money_power(right, money)
            if sign in ("*", "/"):
                return _joined_power(first, second, 1 if sign == "*" else -1)
            if first is not None and second is not None and first != second:
                raise FormulaError(
                    phrase("an amount of money and a plain number cannot be put together with %(sign)s", sign=sign)
                )
            return second if first is None else first


def _joined_power(first: int | None, second: int | None, factor: int) -> int | None:
    if first is None and second is None:
        return None
    return (first or 0) + factor * (second or 0)
