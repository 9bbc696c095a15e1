"""The real output of `farm demo` to docs/pictures/demo.svg, the picture in the README.

Run it where `farm` is installed: `.venv/bin/python ops/docs/demo_picture.py`
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "demo.svg"
COLUMNS = 100


def demo_output() -> str:
    """What a newcomer reads on the screen, in a home of their own, with the models fetched."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "XDG_CACHE_HOME": cache}
        environment.pop("XDG_STATE_HOME", None)
        done = subprocess.run(
            [sys.executable, "-m", "nasfarm", "demo"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    return done.stdout.decode().strip("\n")


def drawn(output: str) -> str:
    """The output as the SVG of a terminal."""
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.assemble(("$ ", "green"), ("make demo", "bold"), "\n"))
        for line in output.splitlines():
            text = Text(line)
            text.highlight_regex(r"\d+ × [a-z ]+", "bold cyan")
            text.highlight_regex(r"^picture .*", "dim")
            text.highlight_regex(r"[\d.]+ images/s", "bold green")
            console.print(text, soft_wrap=True)
        # rich asks a web address for its font; a picture in a README should ask nobody.
        offline = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        return console.export_svg(
            title="farm demo", theme=MONOKAI, code_format=offline, unique_id="demo"
        )


def main() -> None:
    svg = re.sub(r"[ \t]+$", "", drawn(demo_output()), flags=re.MULTILINE)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(svg, "utf-8")


if __name__ == "__main__":
    main()
