"""The file: what is none, of another version, cut off or damaged is told by name and place; no secret is in it."""

import errno
import random
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import trio

from sfaudio import JitterBuffer, PlayoutEngine
from sfclient import (
    Audio,
    AudioFileError,
    Call,
    Connected,
    NetworkError,
    RecordingFailed,
    UsageError,
    open_call,
)
from sfclient import _cassette as format_
from sfclient._cassette import (
    BLOCK,
    BLOCKS,
    Cassette,
    CassetteError,
    Head,
    Kind,
    Packer,
    Record,
    packed,
)
from sfclient._cassette_recorder import LOOK_SECONDS, CassetteFile, CassetteRecorder
from sfclient._devices._files import open_input
from sfclient._devices._virtual import VirtualLine
from sfclient._dialects import LONGEST_TEXT
from sfclient._secrets import Secrets
from sfclient.cli import main
from sfclient.cli._leavings import Files
from sfclient.simulator import SimulatedCall, SpeakAgent
from sfclient.testing import replay

from ..conftest import exactly, noise

HEAD = Head("0.1.0", 1, "widget", "l16", "payload", 0.02, "browser", 48_000, 16_000, 16_000, False)
SPEECH = noise(0.2, 16_000)


def record(kind: Kind, payload: bytes = b"", position: int = 0, seconds: float = 1.0) -> bytes:
    return packed(Record(kind, seconds, position, 0, payload))


def as_json(fields: object) -> bytes:
    return format_.json_text(fields)


def blocks(head: Head = HEAD) -> Iterator[bytes]:
    """Of a call in which 0.2 s were said and heard."""
    yield record(Kind.HEAD, as_json(head._asdict()))
    yield record(Kind.RECEIVED, SPEECH) + record(Kind.TAKE)
    yield record(Kind.BLOCKS, bytes(8)) + record(Kind.PLAYED, SPEECH)
    end = {"output_frames": 3200, "sha256": "0" * 64, "lost_frames": 0}
    yield record(Kind.END, as_json(end), 3200)


def parts(*records: bytes) -> list[bytes]:
    """The line, and a block of each."""
    packer = Packer()
    return [packer.line, *(packer.block(each) for each in records)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


@pytest.fixture(autouse=True)
def each_file_is_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever gave up reading it, not the collector."""
    opened: list[BinaryIO] = []

    def open_noted(path: Path) -> BinaryIO:
        opened.append(open_input(path))
        return opened[-1]

    monkeypatch.setattr("sfclient._cassette.open_input", open_noted)
    yield
    assert [file.name for file in opened if not file.closed] == []


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(CassetteError) as caught:
        replay(path)
    return str(caught.value).removeprefix(f"{path} ")


def test_file_as_it_is_written_plays(path):
    path.write_bytes(b"".join(parts(*blocks())))
    assert replay(path).is_same


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"RIFF....WAVEfmt ", "is no cassette"),
        (b"\x00" * 100, "is no cassette"),
        (b"sfclient-cas", "is cut off in its first line"),
        (b"sfclient-cassette 1", "is damaged or cut off in its first line"),
        (b"sfclient-cassette 2\n...", "of version 2, and this program plays version 1"),
        (b"sfclient-cassette x\n...", "is damaged in its first line"),
        (b"sfclient-cassette 1\n", "is cut off at its start"),
        (b"sfclient-cassette 1\n1234", "is cut off at its start: at byte 20 in block 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_cassette_is_told_by_name(path, data, told):
    assert told in refused(path, data)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(AudioFileError, match="too long"):
        replay(tmp_path / ("a" * 300))
    with pytest.raises(CassetteError, match="is no file"):
        replay(tmp_path)
    with pytest.raises(AudioFileError, match=r"cannot read .*nobody"):
        replay(tmp_path / "nobody")


def test_half_a_block_behind_the_end_is_told(path):
    assert "something follows its end" in refused(path, b"".join(parts(*blocks())) + b"x")


def test_cassette_writes_nothing_but_text_to_a_terminal(path, capsys):
    evil = HEAD._replace(made_by="\x1b]0;evil\x07")
    path.write_bytes(b"".join(parts(*blocks(evil))))
    main(["replay", str(path)])
    assert "evil" in (told := capsys.readouterr().out)
    assert told.replace("\n", "").isprintable()


def test_cut_off_cassette_plays_up_to_there_and_says_where(path):
    whole = parts(*blocks())
    at = sum(map(len, whole[:3]))
    path.write_bytes(b"".join(whole)[: at + 20])
    played = replay(path)
    assert played.cut_off.startswith(f"at byte {at} in block 3, after 1.00 s: in the midst")
    assert (played.live_hash, played.frames) == (None, 0)
    path.write_bytes(b"".join(whole[:-1]))
    played = replay(path)
    assert "did not come to the end" in played.cut_off
    assert (played.is_same, played.frames) == (True, 3200)


def test_each_byte_that_is_changed_is_told_with_its_block(path):
    whole = parts(*blocks())
    at = 0
    for number, part in enumerate(whole):
        for byte in {0, 4, 8, len(part) // 2, len(part) - 2}:
            data = bytearray(b"".join(whole))
            data[at + min(byte, len(part) - 1)] ^= 1
            told = refused(path, bytes(data))
            assert number == 0 or f"is damaged in block {number}, at byte {at}, " in told
        at += len(part)


def test_blocks_that_are_moved_left_out_or_added_are_told(path):
    line, *rest = parts(*blocks())
    for order in ([0, 2, 1, 3], [0, 2, 3], [0, 1, 1, 2, 3], [0, 1, 2, 3, 3], [1, 2, 3]):
        assert "is damaged in block" in refused(path, line + b"".join(rest[i] for i in order))


@pytest.mark.parametrize(
    "inside",
    [
        b"1234",
        record(Kind.TAKE)[:-1] + b"\xff",
        b"\x77" + record(Kind.TAKE)[1:],
        record(Kind.TAKE, seconds=float("nan")),
        record(Kind.TAKE, seconds=-1),
        record(Kind.TAKE, position=1 << 60),
        record(Kind.TAKE, position=10**9),
        record(Kind.HEAD, as_json(HEAD._asdict())),
        record(Kind.END, b"{}"),
        record(Kind.END, b"[" * 10_000),
        record(Kind.END, b'{"output_frames": "1", "sha256": "", "lost_frames": 0}'),
    ],
)
def test_records_that_cannot_be_are_told(path, inside):
    head, *_ = blocks()
    assert re.search("damaged|begins twice", refused(path, b"".join(parts(head, inside))))


@pytest.mark.parametrize(
    "change",
    [
        {"dialect": "morse"},
        {"codec": "mp3"},
        {"framing": "smoke"},
        {"policy": "loud"},
        {"output_samplerate": 3},
        {"playout_samplerate": 10**12},
    ],
    ids=str,
)
def test_call_that_this_program_does_not_know_is_told(path, change):
    whole = b"".join(parts(*blocks(HEAD._replace(**change))))
    assert "which this program does not" in refused(path, whole)


def test_sound_that_goes_on_where_the_other_is_over_parts_there(path):
    head, said, played, end = blocks()
    later = record(Kind.FLUSH, position=4000)
    path.write_bytes(b"".join(parts(head, said, played, later, end)))
    assert replay(path).parting.frame == 3200
    path.write_bytes(b"".join(parts(head, said, played, later)))  # cut off: more may have followed
    assert replay(path).parting is None


def test_blocks_that_are_known_late_are_those_of_all_that_was_played(path):
    """Under this policy speech that is too short to start at once does so with a block."""
    word = SPEECH[:640]
    head, *_ = blocks(HEAD._replace(policy="lossless"))
    said = record(Kind.RECEIVED, word) + record(Kind.TAKE) + record(Kind.FLUSH, position=1600)
    heard = bytes(2 * 960) + word + bytes(2 * 320)
    played = record(Kind.BLOCKS, BLOCKS.pack(0.01)) + record(Kind.PLAYED, heard)
    path.write_bytes(b"".join(parts(head, said + played)))
    assert replay(path).is_same


def test_file_that_is_there_is_not_written_over(path):
    path.write_bytes(b"sfclient-cassette 1\n")
    Files(cassette=path).check(read=[], overwrite=True)
    with pytest.raises(UsageError, match=r"a\.cassette is there already"):
        Files(cassette=path).check(read=[], overwrite=False)
    with pytest.raises(UsageError, match="--cassette"):
        Files(cassette=path, record=path).check(read=[], overwrite=True)


def test_gaps_are_those_of_the_call_and_not_of_its_replay(path):
    head, *_ = blocks()
    messages = [
        record(Kind.RECEIVED, noise(0.02, 16_000), at, at / 16_000)
        + record(Kind.TAKE, b"", at, at / 16_000)
        for at in [*range(0, 16_000, 320), *(range(24_000, 24_025)), *range(24_320, 32_000, 320)]
    ]
    path.write_bytes(b"".join(parts(head, *messages)))
    assert replay(path, policy="browser").playout.underruns == 1


def test_what_follows_the_end_is_told(path):
    more = record(Kind.TAKE)
    assert "something follows its end" in refused(path, b"".join(parts(*blocks(), more)))
    *rest, end = blocks()
    assert "a record follows its end" in refused(path, b"".join(parts(*rest, end + more)))


def test_block_that_says_more_than_any_that_was_written_is_not_inflated(path, monkeypatch):
    monkeypatch.setattr(format_, "MOST_BLOCK_BYTES", 10_000)
    head, *_ = blocks()
    bomb = record(Kind.SENT, bytes(20_000))
    assert "longer or shorter" in refused(path, b"".join(parts(head, bomb)))
    line, first = parts(head)
    start = BLOCK.pack(1 << 30, 0, 0)[:8]
    start += zlib.crc32(start).to_bytes(4, "little")
    assert "no block has 1073741824 bytes" in refused(path, line + first + start)


def test_no_flipped_bit_and_no_cut_ends_in_a_traceback(path):
    whole = b"".join(parts(*blocks()))
    random_ = random.Random(1)
    for turn in range(150):
        data = bytearray(whole)
        for _ in range(random_.randint(1, 3)):
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        path.write_bytes(data[: random_.randint(0, 2 * len(data))])
        try:
            if turn % 10 == 0:
                assert replay(path).cut_off
            else:
                with Cassette(path) as cassette:
                    list(cassette)
                assert cassette.cut_off
        except CassetteError as error:
            assert str(error).startswith(f"{path} is ")  # noqa: PT017 -- or it is cut off


@exactly
async def test_no_secret_is_on_a_cassette(hold, fast_clock, path, monkeypatch):
    monkeypatch.setattr("secrets.token_urlsafe", lambda nbytes: "tok-73ab9f")
    key = "key-4f9a8c27b1"

    async def repeat_all(call: SimulatedCall) -> None:
        await call.client_ready()
        for secret in (key, "tok-73ab9f"):
            await call.send(f'{{"type": "x", "said": "{secret}", "{secret}": 1}}')
            await call.send(f"token={secret} Bearer {secret} wss://h/?a={secret}")
            escaped = f"\\u00{ord(secret[0]):02x}{secret[1:]}"
            await call.send(f'{{"type": "x", "said": "{escaped}"}}')
            await call.send(f'{{"type": "x", "said": "{escaped}", "said": 1}}')
            await call.send(f'["{escaped}", {{}}]')
            await call.send(f'{{"said": "{escaped}", "number": {"9" * 5000}}}')
            await call.send("x" * (LONGEST_TEXT - len(secret) + 1) + secret)
        await call.send_audio(noise(0.1, 16_000))
        await trio.sleep(0.5)
        await call.close(4000, f"token tok-73ab9f of {key}")

    async with hold(repeat_all, serve={"key": key}, cassette=path) as held:
        async for _ in held.call:
            pass
    records = list(Cassette(path))
    assert [each.kind for each in records].count(Kind.RECEIVED_TEXT) >= 6
    kept = path.read_bytes() + b"".join(each.payload for each in records if each.kind < Kind.BLOCKS)
    assert b"***" in kept
    told = kept.decode(errors="replace")
    for secret in (key, "tok-73ab9f", held.simulator.base_url, "127.0.0.1"):
        if hold.dialect == "ws-media" or secret != key:
            assert secret[1:] not in told  # nor where JSON has escapes
            assert secret[:-1] not in told  # nor where a text was cut


class FullDisk:
    """Has room until it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        write = CassetteFile.write
        monkeypatch.setattr("sfclient._cassette_recorder.WRITE_SECONDS", 0)

        def write_if_there_is_room(file: CassetteFile, records: bytes) -> None:
            if self.is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(file, records)

        monkeypatch.setattr(CassetteFile, "write", write_if_there_is_room)


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
async def test_cassette_that_fails_in_mid_call_is_told_and_the_call_goes_on(
    hold, fast_clock, path, monkeypatch
):
    disk, events = FullDisk(monkeypatch), []

    async def read(call: Call) -> None:
        async for event in call:
            events.append(type(event))
            disk.is_full = disk.is_full or isinstance(event, Connected)

    agent = SpeakAgent(noise(2, 16_000), then="close")
    with pytest.raises(AudioFileError, match=r"cannot write .*a\.cassette: No space left"):
        async with hold(agent, cassette=path) as held:
            await read(held.call)
    assert events.count(RecordingFailed) <= 1  # the disk has real time, and the call has not
    assert held.heard == noise(2, 16_000)
    assert held.call.ended.audio == "drained"


async def test_what_a_cassette_lacks_is_told_once_and_it_plays_up_to_there(
    path, monkeypatch, autojump_clock
):
    disk, told = FullDisk(monkeypatch), []
    engine = PlayoutEngine(JitterBuffer(16_000), policy="lossless")
    line = VirtualLine(None, None, 0, 16_000)
    cassette = CassetteRecorder(path, HEAD, engine, line, None)
    cassette.begin(None, trio.current_time, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cassette.run, told.append)
        for step in range(8):
            disk.is_full = step >= 3
            cassette.played.write(bytes(8000))
            await trio.sleep(LOOK_SECONDS)
            await trio.to_thread.run_sync(time.sleep, 0.005)  # for who writes
        nursery.cancel_scope.cancel()
    with pytest.raises(AudioFileError, match="No space left"):
        cassette.close()
    assert told == [cassette.error]
    played = await trio.to_thread.run_sync(replay, path)
    assert 0 < played.frames < 8 * 4000
    assert played.is_same
    assert played.cut_off


async def test_what_the_tap_lost_is_told_and_not_compared(path, monkeypatch, autojump_clock):
    monkeypatch.setattr("sfclient._cassette_recorder.TAP_SECONDS", 0.1)
    engine = PlayoutEngine(JitterBuffer(16_000), policy="lossless")
    line = VirtualLine(None, None, 0, 16_000)
    cassette = CassetteRecorder(path, HEAD, engine, line, None)
    cassette.begin(None, lambda: 1.0, b"")
    engine.queue.write(SPEECH)
    block = np.empty(3200, np.int16)
    engine.read_into(block)
    cassette.received(SPEECH, Secrets())
    cassette.note(Kind.TAKE, 0)
    cassette.played.write(block)
    cassette.take_played()
    cassette.close()
    played = await trio.to_thread.run_sync(replay, path)
    assert (played.is_same, played.frames, played.lost_frames) == (True, 3200, 1600)
    assert played.output_hash != played.live_hash


async def test_call_that_never_begins_leaves_no_cassette(tmp_path, path):
    with pytest.raises(NetworkError):
        async with open_call("ws://127.0.0.1:1/", Audio("none", "none"), cassette=path):
            raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_command_tells_what_it_has_played_and_where_they_part(path, tmp_path, capsys):
    path.write_bytes(b"".join(parts(*blocks())))
    assert main(["replay", str(path)]) == 0
    assert "Played again to the same sound: 3200 frames, 0.20 s" in capsys.readouterr().out
    output = tmp_path / "again.wav"
    assert main(["replay", str(path), "--playout", "lossless", "--output", str(output)]) == 0
    assert "not compared" in capsys.readouterr().out
    assert output.stat().st_size > 6400
    assert main(["replay", str(path), "--output", str(output)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["replay", str(path), "--output", str(path), "--overwrite"]) == 2
    assert "is the input" in capsys.readouterr().err
    head, said, played, end = blocks()
    path.write_bytes(b"".join(parts(head, said, played.replace(SPEECH[600:602], b"\0\0"), end)))
    assert main(["replay", str(path)]) == 1
    assert "they part at frame 300, 0.019 s of the output" in capsys.readouterr().out
