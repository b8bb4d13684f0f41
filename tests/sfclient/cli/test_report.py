"""``sfclient report``: a page of a call that is over, from what --record and --stats wrote."""

import json
import re
from pathlib import Path

import pytest

from sfclient.cli import main

from ..report.made import made_record, write_recording
from ..report.pages import parse
from .conftest import sfclient


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a call in it, where we are."""
    monkeypatch.chdir(tmp_path)
    record = made_record(1)
    write_recording(tmp_path / "both.wav", record)
    (tmp_path / "call.json").write_text(json.dumps(record))
    return tmp_path


def waves(page: Path) -> int:
    return len(parse(page.read_text(encoding="utf-8")).all("path", "wave"))


def test_it_writes_the_page_beside_the_record(
    call: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "both.wav", "call.json"]) == 0
    assert capsys.readouterr().out == "The report is in call.html\n"
    assert waves(call / "call.html") == 2


def test_a_call_without_a_recording_has_a_page_too(call: Path) -> None:
    assert main(["report", "call.json", "--output", "page.html"]) == 0
    assert waves(call / "page.html") == 0


def test_a_page_that_is_there_is_kept(call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (call / "call.html").write_text("mine")
    assert main(["report", "both.wav", "call.json"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (call / "call.html").read_text() == "mine"
    assert main(["report", "both.wav", "call.json", "--overwrite"]) == 0
    assert waves(call / "call.html") == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["both.wav", "none.json"], "cannot read none.json: No such file"),
        (["none.wav", "call.json"], "cannot read none.wav: No such file"),
        (["call.json", "both.wav"], "both.wav cannot be read as JSON"),
        (["call.json", "call.json"], "call.json is no WAV file"),
        (["."], "cannot read .: it is not a file"),
        (
            ["both.wav", "call.json", "--output", "call.json", "--overwrite"],
            "cannot write call.json",
        ),
        (
            ["both.wav", "call.json", "--output", "./both.wav", "--overwrite"],
            "cannot write both.wav",
        ),
        (["both.wav", "call.json", "--output", "none/page.html"], "cannot write none/page.html"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    call: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    before = {path: path.read_bytes() for path in call.iterdir()}
    assert main(["report", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sfclient: {told}")
    assert {path: path.read_bytes() for path in call.iterdir()} == before


@pytest.mark.slow
async def test_the_report_of_the_demo_over_a_bad_network_shows_where_it_stood_still(
    tmp_path: Path,
) -> None:
    done = await sfclient("demo", "--network", "stall", key=None, cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "The network moves again (from the agent), after 2.0 s" in done.stdout
    page = parse((tmp_path / "call.html").read_text(encoding="utf-8"))
    about_two = r"(1\.9|2\.0)\d s"
    assert re.match(f"network {about_two}", page.one("g", "trouble", "stalled").one("text").text)
    noticed = page.one("section", "noticed").words
    assert re.search(f"The network stood still for {about_two}", noticed)
