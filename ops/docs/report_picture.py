"""A report that is drawn → docs/pictures/report.png, the guide's picture of one.

Run it with the developer's packages and Debian's chromium:
`.venv/bin/python ops/docs/report_picture.py`
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).parents[2]
sys.path.insert(0, str(TREE / "tests"))
PICTURE = TREE / "docs" / "pictures" / "report.png"
WINDOW = (1100, 1560)
"""Figures, scene and charts; what is below is for the reader."""


def main() -> None:
    """Draw it."""
    path = Path(tempfile.mkdtemp()) / "report.html"
    path.write_text("".join(page(shop_report())), "utf-8")
    with chromium() as browser, visit(browser, WINDOW) as seen:
        seen.page.goto(path.as_uri())
        seen.page.screenshot(path=PICTURE)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size} bytes\n")


if __name__ == "__main__":
    from browser import chromium, visit
    from nasfarm_workers.report.page import page
    from reports import shop_report

    main()
