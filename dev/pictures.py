"""The pictures in docs/: what people see."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.environment import install
from dev.processes import ROOT, run, say

DOCS = ROOT / "docs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REPORT_SIZE = (1180, 940)  # of the window: as far as the end of the time line


def pictures(arguments: list[str]) -> int:
    """make the pictures in docs/ anew: the report of a demo call over a bad network, from a real browser"""
    install("simulator")
    DOCS.mkdir(exist_ok=True)
    return report(DOCS / "report.png")


def report(picture: Path) -> int:
    """That of a demo call over a bad network; the exit status."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        say(f"no browser is here: install one of {', '.join(BROWSERS)}")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        status = run("sfclient", "demo", "--bad-network", "--plain", cwd=Path(folder))
        if status:
            return status
        options = (
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--user-data-dir={folder}/browser",
            f"--window-size={REPORT_SIZE[0]},{REPORT_SIZE[1]}",
            f"--screenshot={picture}",
        )
        page = (Path(folder) / "call.html").as_uri()
        done = subprocess.run([browser, *options, page], capture_output=True, timeout=60)
    if done.returncode or not picture.exists():
        say(f"{browser} made no picture: {done.stderr.decode(errors='replace').strip()}")
        return 1
    say(f"made {picture.relative_to(ROOT)}")
    return 0
