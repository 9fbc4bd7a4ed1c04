"""The docs match the catalog, commands, dataset files, links and versions that they describe."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from adreel import catalog
from adreel.catalog.records import Menu
from adreel.cli import app, dbt_package
from adreel.cli.reference import MARK, left_out, pages, write
from adreel.datasets.dataset import Source, Update, key_columns
from adreel.datasets.files import read
from adreel.datasets.validation import check
from adreel.dates import PERIODS
from adreel.errors import API_CODES
from adreel.settings import SETTINGS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
PROSE = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {*REFERENCE.glob("*.md")})
EVERY_PAGE = sorted((*PROSE, *REFERENCE.glob("*.md")))
GUIDE = ROOT / "docs" / "dataset-files.md"

FENCE = re.compile(r"^ *(```+|~~~+) *(\w*)[^\n]*\n(.*?)^ *\1 *$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|\b(?:src|href)=\"([^\"]+)\"")
SEPARATORS = {"|", "||", "&&", "&", ";", "(", ")"}


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def blocks(text: str, *languages: str) -> list[str]:
    """The contents of the code blocks, of some languages only if they are named."""
    return [match[3] for match in FENCE.finditer(text) if not languages or match[2] in languages]


def prose(text: str) -> str:
    return FENCE.sub("", text)


# -- the generated pages


def test_the_reference_pages_are_up_to_date() -> None:
    written = {file.name: file.read_text("utf-8") for file in REFERENCE.glob("*.md")}
    expected = pages()
    differing = sorted(name for name in written.keys() | expected.keys() if written.get(name) != expected.get(name))
    assert not differing, f"docs/reference is out of date; run: make docs ({', '.join(differing)})"


@pytest.mark.slow
def test_the_pages_are_the_same_in_another_process_terminal_and_order_of_sets(tmp_path: Path) -> None:
    surroundings = {**os.environ, "PYTHONHASHSEED": "7", "COLUMNS": "20", "TERM": "dumb", "TZ": "Asia/Tokyo"}
    subprocess.run(
        [sys.executable, "-m", "adreel.cli.reference", str(tmp_path)], check=True, capture_output=True, env=surroundings
    )
    assert {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()} == pages()


def test_writing_changes_only_what_differs_and_removes_only_pages_of_its_own(tmp_path: Path) -> None:
    assert set(write(tmp_path)) == set(pages())
    assert write(tmp_path) == ()
    (tmp_path / "gone.md").write_text(f"{MARK}\n\n# Gone\n", "utf-8")
    (tmp_path / "by_hand.md").write_text("# By hand\n", "utf-8")
    (tmp_path / "errors.md").write_text("old", "utf-8")
    assert write(tmp_path) == ("gone.md", "errors.md")
    assert {file.name for file in tmp_path.iterdir()} == {*pages(), "by_hand.md"}


@pytest.mark.parametrize("name", sorted(pages()))
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    width = 0
    for line in pages()[name].splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert cells in (width, 0) or not width, line
        width = cells


def first_cells(page: str) -> list[str]:
    return re.findall(r"^\| `?([^`|]+?)`? \|", page, re.MULTILINE)


def test_every_record_has_its_row() -> None:
    written = pages()
    rows = Counter(first_cells(written["metrics.md"]))
    assert [name for name in catalog.metrics() if rows[name] != 1] == []
    assert set(catalog.dimensions()) <= set(first_cells(written["dimensions.md"]))
    assert {setting.variable for setting in SETTINGS} <= set(first_cells(written["settings.md"]))
    assert {str(code) for code in API_CODES} <= set(first_cells(written["errors.md"]))
    assert set(PERIODS) <= set(first_cells(written["reports.md"]))
    for report, columns in catalog.fields().items():
        section = written["fields.md"].split(f"\n## {report}\n")[1].split("\n## ")[0]
        assert first_cells(section)[2:] == [column.name for column in columns]


def test_the_page_of_commands_has_every_command_with_every_option() -> None:
    page = pages()["commands.md"]
    for path, command in commands():
        section = page.split(f"\n### {path}\n")[1].split("\n## ")[0].split("\n### ")[0]
        assert all(f"`{name}`" in section for name in options_of(command))


def test_doubtful_records_are_marked() -> None:
    rows = {line.split("`")[1]: line for line in pages()["metrics.md"].splitlines() if line.startswith("| `")}
    for metric in catalog.metrics().values():
        row = rows[metric.name]
        assert ("*Weakly documented.*" in row) is not metric.sure
        assert ("*Sources differ*" in row) is bool(metric.doubtful)


# -- commands in the docs


@cache
def root_command() -> TyperGroup:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return root


def commands(group: TyperGroup | None = None, path: str = "adreel") -> Iterator[tuple[str, TyperCommand]]:
    for name, command in (group or root_command()).commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        elif isinstance(command, TyperCommand):
            yield f"{path} {name}", command


def options_of(command: TyperCommand | TyperGroup) -> dict[str, TyperOption]:
    options = [param for param in command.params if isinstance(param, TyperOption)]
    return {name: option for option in options for name in (*option.opts, *option.secondary_opts)}


def command_lines(block: str) -> Iterator[str]:
    """The lines that a person would type: those after a prompt where there are prompts, else all."""
    lines = block.replace("\\\n", " ").splitlines()
    prompted = [line.strip().removeprefix("$ ") for line in lines if line.strip().startswith("$ ")]
    yield from prompted or (line.strip() for line in lines)


def calls(line: str) -> Iterator[list[str]]:
    """The words after `adreel` in each call of it on the line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        words = line.split()
    call: list[str] = []
    for word in (*words, ";"):
        if word not in SEPARATORS:
            call.append(word)
            continue
        while call and re.fullmatch(r"\w+=.*", call[0]):
            call.pop(0)
        if call and Path(call[0]).name == "adreel":
            yield list(without_redirections(call[1:]))
        call = []


def without_redirections(words: Sequence[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if set(word) <= {"<", ">"}:
            next(rest, None)
        else:
            yield word


def fault_of(words: Sequence[str], *, whole: bool) -> str | None:
    """What is invalid in a call; only a `whole` call must have all required arguments and options."""
    rest, command = list(words), root_command()
    while rest and (rest[0] in command.commands or rest[0] in (*options_of(command), "--help")):
        subcommand = command.commands.get(rest.pop(0))
        if isinstance(subcommand, TyperCommand):
            return fault_of_command(subcommand, rest, whole=whole)
        command = subcommand if isinstance(subcommand, TyperGroup) else command
    return f"there is no command or option {rest[0]}" if rest else None


def fault_of_command(command: TyperCommand, words: Sequence[str], *, whole: bool) -> str | None:
    options, given, rest, count = options_of(command), set(), iter(words), 0
    for word in rest:
        name, sign, _ = word.partition("=")
        if not name.startswith("-") or name == "-":
            count += 1
        elif name == "--help":
            return None
        elif name not in options:
            return f"there is no option {name}"
        elif not (options[name].is_flag or sign) and next(rest, None) is None:
            return f"{name} needs a value"
        else:
            given.add(str(options[name].name))
    return fault_of_count(command, count, given) if whole else None


def fault_of_count(command: TyperCommand, count: int, given: set[str]) -> str | None:
    arguments = [param for param in command.params if isinstance(param, TyperArgument)]
    missing = [option.name for option in options_of(command).values() if option.required and option.name not in given]
    if missing:
        return f"{missing[0]} is required"
    if count < sum(argument.required for argument in arguments):
        return "an argument is missing"
    if count > len(arguments) and all(argument.nargs == 1 for argument in arguments):
        return "there is an argument too many"
    return None


@pytest.mark.parametrize("file", PROSE, ids=named)
def test_every_command_in_the_docs_is_valid(file: Path) -> None:
    text = file.read_text("utf-8")
    typed = [(line, True) for block in blocks(text) for line in command_lines(block)]
    mentioned = [(span, False) for span in INLINE.findall(prose(text)) if span.startswith("adreel ")]
    faults = [
        f"{line}: {fault}"
        for line, whole in typed + mentioned
        for words in calls(line)
        if (fault := fault_of(words, whole=whole)) is not None
    ]
    assert faults == []


@pytest.mark.parametrize(
    "line",
    [
        "adreel rn x",
        "adreel accounts conect demo",
        "adreel run --fil x.yaml",
        "adreel run x --start",
        "adreel history",
        "adreel diff x 1 2 3",
        "adreel export x",
        "adreel --verion",
        "X=1 adreel demo && .venv/bin/adreel nothing",
        "echo token | adreel accounts add demo --token",
        "adreel demo > log.txt --twice",
    ],
)
def test_an_invalid_command_is_detected(line: str) -> None:
    assert [fault for words in calls(line) if (fault := fault_of(words, whole=True))] != []


@pytest.mark.parametrize(
    "line",
    [
        "adreel",
        "adreel --version",
        "adreel accounts",
        "adreel run --help",
        "adreel run -f examples/ad_daily.yaml --start=today-7 --end today  # and so on",
        "adreel query 'select sum(spend) from t where a > 1; -- all' --format csv > out.csv",
        "echo token | adreel accounts add demo --token-stdin && adreel accounts list --json",
        "adreel metrics video views watched",
        "make demo",
    ],
)
def test_a_valid_command_is_accepted(line: str) -> None:
    assert [fault for words in calls(line) if (fault := fault_of(words, whole=True))] == []


def test_only_lines_after_a_prompt_count_in_a_block_with_prompts() -> None:
    assert list(command_lines("$ adreel --version\nadreel 0.1.0\n")) == ["adreel --version"]
    assert list(command_lines("adreel run \\\n  x\n")) == ["adreel run    x"]


@pytest.mark.parametrize("file", PROSE, ids=named)
def test_every_setting_that_the_docs_name_exists(file: Path) -> None:
    settings = set(re.findall(r"\bADREEL_[A-Z_]+", file.read_text("utf-8")))
    assert settings - {setting.variable for setting in SETTINGS} == set()


@pytest.mark.parametrize("file", PROSE, ids=named)
def test_every_make_target_that_the_docs_name_exists(file: Path) -> None:
    text = file.read_text("utf-8")
    typed = "\n".join([*blocks(text, "", "sh", "bash", "console"), *INLINE.findall(prose(text))])
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^(?:\$ )?make ([\w-]+)", typed, re.MULTILINE)) - targets == set()


@pytest.mark.parametrize("file", PROSE, ids=named)
def test_every_file_of_the_project_that_the_docs_name_exists(file: Path) -> None:
    spans = INLINE.findall(prose(file.read_text("utf-8")))
    paths = [span for span in spans if re.fullmatch(r"(src|tests|docs|examples|bench)/[\w./-]*", span)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


# -- the dbt package


def test_the_dbt_package_has_the_columns_and_metrics_of_the_catalogue(tmp_path: Path) -> None:
    for name, text in dbt_package.files().items():
        assert (ROOT / "dbt" / name).read_text("utf-8") == text, f"{name} is outdated; run make docs"
    assert set(dbt_package.write(tmp_path)) == set(dbt_package.files())
    assert dbt_package.write(tmp_path) == ()
    rates, metrics = dbt_package.rates(), catalog.metrics()
    assert "ctr" in rates
    assert "frequency" not in rates, "its parts include reach, which must not be summed"
    assert all(
        metrics[name].additive for numerator, denominator, _ in rates.values() for name in (numerator, denominator)
    )


# -- dataset files


def guide_files() -> list[Source]:
    """The dataset files of the guide; a part of one goes into the first."""
    sources = [read(block) for block in blocks(GUIDE.read_text("utf-8"), "yaml", "yml")]
    return [
        source if "report" in source.values else Source({**sources[0].values, **source.values}, {})
        for source in sources
    ]


def test_every_dataset_file_in_the_guide_is_without_problems() -> None:
    files = guide_files()
    problems = [str(problem) for source in files for problem in check(source, NOW).problems]
    assert problems == []
    assert len(files) >= len(catalog.REPORTS["performance"].menus)


def test_the_guide_has_the_defaults_of_the_menus() -> None:
    rows = {
        cells[0].strip("` "): cells[1].strip()
        for line in GUIDE.read_text("utf-8").splitlines()
        if line.startswith("| `") and len(cells := line.strip("|").split("|")) > 2
    }
    by_key: dict[str, set[str]] = defaultdict(set)
    for report in catalog.REPORTS.values():
        for menu in report.menus:
            by_key[menu.name].add(left_out(menu))
    assert by_key.keys() <= rows.keys()
    for key, values in by_key.items():
        # The guide describes defaults that depend on the report or on a menu above.
        if len(values) == 1 and " with " not in (value := next(iter(values))):
            assert rows[key] == value, key
    assert rows["update"] == rows["method"] == f"`{Update().method}`"


def test_the_guide_describes_its_first_file_correctly() -> None:
    dataset = check(guide_files()[0], NOW).dataset
    assert dataset is not None
    assert dataset.advertisers is None
    assert dataset.include_deleted
    assert key_columns(dataset) == ("advertiser_id", "ad_id", "stat_time_day")


def test_a_menu_without_default_is_required_none_or_all() -> None:
    assert left_out(Menu("a", "A", "ids", "", many=True)) == "all"
    assert left_out(Menu("a", "A", "dimensions", "", many=True)) == "none"
    assert left_out(Menu("a", "A", "metrics", "", many=True, required=True)) == "required"


# -- links and versions


def anchors(file: Path) -> set[str]:
    """The anchors of a page, as GitHub generates them."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(file.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", EVERY_PAGE, ids=named)
def test_every_link_to_a_file_leads_somewhere(file: Path) -> None:
    for pair in LINK.findall(INLINE.sub("", prose(file.read_text("utf-8")))):
        target = pair[0] or pair[1]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (file.parent / path).resolve() if path else file
        assert linked.is_relative_to(ROOT), target
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", text, re.MULTILINE)
    assert versions, "CHANGELOG.md has no heading such as: ## [0.1.0] - 2026-11-22"
    assert versions[0][0] == project["version"]
    days = [date.fromisoformat(day) for _, day in versions]
    assert days == sorted(days, reverse=True)


def test_the_licence_is_the_one_that_the_project_names() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert re.search(r"Apache License\s+Version 2\.0, January 2004", text)
    assert text.rstrip().endswith("limitations under the License.")
