"""Exchange rates of the workspace: what a file must be, what is asked before it is saved, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.errors import InputError
from adreel.exchange_rates import (
    CURRENCIES,
    PLACES,
    Direction,
    RateTable,
    WorkspaceRates,
    as_csv,
    missing_rates,
    read_rates,
    series_of,
    shown_rate,
    target_without_choice,
)
from adreel.store import ExchangeRate, Role
from adreel.store.exchange_rates import MOST_RATES
from api_home import program
from home import Home
from web_home import Site, open_site, words_of

TODAY = date(2026, 11, 29)
PAIRS = "date,from,to,rate\n2026-11-27,USD,EUR,0.92\n2026-11-28,JPY,EUR,0.0061\n2026-11-28,USD,EUR,0.93\n"


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    with open_site(home) as opened:
        yield opened


def rates_of(
    text: str | bytes, target: str = "", direction: Direction | None = None
) -> dict[tuple[str, str, str], Any]:
    """Rates by currency, target and day."""
    file = read_rates(text, today=TODAY, target=target, direction=direction)
    return {(rate.currency, rate.target, str(rate.day)): rate.rate for rate in file.rates}


# -- files


@pytest.mark.parametrize(
    "text",
    [
        PAIRS,
        PAIRS.replace("\n", "\r\n"),
        "\ufeff" + PAIRS,
        PAIRS.encode("utf-8-sig"),
        PAIRS.replace(",", ";").replace("0.", "0,"),
        PAIRS.replace(",", "\t"),
        PAIRS.replace("USD", "usd").replace("date,", "Day,"),
        PAIRS.replace("0.92", "9.2E-1").replace("\n2026-11-28,USD", "\n\n2026-11-28,USD") + "\n\n",
        PAIRS + "2026-11-28,USD,EUR,0.93\n2026-11-28,EUR,EUR,1\n",
        "rate,to,date,from\n"
        + "".join(f"{r},EUR,{d},{c}\n" for d, c, _, r in (x.split(",") for x in PAIRS.split()[1:])),
    ],
)
def test_a_file_of_pairs_is_read_however_a_spreadsheet_saves_it(text: str | bytes) -> None:
    assert rates_of(text) == {
        ("USD", "EUR", "2026-11-27"): Decimal("0.92"),
        ("JPY", "EUR", "2026-11-28"): Decimal("0.0061"),
        ("USD", "EUR", "2026-11-28"): Decimal("0.93"),
    }


def test_files_that_do_not_name_the_target_get_it_and_wide_ones_need_a_direction() -> None:
    long = "date,currency,rate\n2026-11-28,USD,0.92\n"
    assert rates_of(long, "eur") == {("USD", "EUR", "2026-11-28"): Decimal("0.92")}
    wide = "Date,USD,JPY,BGN,\n2026-11-28,1.25,160,N/A,\n2016-08-31,1.1,115,1.9,\n"
    for text in (long, wide):
        with pytest.raises(InputError, match="does not name the currency to convert to"):
            rates_of(text)
    with pytest.raises(InputError, match="Choose what its numbers are"):
        rates_of(wide, "EUR")
    assert rates_of(wide, "EUR", Direction.TO_TARGET)["USD", "EUR", "2026-11-28"] == Decimal("1.25")
    inverse = read_rates(wide, today=TODAY, target="EUR", direction=Direction.FROM_TARGET)
    assert {rate.currency: rate.rate for rate in inverse.rates} == {"USD": Decimal("0.8"), "JPY": Decimal("0.00625")}
    assert (inverse.skipped, inverse.is_inverse) == (3, True)
    assert set(inverse.examples) == {"1 JPY = 0.00625 EUR on 2026-11-28", "1 USD = 0.8 EUR on 2026-11-28"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2026-11-28,USD,EUR,0", "Line 2, column rate: the rate is zero."),
        ("2026-11-28,USD,EUR,0.000", "the rate is zero."),
        ("2026-11-28,USD,EUR,-0.92", "'-0.92' is not a rate above zero."),
        ("2026-11-28,USD,EUR,", "'' is not a rate above zero."),
        ("2026-11-28,USD,EUR,NaN", "'NaN' is not a rate"),
        ("2026-11-28,USD,EUR,Infinity", "'Infinity' is not a rate"),
        ('2026-11-28,USD,EUR,"1,234.5"', "without thousands separators"),
        ('2026-11-28,USD,EUR,"0,92"', "with a decimal point"),
        ("2026-11-28,USD,EUR,٣", "is not a rate"),
        ("2026-11-28,USD,EUR,1e99", "too small or too large"),
        ("2026-11-28,USD,EUR,1e-99", "too small or too large"),
        ("2026-11-28,USD,EUR,10000000", "too small or too large"),
        ("28.11.2026,USD,EUR,0.92", "Line 2, column date: '28.11.2026' is not a day. Write days as 2026-11-28."),
        ("2026-02-30,USD,EUR,0.92", "'2026-02-30' is not a day."),
        ("20261128,USD,EUR,0.92", "is not a day"),
        ("2028-11-28,USD,EUR,0.92", "more than a year ahead"),
        ("2026-11-28,USX,EUR,0.92", "Line 2, column from: 'USX' is not a currency."),
        ("2026-11-28,USD,€,0.92", "Line 2, column to: '€' is not a currency."),
        ("2026-11-28,EUR,EUR,1.1", "the rate of EUR to itself is not 1"),
        ("2026-11-28,USD,EUR", "Line 2: 3 cells in place of 4."),
        ("2026-11-28,USD,EUR,0.92,x", "Line 2: 5 cells in place of 4."),
        (
            "2026-11-28,USD,EUR,0.92\n2026-11-28,USD,EUR,0.93",
            "Line 3, column rate: USD has another rate of 2026-11-28 ",
        ),
        ('2026-11-28,USD,EUR,"0.92', "cannot be read as CSV"),
    ],
)
def test_a_fault_is_named_with_its_line_and_column(line: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        rates_of(f"date,from,to,rate\n{line}\n")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "The file is empty."),
        ("\n \n", "The file is empty."),
        ("date,from,to,rate\n", "The file has no rates."),
        ("date,from,to,rate\n2010-01-01,USD,EUR,0.7\n", "of days before 2016-09-01 are not used"),
        ("day,price\n2026-11-28,1\n", "Line 1, column 2: 'PRICE' is not a currency"),
        ("a,b\n1,2\n", "are not those of rates"),
        ("date,USD,usd\n2026-11-28,1,1\n", "the column 'usd' is there twice"),
        (PAIRS.encode("utf-16"), "The file is not UTF-8 text"),
        (b"PK\x03\x04rest", "Save it as CSV"),
        (b"\x00" * 4_000_001, "larger than 4 MB"),
        ("date,from,to,rate\n" + "x,y,z,0\n" * 5_000, "There are "),
    ],
)
def test_a_file_that_is_something_else_is_refused(content: str | bytes, words: str) -> None:
    target, direction = ("EUR", Direction.TO_TARGET) if b"from" not in bytes(str(content), "utf8")[:20] else ("", None)
    with pytest.raises(InputError) as refused:
        read_rates(content, today=TODAY, target=target, direction=direction)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 2_000


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(sorted(CURRENCIES)),
            st.sampled_from(["EUR", "USD"]),
            st.dates(date(2016, 9, 1), TODAY),
        ).filter(lambda key: key[0] != key[1]),
        st.decimals("0.000000001", "9999999", allow_nan=False, places=PLACES),
        max_size=12,
        min_size=1,
    )
)
def test_what_is_exported_is_imported_as_it_was(rates: dict[tuple[str, str, date], Decimal]) -> None:
    stored = [ExchangeRate(day, currency, target, rate) for (currency, target, day), rate in rates.items()]
    text = as_csv(stored)
    file = read_rates(text, today=TODAY)
    assert {(rate.currency, rate.target, rate.day): rate.rate for rate in file.rates} == rates
    assert as_csv(file.rates) == text


@given(st.decimals("0.0001", "100000", allow_nan=False, places=6))
def test_an_inverted_rate_is_off_by_less_than_half_of_its_last_place(number: Decimal) -> None:
    (rate,) = rates_of(f"date,JPY\n2026-11-28,{number}\n", "EUR", Direction.FROM_TARGET).values()
    assert abs(Fraction(rate) - 1 / Fraction(number)) <= Fraction(1, 2 * 10**PLACES)


@given(st.decimals("0.000000001", "9999999", allow_nan=False, places=PLACES))
def test_a_rate_is_shown_with_at_least_six_digits(rate: Decimal) -> None:
    shown = Fraction(shown_rate(rate))
    assert abs(shown - Fraction(rate)) <= abs(Fraction(rate)) / 10**5


# -- days


@given(st.dictionaries(st.integers(0, 60), st.integers(1, 10**6), max_size=20), st.integers(1, 20), st.integers(-5, 90))
def test_a_rate_holds_until_the_next_one_and_no_longer_than_so_many_days(
    rates: dict[int, int], valid_days: int, asked: int
) -> None:
    start = date(2026, 1, 1)
    stored = [ExchangeRate(start + timedelta(days=n), "USD", "EUR", Decimal(rates[n])) for n in sorted(rates)]
    valid = RateTable("EUR", valid_days, stored, {}).on("USD", start + timedelta(days=asked))
    days = [n for n in rates if n <= asked < n + valid_days]
    assert (valid.rate if valid else None) == (rates[max(days)] if days else None)
    for series in series_of(stored, valid_days):
        lacking = {n for n in range(min(rates), max(rates)) if not any(m <= n < m + valid_days for m in rates)}
        assert series.gap_days == len(lacking)


def test_a_mistyped_rate_is_seen() -> None:
    text = "date,from,to,rate\n2026-11-26,USD,EUR,0.92\n2026-11-27,USD,EUR,9.2\n2026-11-28,USD,EUR,0.92\n"
    (series,) = series_of(read_rates(text, today=TODAY).rates, 7)
    assert [jump.text for jump in series.jumps] == [
        "USD to EUR: 0.92 on 2026-11-26, then 9.2 on 2026-11-27 (+900 %)",
        "USD to EUR: 9.2 on 2026-11-27, then 0.92 on 2026-11-28 (-90 %)",
    ]


# -- page, API and command line


def test_a_page_shows_what_a_file_does_before_it_is_saved(site: Site) -> None:
    visit = site.visit("admin")
    assert "No rates yet" in visit.words("/workspace/rates")
    wide = "Date,USD,JPY\n2026-11-27,1.25,160\n2026-11-28,1.25,1600\n"
    form = {"text": "", "target": "eur", "direction": "from_target", "mode": "add"}
    upload = {"file": ("ecb.csv", wide.replace("\n", "\r\n").encode("utf-8-sig"), "text/csv")}
    answer = visit.post("/workspace/rates", form, files=upload)
    words = words_of(answer.text)
    assert answer.status_code == 200
    assert "4 rates: 4 new." in words
    assert "1 USD = 0.8 EUR on 2026-11-28" in words
    assert "units of each currency for 1 EUR, so they are inverted" in words
    assert "JPY to EUR: 0.00625 on 2026-11-27, then 0.000625 on 2026-11-28 (-90 %)" in words
    assert site.store.exchange_rates.list() == ()
    seen = answer.text.split('name="seen" value="')[1].split('"')[0]
    again = form | {"target": "EUR", "text": wide.replace("\n", "\r\n"), "name": "ecb.csv", "seen": seen}
    assert visit.sent("/workspace/rates", again) == "/workspace/rates"
    (source,) = site.store.exchange_rates.imports().values()
    assert (source.file, source.imported_by, source.imported_at) == ("ecb.csv", "admin", site.home.now)
    page = visit.good("/workspace/rates")
    assert page.count("<polyline") == 2
    assert "JPY to EUR: 0.00625 on 2026-11-27" in words_of(page)
    # The rates changed since that preview, so another look is needed.
    assert visit.post("/workspace/rates", again).status_code == 200
    assert "4 rates: 0 new, 4 unchanged." in words_of(visit.post("/workspace/rates", again).text)
    refused = visit.post("/workspace/rates", {"text": "date,from,to,rate\n2026-11-28,USD,EUR,0\n"})
    assert refused.status_code == 422
    assert "Line 2, column rate: the rate is zero." in words_of(refused.text)
    assert "Choose a file" in words_of(visit.post("/workspace/rates", {}).text)
    assert visit.get("/workspace/rates/export").text == as_csv(site.store.exchange_rates.list())
    assert visit.post("/workspace/rates/validity", {"valid_days": "0"}).status_code == 422
    assert visit.sent("/workspace/rates/validity", {"valid_days": "31"}) == "/workspace/rates"
    assert site.store.exchange_rates.valid_days() == 31
    assert visit.sent("/workspace/rates/delete", {"target": "EUR"}) == "/workspace/rates"
    assert site.store.exchange_rates.list() == ()
    assert site.store.exchange_rates.imports() == {}


def test_only_administrators_change_rates(site: Site) -> None:
    for role in (Role.EDITOR, Role.VIEWER):
        name = site.user(f"a{role}", role).name
        visit = site.visit(name)
        assert visit.get("/workspace/rates").status_code == 403
        for path in ("", "/validity", "/delete"):
            assert visit.post(f"/workspace/rates{path}", {"text": PAIRS}).status_code == 403
        assert visit.get("/workspace/rates/export").status_code == 403
        assert program(site, name).get("/rates")["total"] == 0
        program(site, name).bad("PUT", "/rates", 403, json={"csv": PAIRS})
        program(site, name).bad("DELETE", "/rates", 403)


def test_page_api_and_command_line_say_the_same_of_rates(site: Site) -> None:
    home, asking = site.home, program(site)
    change = asking.good("PUT", "/rates", json={"csv": PAIRS, "file": "bank", "preview": True})
    assert (change["added"], change["saved"], asking.get("/rates")["total"]) == (3, False, 0)
    asking.good("PUT", "/rates", json={"csv": PAIRS, "file": "bank"})
    answer = asking.get("/rates", target="EUR")
    assert [(item["day"], item["currency"], item["rate"], item["file"]) for item in answer["items"]] == [
        ("2026-11-28", "JPY", 0.0061, "bank"),
        ("2026-11-27", "USD", 0.92, "bank"),
        ("2026-11-28", "USD", 0.93, "bank"),
    ]
    shown = home.json("rates", "show")
    assert shown == {"valid_days": answer["valid_days"], "series": answer["series"]}
    assert home.good("rates", "export").stdout == as_csv(site.store.exchange_rates.list())
    file = home.path / "more.csv"
    file.write_text("date,currency,rate\n2026-11-28,USD,0.95\n2026-11-29,USD,0.96\n")
    assert "does not name the currency" in home.bad("rates", "import", str(file), "--yes")[1]
    printed = home.good("rates", "import", str(file), "--to", "EUR", "--yes").stderr
    assert "2 rates: 1 new, 1 replaced by another rate." in printed
    assert "1 USD = 0.96 EUR on 2026-11-29" in printed
    imports = site.store.exchange_rates.imports()
    assert [rate_import.file for rate_import in imports.values()] == ["bank", "more.csv"]
    assert (
        "2 rates: 0 new, 2 unchanged, 2 deleted."
        in home.good("rates", "import", str(file), "--to", "EUR", "--replace", "--yes").stderr
    )
    assert asking.get("/rates")["total"] == 2
    assert [item.file for item in site.store.exchange_rates.imports().values()] == ["more.csv"]
    home.good("rates", "validity", "31")
    assert asking.get("/rates")["valid_days"] == 31
    assert "There are no rates to 'USD'" in home.bad("rates", "clear", "--to", "usd", "--yes")[1]
    home.good("rates", "clear", "--yes")
    assert "There are no exchange rates" in home.good("rates", "show").stderr
    asking.bad("PUT", "/rates", 422, json={})
    assert "Line 2" in asking.bad("PUT", "/rates", 422, json={"csv": "date,from,to,rate\nx,USD,EUR,1\n"})["message"]


def test_more_rates_than_are_kept_are_refused_whole(site: Site) -> None:
    store = site.store.exchange_rates
    codes = sorted(CURRENCIES - {"EUR"})
    first = date(2020, 1, 1)

    def rates(count: int) -> list[ExchangeRate]:
        return [
            ExchangeRate(first + timedelta(days=n // 100), codes[n % 100], "EUR", Decimal(1) + n) for n in range(count)
        ]

    with pytest.raises(InputError, match="at most 100,000 are kept"):
        store.save(rates(MOST_RATES + 1), "all", replace=False)
    assert store.list() == ()
    store.save(rates(1_200), "some", replace=False)
    store.save(rates(1_200), "again", replace=False)
    assert len(store.list()) == 1_200


def test_without_a_choice_money_is_converted_to_the_wished_currency_or_to_the_one_with_most_rates(site: Site) -> None:
    rates = WorkspaceRates(site.store)
    assert target_without_choice(rates, "") is None
    text = PAIRS + "2026-11-28,EUR,GBP,0.87\n"
    program(site).good("PUT", "/rates", json={"csv": text})
    wishes = {"GBP": "GBP", "EUR": "EUR", "": "EUR", "USD": "EUR", None: None}
    assert {wish: target_without_choice(rates, wish) for wish in wishes} == wishes
    assert target_without_choice(None, "EUR") is None


def test_days_without_a_rate_are_said_together_where_they_follow_each_other() -> None:
    days = [date(2026, 11, number) for number in (9, 1, 2, 3, 5, 7)]
    assert missing_rates("EUR", {"USD": [], "JPY": []}) is None
    assert missing_rates("EUR", {"USD": days, "": days[:1], "JPY": []}) == (
        "Rates to EUR are missing for days with money. an unknown currency: 2026-11-09; "
        "USD: 2026-11-01 to 2026-11-03, 2026-11-05, 2026-11-07 and 1 more."
    )
