"""A page of the docs as HTML that runs no script and has no style of its own, as the Data Center's policy wants it."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

PROMPT = "$ "

SHELL = frozenset({"console", "sh", "bash", "shell"})

Resolve = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class ManualHeading:
    """A heading below the page's title, with its anchor."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class ManualPage:
    """A page as HTML, with its headings for the list beside it."""

    html: str
    headings: tuple[ManualHeading, ...]


def rendered(text: str, link: Resolve, picture: Resolve, copy_label: str, table_label: str) -> ManualPage:
    """Markdown as HTML. `link` and `picture` say where the targets of the page are on this site.

    `copy_label` is on the buttons beside commands, `table_label` names tables for screen readers.
    """
    parser = MarkdownIt("commonmark", {"html": True}, renderer_cls=_Renderer).enable("table")
    tokens = parser.parse(text)
    headings = tuple(_anchored(tokens))
    tokens = [token for token in tokens if not _is_comment(token)]
    for token in _all(tokens):
        _resolve(token, link, picture)
    env = {"labels": _Labels(copy_label, table_label)}
    return ManualPage(str(parser.renderer.render(tokens, parser.options, env)), headings)


def anchor_of(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it (source: what its pages have)."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def plain(text: str) -> str:
    """Markdown in a line without its marks: links as their words, code as it is."""
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    words = re.sub(r"(\*\*|[*`])", "", words)
    return html.unescape(re.sub(r"\\([*\[\]`\\|])", r"\1", words))


def _anchored(tokens: Sequence[Token]) -> Iterator[ManualHeading]:
    """Gives headings their anchors; those of one name are numbered."""
    counts: Counter[str] = Counter()
    for token, content in pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = plain(content.content)
        name = anchor_of(text)
        anchor = f"{name}-{counts[name]}" if counts[name] else name
        counts[name] += 1
        level = int(token.tag[1:])
        if level > 1:
            token.attrSet("id", anchor)
            yield ManualHeading(level, text, anchor)


def _is_comment(token: Token) -> bool:
    return token.type == "html_block" and token.content.strip().startswith("<!--")


def _all(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _resolve(token: Token, link: Resolve, picture: Resolve) -> None:
    if token.type == "link_open":
        token.attrSet("href", link(str(token.attrGet("href") or "")))
    elif token.type == "image":
        token.attrSet("src", picture(str(token.attrGet("src") or "")))
        token.attrSet("loading", "lazy")
    elif token.type in ("th_open", "td_open") and token.attrs.pop("style", "") == "text-align:right":
        token.attrSet("class", "cell-number")


@dataclass(slots=True)
class _Labels:
    """The words of buttons and tables of a page, and how many of them there are so far."""

    copy: str
    table: str
    blocks: int = 0
    tables: int = 0


class _Renderer(RendererHTML):
    """The parts that the Data Center shows in its own way; the parser calls the methods by the kinds of its tokens."""

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:  # noqa: ARG002 - the parser's signature
        """A block of code; commands have a prompt that is not copied, and their output follows them."""
        token, labels = tokens[idx], env["labels"]
        language = token.info.split()[0] if token.info.strip() else "text"
        if language not in SHELL:
            return _block(_highlighted(token.content, language), language, labels)
        return "".join(
            _block(_commands(group), "console", labels) if typed else _output("\n".join(group))
            for typed, group in console_groups(token.content)
        )

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """An indented block."""
        return self.fence(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:  # noqa: ARG002 - the parser's signature
        """A table that is wider than its page scrolls by itself, also by keyboard."""
        labels = env["labels"]
        labels.tables += 1
        head = [plain(cell.content) for cell in tokens[idx : idx + 5] if cell.type == "inline"]
        name = html.escape(f"{labels.table} {labels.tables}: {head[0] if head else ''}".rstrip(": "))
        return (
            f'<div class="table-responsive manual-table" role="region" tabindex="0" aria-label="{name}">'
            '<table class="table table-sm">\n'
        )

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:  # noqa: ARG002 - the parser's signature
        """The end of a table and of what it scrolls in."""
        return "</table></div>\n"


def _block(code: str, language: str, labels: _Labels) -> str:
    labels.blocks += 1
    name = f"code-{labels.blocks}"
    return (
        f'<div class="manual-code"><pre tabindex="0" class="manual-{language}"><code id="{name}">{code}</code></pre>'
        f'<button type="button" class="btn btn-sm" data-copy="#{name}">{html.escape(labels.copy)}</button></div>\n'
    )


def _output(text: str) -> str:
    return f'<pre tabindex="0" class="manual-output"><samp>{html.escape(text.rstrip())}\n</samp></pre>\n'


def console_groups(content: str) -> Iterator[tuple[bool, list[str]]]:
    """The lines of a block of the shell in groups: what a person types, and what is printed.

    Where no line has a prompt, all are typed. A line after one that ends in a backslash, or within a here-document,
    goes on with it.
    """
    lines = content.rstrip("\n").split("\n")
    has_prompts = any(line.startswith(PROMPT) for line in lines)
    marked, open_end, end = [], False, ""
    for line in lines:
        typed = not has_prompts or open_end or bool(end) or line.startswith(PROMPT)
        marked.append((typed, line))
        document = re.search(r"<<\s*'?(\w+)'?", line) if typed and not end else None
        end = document[1] if document else ("" if line == end else end)
        open_end = typed and line.endswith("\\")
    for typed, group in groupby(marked, key=lambda pair: pair[0]):
        yield typed, [line for _, line in group]


def _commands(lines: Sequence[str]) -> str:
    """Typed lines; a style sheet shows the prompt, so that a copy is without it."""
    shown = []
    for line in lines:
        begins = line.startswith(PROMPT)
        text = html.escape(line.removeprefix(PROMPT))
        shown.append(f'<span class="prompt"></span>{text}' if begins else text)
    return "\n".join(shown) + "\n"


def _highlighted(content: str, language: str) -> str:
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return html.escape(content)
    return str(highlight(content, lexer, HtmlFormatter(nowrap=True)))
