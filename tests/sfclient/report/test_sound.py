"""What a page shows of a recording is what is in it, and only the recording of the same call is taken."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfclient import AudioFileError, UsageError
from sfclient._devices._wav_writer import WavWriter
from sfclient.report import _sound, read_record, write_report
from sfclient.report._page import make_page
from sfclient.report._record import checked
from sfclient.report._sound import read_sound

from .made import BEGINS_AT, SAMPLERATE, made_record, write_recording
from .pages import parse

GUTTER, COLUMNS = 62, 1000
RATE = 8000


def recorded(path: Path, sound: Any, begins_at: float = 0.0) -> dict[str, Any]:
    """A record of a call that was recorded so, without anything else."""
    writer = WavWriter(path, RATE, channels=2)
    writer.write(np.ascontiguousarray(sound, np.int16).tobytes())
    writer.close()
    recording = {
        "written_frames": len(sound),
        "begins_at": begins_at,
        "agent_begins_at": begins_at + 0.035,
        "lost_frames": 0,
        "crc32": writer.crc32,
    }
    return {"format": 1, "recording": recording, "times": {"ended": 2.0}}


@pytest.mark.parametrize("begins_at", [0.0, 0.3137])
@pytest.mark.parametrize("piece_frames", [100, 1 << 18])
def test_each_column_has_the_frames_that_begin_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins_at: float, piece_frames: int
) -> None:
    monkeypatch.setattr(_sound, "PIECE_FRAMES", piece_frames)
    sound = np.random.default_rng(1).integers(-(2**15), 2**15, (12_345, 2), np.int16)
    record = recorded(tmp_path / "call.wav", sound, begins_at)
    seen = read_sound(tmp_path / "call.wav", checked(record, "the record"))
    column_seconds = Fraction("0.002")  # of a call of 2 s
    for side, envelope in enumerate((seen.caller, seen.agent)):
        first = Fraction(str(begins_at)) + side * Fraction("0.035")
        columns = [(first + Fraction(frame, RATE)) // column_seconds for frame in range(len(sound))]
        places = np.array(columns) - envelope.first_column
        assert places[0] == 0
        assert len(envelope.rms) == places[-1] + 1
        for column in (0, 1, 2, 77, len(envelope.rms) - 1):
            inside = sound[places == column, side] / 32768
            assert envelope.lowest[column] == pytest.approx(min(0, inside.min()))
            assert envelope.highest[column] == pytest.approx(max(0, inside.max()))
            assert envelope.rms[column] == pytest.approx(np.sqrt(np.mean(inside**2)))


def test_a_click_is_drawn_at_its_time(tmp_path: Path) -> None:
    sound = np.zeros((RATE, 2), np.int16)
    sound[RATE // 4, 1] = 20_000
    record = recorded(tmp_path / "call.wav", sound, begins_at=0.5)
    fields = checked(record, "the record")
    root = parse(make_page(fields, read_sound(tmp_path / "call.wav", fields)))
    caller, agent = root.all("path", "wave")
    steps = agent.attributes["d"].split("V")[1:]
    heights = [float(step.split("h")[0]) for step in steps[: len(steps) // 2]]
    left = float(agent.attributes["d"][1:].split(" ")[0])
    highest = heights.index(min(heights))
    assert (left + highest - GUTTER) * 2.0 / COLUMNS == pytest.approx(0.785, abs=0.002)
    heights = [float(step.split("h")[0]) for step in caller.attributes["d"].split("V")[1:]]
    assert max(heights) - min(heights) < 0.6  # silence is a line


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_a_recording_of_next_to_nothing_is_shown(tmp_path: Path, frames: int) -> None:
    sound = np.full((frames, 2), 1000)
    record = recorded(tmp_path / "call.wav", sound)
    write_report(tmp_path / "call.html", record, tmp_path / "call.wav")
    parse((tmp_path / "call.html").read_text(encoding="utf-8"))


def test_only_the_recording_of_the_same_call_is_taken(tmp_path: Path) -> None:
    def refuse(told: str, record: dict[str, Any], kind: type[UsageError] = UsageError) -> None:
        with pytest.raises(kind, match=told):
            write_report(tmp_path / "call.html", record, tmp_path / "call.wav")
        assert not (tmp_path / "call.html").exists()

    quiet = np.zeros((100, 2))
    record = recorded(tmp_path / "call.wav", quiet)
    longer = recorded(tmp_path / "other.wav", np.zeros((101, 2)))
    other = recorded(tmp_path / "other.wav", np.ones((100, 2)))
    refuse("100 frames, and the recording of the call had 101", longer)
    refuse("as long as .* but another", other)
    refuse("was not recorded", {"format": 1, "recording": None})
    # A disk that was full: what is in the file is known by its length alone.
    other["recording"]["lost_frames"] = 5
    write_report(tmp_path / "call.html", other, tmp_path / "call.wav")
    (tmp_path / "call.html").unlink()
    (tmp_path / "call.wav").write_bytes(b"RIFF")
    refuse("no WAV file", record, AudioFileError)
    writer = WavWriter(tmp_path / "call.wav", RATE, channels=1)
    writer.write(bytes(200))
    writer.close()
    refuse("1 channels of 16 bits", record, AudioFileError)
    (tmp_path / "call.wav").unlink()
    refuse("No such file", record, AudioFileError)


def test_a_record_that_cannot_be_read_is_the_users_affair(tmp_path: Path) -> None:
    path = tmp_path / "call.json"
    for data, told in (
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe{", "cannot be read as JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "should be an object"),
        (b'{"format": ' + b"1" * 5000 + b"}", "cannot be read as JSON"),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=told):
            read_record(path)
    for name, told in (("none.json", "No such file"), ("", "not a file"), ("a\0b", "null byte")):
        with pytest.raises(UsageError, match=told):
            read_record(tmp_path / name)


def test_a_made_call_has_its_page(tmp_path: Path) -> None:
    record = made_record()
    write_recording(tmp_path / "call.wav", record)
    assert record["recording"]["written_frames"] == round(
        (record["times"]["ended"] - BEGINS_AT) * SAMPLERATE
    )
    write_report(tmp_path / "call.html", record, tmp_path / "call.wav")
    page = parse((tmp_path / "call.html").read_text(encoding="utf-8"))
    assert len(page.all("path", "wave")) == 2
    assert (tmp_path / "call.html").stat().st_mode & 0o777 == 0o600
