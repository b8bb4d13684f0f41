"""What the playout engine plays of speech that comes steadily, early, late or slowly."""

from dataclasses import replace

import numpy as np
import pytest

from sfaudio import JitterBuffer, PlayoutEngine

from .engine_player import Player, balanced, speaking, talk
from .playout_model import TARGET_MAX
from .playout_reference import Samples, reconstruct
from .stretched_voices import steepest

MS = 16  # frames at 16 kHz


def sounds(output: Samples) -> Samples:
    """From the first sample that is not silent on, which no sample of `speaking` begins with."""
    return output[np.flatnonzero(output)[0] :]


def silent_blocks(output: Samples) -> int:
    """Before anything is heard."""
    return int(np.flatnonzero(output)[0]) // 160


def stall(messages: int, begin: int, blocks: int) -> np.ndarray:
    """How late each message of 20 ms is: from `begin` on, all wait for the end of a stall of so many blocks."""
    late = np.zeros(messages, np.int64)
    waiting = blocks // 2
    late[begin : begin + waiting] = blocks - 2 * np.arange(waiting)
    return late


# ---- untouched


@pytest.mark.parametrize("samplerate", [8000, 16000, 24000, 44100, 48000])
def test_speech_that_comes_on_time_is_played_bit_for_bit(samplerate: int) -> None:
    player, media = Player(samplerate), speaking(samplerate, 6)
    output = player.paced(media)
    heard = sounds(output)
    assert np.array_equal(heard, media[: len(heard)])
    assert len(heard) > len(media) - 0.08 * samplerate
    assert player.pieces.keys() == {"silence", "play"}


@pytest.mark.parametrize("samplerate", [8000, 16000, 24000, 44100, 48000])
def test_the_last_block_that_is_queued_is_a_whole_one(samplerate: int) -> None:
    """However its times are rounded: a turn begins anywhere, and each block comes just before it is played."""
    media = speaking(samplerate, 3)
    for before in range(1, 100, 7):
        player = Player(samplerate)
        player.write(media[:before])
        player.queue.drain()
        player.blocks(60)
        blocks = media[before : before + 30 * player.block].reshape(30, player.block)
        player.write(blocks[:4].ravel())
        output = player.blocks(4)
        for block in blocks[4:]:
            player.write(block)
            output = np.concatenate([output, player.blocks(1)])
        assert player.statistics.underruns == 0
        assert player.statistics.queued_frames == 0
        assert np.array_equal(output, blocks.ravel())


@pytest.mark.parametrize("faster", [1.2, 3, 10, 1000])
def test_a_burst_is_played_bit_for_bit_and_at_once(faster: float) -> None:
    player, media = Player(), speaking(16000, 8)
    written = 0
    while written < len(media):
        more = round(faster * 160) + 1
        player.write(media[written : written + more])
        written += more
        player.read(160)
    player.queue.drain()
    player.blocks(850)
    heard = sounds(player.output)
    assert silent_blocks(player.output) * 10 <= 60
    assert np.array_equal(heard[: len(media)], media)
    assert not heard[len(media) :].any()
    said = player.statistics
    assert said.removed_frames == said.inserted_frames == said.dropped_frames == said.underruns == 0


def test_turns_that_come_at_once_are_never_trimmed() -> None:
    """But for the 5 ms in which each is faded in after it ran dry."""
    player = Player()
    for at in (0, 40000, 80000):
        turn = speaking()[at : at + 24000]
        player.write(turn)
        output = player.blocks(250)
        begins = next(a for a in range(0, 24000, 160) if output[a : a + 160].any())
        assert begins <= 60 * MS
        assert np.array_equal(output[begins + 80 : begins + 24000], turn[80:])
    said = player.statistics
    assert said.underruns == 3
    assert said.underruns_in_speech == said.interruptions == said.silent_concealed_frames == 0


def test_a_lead_that_a_paced_sender_keeps_is_paid_out() -> None:
    player, media = Player(), speaking(16000, 20)
    player.write(media[:16000])
    player.paced(media[16000:])
    said = player.statistics
    assert said.queued_frames < 16 * MS * 10
    assert said.removed_frames > 800 * MS
    assert said.dropped_frames == said.underruns == 0


# ---- stalls


@pytest.mark.parametrize("begin", [100, 150, 203])
def test_a_stall_in_speech_is_repaid_within_five_seconds_and_a_half(begin: int) -> None:
    player, media = Player(), speaking(16000, 20)
    late = stall(600, begin, 100)
    player.paced(media[: 320 * (begin + 50)], late=late)  # until it is over
    assert player.statistics.queued_frames > 800 * MS
    player.paced(media[320 * (begin + 50) : 320 * (begin + 50 + 275)])
    said = player.statistics
    assert said.queued_frames <= 16000 * said.target_seconds + 30 * MS
    assert player.statistics.underruns_in_speech == 1
    assert np.array_equal(player.reconstructed(), player.output)


@pytest.mark.parametrize(("messages_before", "blocks"), [(1, 550), (0, 700)])
def test_a_call_that_begins_inside_a_stall_is_back_at_its_target(
    messages_before: int, blocks: int
) -> None:
    player, media = Player(), speaking(16000, 20)
    before = 320 * messages_before
    player.write(media[:before])
    player.blocks(100)
    player.write(media[before : before + 16000])
    player.paced(media[before + 16000 : before + 16000 + 160 * blocks])
    said = player.statistics
    assert said.queued_frames <= 16000 * said.target_seconds + 30 * MS


def test_a_gap_is_concealed_and_left_without_a_click() -> None:
    media = speaking(16000, 20)
    for blocks in range(4, 40):
        player = Player()
        player.paced(media[:64000], late=stall(200, 80, blocks))
        heard = sounds(player.output)
        assert steepest(heard) - 1 <= 1.005 * steepest(media)
        assert {"conceal", "resume"} <= player.pieces.keys() or blocks < 8
        assert player.statistics.concealment_events <= 1


def test_in_a_stall_a_pause_is_held() -> None:
    player, media = Player(), talk(16000)
    quiet = np.abs(media[:319680].reshape(-1, 320)).max(1) < 300
    begin = next(at for at in range(200, 900) if quiet[at : at + 20].all()) + 10
    late = np.random.default_rng(0).integers(
        0, 8, 999
    )  # so that there is a pause to hold in the queue
    player.paced(media[:319680], late=np.maximum(late, stall(999, begin, 60)))
    assert player.statistics.held_frames > 100 * MS
    assert np.array_equal(player.reconstructed(), player.output)


@pytest.mark.parametrize("noise", [0.0005, 0.0056])
def test_a_lead_is_paid_out_in_pauses_even_in_a_room_at_minus_45_decibels(noise: float) -> None:
    player, media = Player(), talk(16000, noise)
    player.write(media[:16000])
    player.paced(media[16000:160000])
    said = player.statistics
    assert said.cut_frames > 200 * MS
    assert said.queued_frames <= 16000 * said.target_seconds + 30 * MS


def test_a_producer_that_is_slow_leaves_no_gap_that_is_heard() -> None:
    player, media = Player(), talk(16000)
    written = 0
    for now in range(1800):
        due = int(0.9 * now / 2) * 320
        if due > written:
            player.write(media[written:due])
            written = due
        player.read(160)
    assert max(player.gaps(), default=0) <= 60
    assert player.statistics.inserted_frames > 1000 * MS
    assert (
        player.statistics.underruns_in_speech < 45
    )  # 68 if it could not be slowed where 20 ms are queued


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [-300, 300])
def test_an_hour_of_a_clock_that_is_off_has_no_gap_and_no_growth(ppm: int) -> None:
    player, media = Player(log=1 << 13), talk(16000)
    written = 0
    queued = []
    for now in range(360_000):
        while written * 20 * (1 + ppm * 1e-6) <= now * 10:
            at = written * 320 % (len(media) - 320)
            player.write(media[at : at + 320])
            written += 1
        player.engine.read_into(np.zeros(160, np.int16))
        if now % 500 == 0:
            player.log += player.engine.read_log()
            queued.append(player.engine.queued_frames)
    assert not player.gaps()
    assert max(queued[100:]) < 100 * MS


# ---- invariants


@pytest.mark.parametrize("hertz", [75, 90, 140, 300])
def test_speech_is_played_a_quarter_slower_at_most(hertz: int) -> None:
    """Whatever its pitch: a period of more than 10 ms, and two at once, are counted as what they are."""
    at = 2 * np.pi * hertz * np.arange(16000 * 16) / 16000
    media = (4000 * sum(np.cos(k * at + k * k) / k for k in range(1, 8))).astype(np.int16)
    player = Player()
    late = np.random.default_rng(0).choice([0, 30], 400, p=[0.95, 0.05])  # the target becomes high
    late[-25:] = 0
    player.paced(media[: 320 * 400], late=late)
    inserted, rest = player.statistics.inserted_frames, player.engine.queued_frames
    assert rest > 250 * MS
    while player.statistics.state == "playing":
        player.read(160)
    slower = player.statistics.inserted_frames - inserted
    assert 0.15 * (rest + slower) < slower <= 0.25 * (rest + slower)


def test_nothing_is_removed_below_the_target_or_before_the_pace_is_known() -> None:
    rng = np.random.default_rng(4)
    late = np.maximum(0, rng.normal(0, 3, 1000).astype(int))
    late += stall(1000, 300, 60) + stall(1000, 500, 100) + stall(1000, 750, 30)
    player, media = Player(), talk(16000)
    before, said = 0, player.statistics
    come = np.maximum.accumulate(2 * (np.arange(1000) + 1) + late)
    written, lengths, message = 0, [20, 20], 20
    for now in range(2000):
        due = int(np.searchsorted(come, now, "right"))
        if due > written:
            player.write(media[320 * written : 320 * due])
            lengths.append(20 * (due - written))
            message, written = max(message, min(lengths[-2:])), due
        before = player.engine.queued_frames
        player.read(160)
        earlier, said = said, player.statistics
        taken = said.removed_frames + said.cut_frames
        taken -= earlier.removed_frames + earlier.cut_frames
        if taken:
            assert now >= 200
            assert before - taken >= 16000 * said.target_seconds - 1
        assert taken <= before
        assert balanced(said)
        assert 0.04 <= said.target_seconds <= (TARGET_MAX - 20 + message) / 1000
    assert said.removed_frames > 0
    assert said.cut_frames > 0


def test_every_frame_of_time_is_read_padded_or_concealed() -> None:
    player, media = Player(), talk(16000)
    player.paced(media[:200000], late=stall(625, 200, 60) + stall(625, 400, 20))
    said = player.statistics
    concealed = said.concealed_frames - said.silent_concealed_frames
    assert len(player.output) == said.read_frames + said.padded_frames + concealed
    assert concealed > 0


def test_a_loss_or_a_repetition_does_not_pass_for_the_truth() -> None:
    player, media = Player(), talk(16000)
    player.paced(media[:200000], late=stall(625, 200, 60))
    said = player.statistics
    assert balanced(said)
    for name in ("read_frames", "queued_frames", "dropped_frames", "removed_frames"):
        for planted in (1, -1):
            assert not balanced(replace(said, **{name: getattr(said, name) + planted}))
    for planted_log in (player.log[:500] + player.log[501:], player.log[:501] + player.log[500:]):
        rebuilt = reconstruct(planted_log, player.media, 16000)[: len(player.output)]
        assert not np.array_equal(rebuilt, player.output)


# ---- what is told


@pytest.mark.parametrize(
    ("blocks", "in_speech", "interruptions"), [(12, 1, 0), (22, 1, 1), (40, 1, 1)]
)
def test_a_stall_in_speech_is_told_as_one(blocks: int, in_speech: int, interruptions: int) -> None:
    player, media = Player(), speaking(16000, 20)
    player.paced(media[:96000], late=stall(300, 150, blocks))
    said = player.statistics
    assert (said.underruns, said.underruns_in_speech) == (1, in_speech)
    assert said.interruptions == interruptions
    assert (said.interrupted_seconds >= 0.15) is bool(interruptions)
    assert said.concealment_events == 1


def test_stalls_one_after_the_other_are_told_as_many() -> None:
    """The law knows what they were when the last is over."""
    player, media = Player(), speaking(16000, 8)
    late = stall(400, 200, 160)
    late[203:206] = 60 - 2 * np.arange(3, 6)  # A little comes amid the stall, and is heard.
    late[:203] = stall(400, 200, 60)[:203]
    player.paced(media, late=late)
    said = player.statistics
    assert [gap >= 500 for gap in player.gaps()] == [True, True]
    assert said.interruptions == said.underruns_in_speech == 2
    assert said.interrupted_seconds == pytest.approx(sum(player.gaps()) / 1000, abs=0.002)


def test_the_end_of_a_sentence_is_no_fault() -> None:
    player, media = Player(), speaking(16000, 20)
    for turn in range(3):
        player.paced(media[48000 * turn : 48000 * (turn + 1)])
        player.blocks(200)
    said = player.statistics
    assert said.underruns == 3
    assert said.underruns_in_speech == said.interruptions == said.silent_concealed_frames == 0


# ---- doors


def test_floats_are_the_same_sound() -> None:
    one, other, media = Player(), Player(), talk(16000)[:32000]
    for player in (one, other):
        player.write(media)
    floats = np.zeros(16000, np.float32)
    other.engine.read_into(floats)
    assert np.array_equal(one.read(16000) / np.float32(32768), floats)


@pytest.mark.parametrize("chunk", [160, 512, 7])
def test_lossless_is_what_the_queue_itself_gives(chunk: int) -> None:
    media = talk(16000)
    queues = [JitterBuffer(1 << 20, prefill=960, fade=80) for _ in range(2)]
    engine = PlayoutEngine(queues[0], policy="lossless")
    for at in range(0, 16000, chunk):
        if at // chunk % 3:
            for queue in queues:
                queue.write(media[at : at + chunk])
        if at // chunk % 50 == 49:
            for queue in queues:
                queue.flush()
        outs = np.ones((2, chunk), np.int16)
        engine.read_into(outs[0])
        queues[1].read_into(outs[1])
        assert np.array_equal(*outs)
        assert balanced(engine.statistics())
    assert engine.statistics().underruns == queues[1].statistics().underruns


def test_a_queue_has_one_engine() -> None:
    queue = JitterBuffer(1000)
    engine = PlayoutEngine(queue)
    with pytest.raises(RuntimeError, match="held by a PlayoutEngine"):
        PlayoutEngine(queue)
    with pytest.raises(RuntimeError, match="held by a PlayoutEngine"):
        queue.read_into(np.zeros(1, np.int16))
    del engine
    PlayoutEngine(queue)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"policy": "browser"}, ValueError, "policy must be one of adaptive, lossless"),
        ({"samplerate": 22050}, ValueError, "samplerate must be a multiple of 100 Hz"),
        ({"samplerate": 96000}, ValueError, "samplerate must be between 8000 and 48000 Hz"),
        ({"output_samplerate": 100}, ValueError, "samplerate_out must be between"),
        ({"log_pieces": -1}, ValueError, "log_pieces must be between 0"),
        ({"samplerate": "fast"}, TypeError, "samplerate must be a whole number of Hz"),
    ],
)
def test_what_it_cannot_be_is_refused_and_the_queue_stays_free(
    arguments: dict[str, object], error: type[Exception], match: str
) -> None:
    queue = JitterBuffer(1000)
    with pytest.raises(error, match=match):
        PlayoutEngine(queue, **arguments)  # type: ignore[arg-type]
    PlayoutEngine(queue)


def test_a_log_that_is_not_kept_or_too_short_is_told() -> None:
    with pytest.raises(RuntimeError, match="keeps no log: give log_pieces"):
        PlayoutEngine(JitterBuffer(1000)).read_log()
    engine = PlayoutEngine(JitterBuffer(10000), log_pieces=2)
    engine.read_into(np.zeros(160 * 5, np.int16))
    with pytest.raises(RuntimeError, match="3 pieces are missing"):
        engine.read_log()
