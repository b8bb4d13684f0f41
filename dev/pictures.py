"""The pictures in docs/: what people see."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from dev.environment import install, install_browser
from dev.processes import ROOT, in_venv, run, say
from dev.system import browser

DOCS = ROOT / "docs"
SCREEN_SIZE = (84, 18)  # columns and lines
SCREEN_SECONDS = 30  # for the demo to come to its stall
SCREEN_WORDS = (
    "The agent speaks",
    "The network moves again",
)  # that the moment has which is to be seen
REPORT_SIZE = (1180, 940)  # of the window: as far as the end of the time line


def pictures(arguments: list[str]) -> int:
    """make the pictures in docs/ anew: a demo call, in a terminal and as a page; the website; --plots: of figures"""
    if "--plots" in arguments:
        return plots([argument for argument in arguments if argument != "--plots"])
    install("test")
    install_browser()
    DOCS.mkdir(exist_ok=True)
    return max(
        screen(DOCS / "screen.svg"), report(DOCS / "report.png"), website(DOCS / "website.png")
    )


def plots(arguments: list[str]) -> int:
    """Of the figures that are kept; the exit status."""
    install("bench")
    return run("python", "benchmarks/pictures.py", *arguments)


def screen(picture: Path) -> int:
    """The live screen when the network has stood still; the exit status."""
    if shutil.which("tmux") is None:
        say("no tmux is here: install it")
        return 1
    columns, lines = SCREEN_SIZE
    with tempfile.TemporaryDirectory() as folder:
        tmux = ("tmux", "-S", f"{folder}/socket")
        size = ("-x", f"{columns}", "-y", f"{lines}")
        demo = (in_venv("sfclient"), "demo", "--network", "stall")
        subprocess.run(
            [*tmux, "-f", "/dev/null", "new-session", "-d", *size, *demo], cwd=folder, check=True
        )
        deadline = time.monotonic() + SCREEN_SECONDS
        shown = ""
        while not all(words in shown for words in SCREEN_WORDS) and time.monotonic() < deadline:
            time.sleep(0.2)
            capture = [*tmux, "capture-pane", "-e", "-p"]
            shown = subprocess.run(capture, capture_output=True, text=True).stdout
        subprocess.run([*tmux, "kill-server"], capture_output=True)
    if not all(words in shown for words in SCREEN_WORDS):
        say(f"the screen did not show {' and '.join(SCREEN_WORDS)}")
        return 1
    script = (in_venv("python"), ROOT / "dev" / "screen_to_svg.py")
    title = " ".join(("sfclient", *demo[1:]))
    make = [*map(str, script), title, f"{columns}"]
    made = subprocess.run(make, input=shown, capture_output=True, text=True, check=True)
    picture.write_text(made.stdout)
    say(f"made {picture.relative_to(ROOT)}")
    return 0


def report(picture: Path) -> int:
    """That of a demo call over a bad network; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        status = run("sfclient", "demo", "--network", "stall", "--plain", cwd=Path(folder))
        if status:
            return status
        options = (
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            f"--user-data-dir={folder}/browser",
            f"--window-size={REPORT_SIZE[0]},{REPORT_SIZE[1]}",
            f"--screenshot={picture}",
        )
        page = (Path(folder) / "call.html").as_uri()
        program = browser() or ""
        done = subprocess.run([program, *options, page], capture_output=True, timeout=60)
    if done.returncode or not picture.exists():
        say(f"{program} made no picture: {done.stderr.decode(errors='replace').strip()}")
        return 1
    say(f"made {picture.relative_to(ROOT)}")
    return 0


def website(picture: Path) -> int:
    """The website's page in a call; the exit status."""
    status = run("python", "-m", "dev.website_picture", f"{picture}")
    if status == 0:
        say(f"made {picture.relative_to(ROOT)}")
    return status
