"""The page of a call: all of it is there, where it was, and nothing that a text says becomes more than text."""

import copy
import math
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from sfclient import UsageError
from sfclient.report._markup import tag
from sfclient.report._page import MOST_EVENTS, make_page
from sfclient.report._record import checked
from sfclient.report._scale import MOST_ROWS, clock, scale_of
from sfclient.report._sound import Envelope, Sound

from .made import LATE, LATE_SECONDS, STALL_SECONDS, STALLED, made_record
from .pages import Element, parse

BLOCK_SECONDS = 0.01
GUTTER, COLUMNS = 62, 1000

Path = tuple[str | int, ...]


def page_of(record: dict[str, Any], sound: Sound | None = None) -> str:
    return make_page(checked(record, "the record"), sound)


def rows_of(record: dict[str, Any]) -> list[Element]:
    return parse(page_of(record)).all("svg")


def bands(record: dict[str, Any], kind: str) -> list[tuple[float, float]]:
    """From when to when each is drawn, in seconds of the call; those that go over rows put together."""
    scale = scale_of(checked(record, "the record"))
    found: list[tuple[float, float]] = []
    for index, row in enumerate(rows_of(record)):
        for band in row.all("g", "trouble", kind):
            rect = band.one("rect", "band")
            left = rect.number("x") - GUTTER
            began, ended = (
                index * scale.row_seconds + x * scale.row_seconds / COLUMNS
                for x in (left, left + rect.number("width"))
            )
            if found and abs(found[-1][1] - began) < BLOCK_SECONDS:
                began = found.pop()[0]
            found.append((began, ended))
    return found


@pytest.mark.parametrize("turns", [4, 12])
def test_a_stall_is_drawn_where_it_was_to_within_a_block(turns: int) -> None:
    record = made_record(turns)
    ((began, ended),) = bands(record, "stalled")
    assert began == pytest.approx(STALLED, abs=BLOCK_SECONDS)
    assert ended == pytest.approx(STALLED + STALL_SECONDS, abs=BLOCK_SECONDS)
    ((began, ended),) = bands(record, "late")
    assert began == pytest.approx(LATE, abs=BLOCK_SECONDS)
    assert ended == pytest.approx(LATE + LATE_SECONDS, abs=BLOCK_SECONDS)


def test_a_stall_that_goes_over_the_end_of_a_row_is_drawn_in_both() -> None:
    record = made_record(8)
    edge = scale_of(checked(record, "the record")).row_seconds
    told = [event for event in record["events"] if event["kind"] == "SpeechLate"]
    told[0]["at"], told[0]["seconds"] = edge - 0.5, 1.5
    ((began, ended),) = bands(record, "late")
    assert (began, ended) == (
        pytest.approx(edge - 0.5, abs=BLOCK_SECONDS),
        pytest.approx(edge + 1.0, abs=BLOCK_SECONDS),
    )


def test_what_did_not_end_lasts_until_the_call_did() -> None:
    record = made_record()
    record["events"] = [e for e in record["events"] if e["kind"] != "NetworkReturned"]
    ((_, ended),) = bands(record, "stalled")
    assert ended == pytest.approx(record["times"]["ended"], abs=BLOCK_SECONDS)


def test_response_times_are_in_the_table_and_between_the_sides() -> None:
    record = made_record()
    page = parse(page_of(record))
    rows = page.one("table", "responses").one("tbody").all("tr")
    answered = [event for event in record["events"] if event["kind"] == "Responded"]
    assert [row.words for row in rows] == [
        f"{n} {clock(e['at'] - e['seconds'])} {clock(e['at'])} {e['seconds']:.2f} s"
        for n, e in enumerate(answered, 1)
    ]
    brackets = page.all("g", "response")
    assert [bracket.one("text").text for bracket in brackets] == [
        f"{event['seconds']:.2f} s" for event in answered
    ]


def test_every_event_is_in_the_table_by_the_number_that_the_time_line_has() -> None:
    record = made_record()
    page = parse(page_of(record))
    rows = page.one("table", "events").one("tbody").all("tr")
    assert [row.words for row in rows] == [
        f"{n} {clock(e['at'])} {e['text']}" for n, e in enumerate(record["events"], 1)
    ]
    pins = {pin.one("text").text for pin in page.all("g", "pin")}
    numbers = {f"{n}" for n, e in enumerate(record["events"], 1) if e["kind"].startswith("Network")}
    assert numbers <= pins


def test_what_went_wrong_is_told_first_and_nothing_if_nothing_did() -> None:
    told = parse(page_of(made_record())).one("section", "noticed").words
    for part in (
        "stood still for 1.62 s, at 0:09.40",
        "zeros for 2.60 s",
        "pavucontrol",
        "beside him for 1.50 s",
    ):
        assert part in told
    quiet = made_record(2)
    quiet["playout"]["interruptions"] = 0
    page = parse(page_of(quiet))
    assert page.all("section", "noticed") == []
    assert page.one("p", "well")
    quiet["times"]["first_agent_sound"] = None
    assert "never heard" in parse(page_of(quiet)).one("section", "noticed").words


def test_versions_and_devices_are_told() -> None:
    record = made_record()
    versions, device, stream = parse(page_of(record)).all("table", "facts")
    rows = [row.words for row in versions.one("tbody").all("tr")]
    assert rows == [
        f"{name.replace('_', ' ')} {value}" for name, value in record["versions"].items()
    ]
    assert "output latency 0.0213" in device.words
    assert "callbacks 3700" in stream.words


def test_the_page_of_a_call_that_never_began_says_why() -> None:
    ended = {"by": "network", "code": 503, "reason": "cannot reach example.org", "audio": "drained"}
    page = parse(page_of({"format": 1, "ended": ended, "times": {"ended": 0.2}}))
    assert "Ended by the network (503): cannot reach example.org." in page.words
    assert "did not end in order" in page.one("section", "noticed").words
    assert "had not ended" in parse(page_of({"format": 1})).words


@pytest.mark.parametrize(
    ("by", "code", "is_in_order"),
    [
        *(("caller", 1000, True), ("caller", None, True), ("caller", 401, False)),
        *(("agent", 1000, True), ("agent", 4001, True), ("agent", 1011, False)),
        *(("agent", None, False), ("network", 1006, False), ("device", None, False)),
    ],
)
def test_a_call_that_did_not_end_in_order_did_not_go_well(
    by: str, code: int | None, is_in_order: bool
) -> None:
    record = {"format": 1, "ended": {"by": by, "code": code, "reason": "", "audio": "drained"}}
    assert ("did not end in order" not in page_of(record)) == is_in_order


def test_the_page_loads_and_runs_nothing() -> None:
    page = page_of(made_record())
    root = parse(page)
    assert root.all("script") == root.all("link") == root.all("img") == root.all("a") == []
    assert not re.search(r"(?i)url\(|@import|https?:|javascript:| on\w+=| src=| href=", page)
    policies = [meta.attributes for meta in root.all("meta") if "http-equiv" in meta.attributes]
    assert [policy["content"] for policy in policies] == [
        "default-src 'none'; style-src 'unsafe-inline'"
    ]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in it that is no object and no list."""
    if isinstance(value, dict | list):
        for key, inside in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inside, (*path, key))
    else:
        yield path, value


def put(record: dict[str, Any], path: Path, value: Any) -> None:
    place: Any = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


WORDS = {"kind", "speaker", "direction", "format", "by", "audio", "began"}  # that mean something


@pytest.mark.parametrize(
    "hostile",
    [
        "</style></title><script>alert(1)</script>",
        "\" onload='alert(1)' x=\"<!--",
        "&lt;b&gt;<![CDATA[<b>]]>",
        "\0\x1b[2J\u202e\ud800 \u2028<b>",
    ],
)
def test_a_text_stays_text(hostile: str) -> None:
    record = made_record()
    texts = [
        path for path, value in leaves(record) if isinstance(value, str) and path[-1] not in WORDS
    ]
    pages = []
    for word in ("harmless", hostile):
        for path in texts:
            put(record, path, word)
        # A name that nobody knows is shown as well.
        record["versions"] = {word: word, "sfaudio": word}
        pages.append(page_of(record))
    harmless, page = (parse(page) for page in pages)
    assert page.shape() == harmless.shape()
    pages[1].encode("utf-8")
    assert not set(pages[1]) & set("\0\x1b\u202e\u2028")
    if hostile.isprintable():
        assert page.one("h1").text == f"Call with {hostile}"


def test_an_attribute_stays_an_attribute() -> None:
    assert tag("p", title='"><b>', class_="x") == '<p title="&quot;&gt;&lt;b&gt;" class="x"></p>'


def test_a_text_of_any_length_is_cut() -> None:
    record = made_record()
    record["agent_id"] = record["ended"]["reason"] = "x" * 1_000_000
    assert len(page_of(record)) < 200_000


WRONG: list[Callable[[], Any]] = [
    lambda: None,
    lambda: "x",
    lambda: True,
    lambda: -1,
    lambda: 1e308,
    lambda: math.nan,
    lambda: math.inf,
    lambda: 10**400,
    list,
    dict,
    lambda: [[]],
    lambda: [{}],
]


def test_whatever_is_in_a_record_there_is_a_page_or_an_error_of_its_user() -> None:
    record = made_record(3)
    for series in ("queued_seconds", "delay_seconds"):
        del record["timeline"][series][3:]
    places = [path for path, _ in leaves(record)]
    places += [path[:-1] for path in places if len(path) > 1]
    chance = random.Random(1)
    refused = 0
    for path in chance.sample(places, 60):
        changed = copy.deepcopy(record)
        put(changed, path, chance.choice(WRONG)())
        try:
            parse(page_of(changed))
        except UsageError:
            refused += 1
    assert 10 < refused < 55


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ([], r"should be an object"),
        ({}, "no record of a call"),
        ({"format": 0}, "no record of a call"),
        ({"format": 1, "times": 3}, "times is 3|is 3, and should be an object"),
        ({"format": 1, "times": {"ended": True}}, "ended is True, and should be a number"),
        ({"format": 1, "times": {"ended": -1}}, "ended is -1.0, and should be seconds"),
        ({"format": 1, "times": {"ended": 1e8}}, "ended is 100000000.0, and should be seconds"),
        ({"format": 1, "events": [{"at": "now"}]}, r"events\[0\]: at is 'now'"),
        ({"format": 1, "timeline": {"step_seconds": 0, "queued_seconds": [1]}}, "step_seconds"),
        ({"format": 1, "timeline": {"queued_seconds": [1, "2"]}}, "queued_seconds is '2'"),
    ],
)
def test_what_is_wrong_in_a_record_is_named(record: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        page_of(record)


def test_the_page_of_an_hour_is_no_longer_than_some() -> None:
    record = made_record(400)
    scale = scale_of(checked(record, "the record"))
    columns = scale.rows * COLUMNS
    chance = np.random.default_rng(1)
    side = Envelope(0, *(chance.random(columns) * sign for sign in (-1, 1, 1)))
    page = page_of(record, Sound(scale, side, side))
    assert scale.rows == MOST_ROWS
    assert len(page.encode()) < 2_000_000
    table = page.partition('<table class="events">')[2].partition("</table>")[0]
    assert table.count("<tr>") == MOST_EVENTS + 1
    assert f"{len(record['events']) - MOST_EVENTS} more" in page


def test_what_cannot_be_told_apart_is_drawn_once() -> None:
    late = [{"at": n / 1000, "kind": "SpeechLate", "seconds": 0.0005} for n in range(3_000)]
    drawn = parse(page_of({"format": 1, "events": late})).all("g", "trouble")
    assert 500 < len(drawn) <= COLUMNS


def test_every_picture_has_a_name_and_every_column_a_head() -> None:
    root = parse(page_of(made_record(8)))
    for row in root.all("svg"):
        assert row.attributes["role"] == "img"
        assert row.attributes["aria-label"] == row.inside[0].text
    for table in root.all("table"):
        assert {head.attributes["scope"] for head in table.all("th")} == {"col"}
    assert root.attributes["lang"] == "en"
