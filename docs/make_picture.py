"""Writes docs/demo.svg: what `adreel demo --once` prints, in a home that is thrown away."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 124


def main() -> None:
    """Runs the demo as a person would and draws its output."""
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"ADREEL_HOME": str(Path(folder) / "home")}
        words = [str(Path(sys.executable).with_name("adreel")), "demo", "--once"]
        done = subprocess.run(  # noqa: S603 - our own command
            words, env=environ, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        text = done.stdout.replace(folder, "~")
    text = re.sub(r"^\S*/bin/adreel|(?<=\s)\S*/bin/adreel", "adreel", text, flags=re.MULTILINE)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ adreel demo --once", style="bold"))
    for line in text.splitlines():
        if line.strip():
            console.print(Text.from_ansi(line.rstrip()))
    drawn = console.export_svg(title="adreel")
    # Without the fonts that rich names on another host: a picture fetches nothing.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<!-- .*? -->", "", drawn).replace("Fira Code, monospace", "monospace")
    Path(__file__).with_name("demo.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
