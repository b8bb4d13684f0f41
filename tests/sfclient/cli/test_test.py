"""``sfclient test``: which agent is tested, what is told and kept, and the exit status."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sfclient.cli import main

EXAMPLES = Path(__file__).parents[3] / "examples" / "conversations"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples, where we are, and a script that fails."""
    for path in EXAMPLES.iterdir():
        shutil.copy(path, tmp_path)
    booking = (tmp_path / "books_a_table.toml").read_text()
    (tmp_path / "slow.toml").write_text(booking + "delay = 0.9\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_passes_is_told_and_is_status_0(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "books_a_table.toml", "interrupts.toml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("passed    books_a_table (")
    assert lines[1].startswith("passed    interrupts (")
    assert lines[2].startswith("2 conversations in ")
    assert lines[2].endswith(": 2 passed")


def test_what_fails_is_told_with_its_line_and_is_status_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "slow.toml", "interrupts.toml", "--junit", "results.xml"]) == 1
    out = capsys.readouterr().out
    assert "\n  slow.toml:22: slow: expected " in out
    assert out.endswith("1 failed, 1 passed\n")
    root = ElementTree.parse("results.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert "slow.toml:22: slow" in next(root.iter("failure")).get("message", "")


def test_recording_figures_and_report_of_each_are_kept(folder: Path) -> None:
    assert main(["test", "interrupts.toml", "--folder", "kept/here", "--repeat", "2"]) == 0
    for name in ("interrupts-1", "interrupts-2"):
        kept = {path.name for path in (folder / "kept" / "here" / name).iterdir()}
        assert {"both.wav", "call.json", "report.html"} <= kept


def test_what_is_there_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "results.xml").write_text("mine")
    (folder / "kept").mkdir()
    (folder / "kept" / "notes").write_text("mine")
    for place in (["--junit", "results.xml"], ["--folder", "kept"]):
        assert main(["test", "interrupts.toml", *place]) == 2
        assert "--overwrite" in capsys.readouterr().err
    assert (folder / "results.xml").read_text() == "mine"
    both = ["--junit", "results.xml", "--folder", "kept", "--overwrite"]
    assert main(["test", "interrupts.toml", *both]) == 0
    assert (folder / "results.xml").read_text() != "mine"
    assert (folder / "kept" / "interrupts").is_dir()


def test_on_the_virtual_clock_it_is_the_same_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "interrupts.toml", "--repeat", "3", "--network", "jitter"]) in (0, 1)
    assert "not the same again" not in capsys.readouterr().out


def test_the_faults_of_all_files_are_told_before_any_conversation(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.toml").write_text("[[step]]\nheer = 1\n")
    (folder / "worse.toml").write_text("[[step]]\nhear = -1\n")
    assert main(["test", "interrupts.toml", "bad.toml", "worse.toml"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bad.toml:1: " in captured.err
    assert "worse.toml:2: " in captured.err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["none.toml"], "none.toml"),
        (["interrupts.toml", "--agent", "nobody"], "'nobody' is no agent"),
        (["interrupts.toml", "--repeat", "0"], "'0' is no number of times"),
        (["interrupts.toml", "--network", "wet-string"], "wet-string"),
        (["interrupts.toml", "--network-seed", "3"], "--network-seed goes with --network"),
        (["interrupts.toml", "--base-url", "http://127.0.0.1:9"], "give --assistant too"),
        (["interrupts.toml", "--from", "+1"], "give --assistant too"),
        (["interrupts.toml", "--assistant", "a", "--real-time"], "--real-time is of a simulated"),
        (["interrupts.toml", "--assistant", "a", "--agent", "echo"], "--agent is of a simulated"),
        (["interrupts.toml", "--assistant", "a", "--network", "steady"], "--network is of a sim"),
        (["interrupts.toml", "--assistant", "a", "--from", "+1"], "--from"),
        (["interrupts.toml", "--junit", "none/a.xml"], "cannot write none/a.xml"),
        (["interrupts.toml", "--folder", "when.wav"], "cannot make the folder when.wav"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_wrong_use_is_named_before_any_call(
    folder: Path, capsys: pytest.CaptureFixture[str], args: list[str], told: str
) -> None:
    assert main(["test", *args]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""


def test_without_a_key_no_call_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNTHFLOW_API_KEY", raising=False)
    assert main(["test", "interrupts.toml", "--assistant", "a"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "sfclient: there is no API key: set SYNTHFLOW_API_KEY\n"
    assert captured.out == ""


def test_a_script_is_not_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (folder / "slow.toml").read_text()
    assert main(["test", "slow.toml", "--junit", "./slow.toml", "--overwrite"]) == 2
    assert "slow.toml" in capsys.readouterr().err
    assert (folder / "slow.toml").read_text() == text


def test_a_file_that_is_named_twice_is_held_twice(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "interrupts.toml", "interrupts.toml", "--folder", "kept"]) == 0
    assert capsys.readouterr().out.endswith(": 2 passed\n")
    assert sorted(path.name for path in (folder / "kept").iterdir()) == [
        "interrupts",
        "interrupts-2",
    ]


@pytest.mark.slow
def test_the_same_file_runs_in_real_time_and_at_a_service(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real seconds."""
    assert main(["test", "interrupts.toml", "--real-time"]) == 0
