"""RTP packets as they come and as they go: headers of every shape, numbers that jump, repeat and wrap."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfclient._dialects._rtp import MAX_DROPOUT, Counts, Packet, Receiver, Sender, parse


def packet(
    sequence: int = 1,
    timestamp: int = 0,
    payload: bytes = b"ab",
    *,
    version: int = 2,
    csrcs: int = 0,
    extension: bytes | None = None,
    padding: int = 0,
    marker: bool = False,
    ssrc: int = 7,
) -> bytes:
    first = version << 6 | bool(padding) << 5 | (extension is not None) << 4 | csrcs
    header = struct.pack("!BBHII", first, marker << 7 | 96, sequence & 0xFFFF, timestamp, ssrc)
    header += bytes(4 * csrcs)
    if extension is not None:
        header += struct.pack("!HH", 0xBEDE, len(extension) // 4) + extension
    return header + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


class TestParse:
    @given(
        sequence=st.integers(0, 65_535),
        payload=st.binary(max_size=50),
        csrcs=st.integers(0, 15),
        extension=st.none() | st.integers(0, 3).map(lambda words: bytes(range(4 * words))),
        padding=st.integers(0, 255),
        marker=st.booleans(),
    )
    def test_payload_is_what_is_left_of_any_header(self, sequence, payload, **header):
        assert parse(packet(sequence, 90, payload, **header)) == Packet(
            96, sequence, 90, 7, payload
        )

    @pytest.mark.parametrize("version", [0, 1, 3])
    def test_another_version_is_no_rtp(self, version):
        assert parse(packet(version=version)) is None

    @pytest.mark.parametrize(
        "message",
        [
            b"",
            packet()[:11],
            packet(csrcs=3, payload=b"")[:-1],
            packet(extension=bytes(8), payload=b"")[:-1],
            packet(extension=b"", payload=b"")[:-1],
            packet(padding=4, payload=b"")[:-1] + b"\x05",
            packet(padding=4)[:-1] + b"\x00",
            packet(padding=1, payload=b"")[:-1] + b"\xff",
        ],
    )
    def test_header_that_does_not_fit_is_no_rtp(self, message):
        assert parse(message) is None

    @given(st.binary(max_size=80))
    def test_nothing_makes_it_fail(self, message):
        parse(message)


def counted(*packets: bytes) -> tuple[bytes, Counts]:
    receiver = Receiver(bytes_a_frame=2, payload_types=range(96, 128))
    return b"".join(map(receiver.receive, packets)), receiver.counts


def speech(*sequences: int) -> list[bytes]:
    """One frame each, which says its number."""
    return [
        packet(number, number & 0xFFFFFFFF, struct.pack("!H", number & 0xFFFF))
        for number in sequences
    ]


class TestReceiver:
    def test_numbers_wrap(self):
        numbers = range(65_530, 65_545)
        payload, counts = counted(*speech(*numbers))
        assert payload == b"".join(struct.pack("!H", n & 0xFFFF) for n in numbers)
        assert counts == Counts(packets=15)

    def test_timestamps_wrap(self):
        _, counts = counted(packet(1, 0xFFFFFFFF), packet(2, 0))
        assert counts == Counts(packets=2)

    def test_what_is_missing_is_counted_and_not_made_up_for(self):
        payload, counts = counted(*speech(1, 2, 5, 6))
        assert payload == bytes([0, 1, 0, 2, 0, 5, 0, 6])
        assert counts == Counts(packets=4, lost=2, timestamp_gaps=1)

    def test_what_comes_twice_is_played_once(self):
        payload, counts = counted(*speech(1, 2, 2, 1, 3))
        assert payload == bytes([0, 1, 0, 2, 0, 3])
        assert counts == Counts(packets=3, duplicate=2)

    def test_what_comes_late_is_not_played_and_not_lost(self):
        payload, counts = counted(*speech(1, 3, 2, 2, 4))
        assert payload == bytes([0, 1, 0, 3, 0, 4])
        assert counts == Counts(packets=3, late=1, duplicate=1, timestamp_gaps=1)

    def test_silence_that_was_not_sent_is_a_timestamp_gap(self):
        _, counts = counted(packet(1, 0), packet(2, 320))
        assert counts == Counts(packets=2, timestamp_gaps=1)

    def test_another_source_loses_nothing(self):
        payload, counts = counted(*speech(1, 2), packet(2, 5, ssrc=8))
        assert payload.endswith(b"ab")
        assert counts == Counts(packets=3)

    @pytest.mark.parametrize("jump", [3000, 20_000, 65_436 - 3])
    def test_source_that_begins_anew_is_believed_when_it_goes_on(self, jump):
        payload, counts = counted(*speech(1, 2, 3 + jump, 4 + jump, 5 + jump))
        assert len(payload) == 2 * 4
        assert counts == Counts(packets=4, late=1)

    @pytest.mark.parametrize("stray", [3000, 20_000, 65_436 - 3])
    def test_stray_packet_changes_nothing(self, stray):
        payload, counts = counted(*speech(1, 2, 3 + stray, 3, 4))
        assert payload == bytes([0, 1, 0, 2, 0, 3, 0, 4])
        assert counts == Counts(packets=4, late=1)

    def test_other_payload_types_are_not_played_and_not_lost(self):
        comfort_noise = bytearray(packet(2, 1, b"xy"))
        comfort_noise[1] = 13
        event = bytearray(packet(3, 2, b"xy"))
        event[1] = 101
        payload, counts = counted(*speech(1), bytes(comfort_noise), bytes(event), *speech(4))
        assert payload == bytes([0, 1, 0, 4])
        assert counts == Counts(packets=2, foreign=2, timestamp_gaps=2)

    def test_each_packet_has_whole_samples(self):
        payload, counts = counted(packet(1, 0, b"abc"), packet(2, 1, b"de"))
        assert payload == b"abde"
        assert counts == Counts(packets=2)

    def test_largest_gap(self):
        _, counts = counted(*speech(1, 1 + MAX_DROPOUT))
        assert counts.lost == MAX_DROPOUT - 1

    def test_number_missed_in_the_last_round_is_not_late_in_this_one(self):
        receiver = Receiver(bytes_a_frame=2, payload_types=range(96, 128))
        for number in [1, 3, *range(4, 65_536 + 4), 65_536 + 2]:
            receiver.receive(speech(number)[0])
        assert receiver.counts == Counts(packets=65_538, lost=1, duplicate=1, timestamp_gaps=1)

    @given(st.lists(st.integers(0, 90), min_size=1), st.integers(0, 65_535))
    def test_every_packet_is_counted_once(self, numbers, start):
        payload, counts = counted(*speech(*(start + number for number in numbers)))
        assert len(payload) == 2 * counts.packets
        assert counts.packets + counts.late + counts.duplicate == len(numbers)
        came = {number for number in numbers if number > numbers[0]}
        never = set(range(numbers[0], max(numbers) + 1)) - came - {numbers[0]}
        assert counts.lost == len(never)


class TestSender:
    def test_packets_follow_one_another_from_anywhere(self):
        sender = Sender(payload_type=8)
        messages = [sender.packet(bytes(160), 160) for _ in range(70_000)]
        assert {len(message) for message in messages} == {172}
        assert [message[1] for message in messages[:3]] == [0x88, 8, 8]
        _, counts = counted_bytes_a_frame_1(messages)
        assert counts == Counts(packets=70_000)

    def test_two_sources_differ(self):
        assert Sender(0).packet(b"", 0) != Sender(0).packet(b"", 0)


def counted_bytes_a_frame_1(messages: list[bytes]) -> tuple[int, Counts]:
    receiver = Receiver(bytes_a_frame=1, payload_types=range(8, 9))
    return sum(len(receiver.receive(each)) for each in messages), receiver.counts
