"""The time line as SVG: both sides' sound, what was queued, how long it waited, and what happened, row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sfclient._errors import UsageError
from sfclient.report._marks import pins, responses, speech, trouble
from sfclient.report._markup import Markup, join, short, tag
from sfclient.report._record import Fields
from sfclient.report._row import (
    AGENT,
    CALLER,
    CLOCK,
    GUTTER,
    HEIGHT,
    LANE,
    LETTER,
    QUEUE,
    QUEUE_LANE,
    RIGHT,
    Row,
    label,
    path,
    rect,
)
from sfclient.report._scale import COLUMNS, Scale, clock
from sfclient.report._sound import Envelope, Sound, Values
from sfclient.report._story import Story

LEAST_PEAK = 0.05  # fills a lane: a call in which nobody speaks does not look loud
SHORTEST_STEP_SECONDS = 0.001  # of a line
MOST_POINTS = 500  # of a line, in a row
QUEUE_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True)
class Line:
    """A value at every step of the time line; NaN where there is none."""

    begins_at: float
    step: float
    values: Sequence[float]


def draw(record: Fields, sound: Sound | None, story: Story, scale: Scale) -> Markup:
    """All rows, each a picture by itself."""
    queued = _line(record, "timeline.queued_seconds")
    delay = _line(record, "timeline.delay_seconds")
    values = [value for line in (queued, delay) for value in line.values if not math.isnan(value)]
    top = max(values, default=0.0)
    queue_top = next((step for step in QUEUE_STEPS if step >= top), math.ceil(top))
    rows = (Row(scale, index) for index in range(scale.rows))
    return join(_draw_row(row, sound, story, queued, delay, queue_top) for row in rows)


def _line(record: Fields, name: str) -> Line:
    step = record.seconds("timeline.step_seconds")
    if step is not None and step < SHORTEST_STEP_SECONDS:
        raise UsageError(f"the record: timeline.step_seconds is {step:g}, less than a millisecond")
    begins_at = record.time("timeline.begins_at") or 0.0
    return Line(begins_at, step or 1.0, record.series(name))


def _draw_row(
    row: Row, sound: Sound | None, story: Story, queued: Line, delay: Line, queue_top: float
) -> Markup:
    title = f"From {clock(row.began, 1)} to {clock(row.ended, 1)}"
    has_queue = bool(queued.values or delay.values)
    parts = [
        tag("title", title),
        _ground(row, has_queue, queue_top),
        *(speech(part) for part in row.part(story.of("caller", "agent"))),
        *_waves(row, sound),
        *_queue(row, queued, delay, queue_top),
        *(
            trouble(part)
            for part in row.part(story.of("late", "stalled", "silent", "lost", "gated"))
        ),
        *responses(row, story.of("response")),
        *pins(row, story.events),
    ]
    box = f"0 0 {GUTTER + COLUMNS + RIGHT} {HEIGHT}"
    return tag("div", tag("svg", *parts, viewBox=box, role="img", aria_label=title), class_="row")


def _ground(row: Row, has_queue: bool, queue_top: float) -> Markup:
    """Names, lanes and the clock."""
    right = row.x(row.ended)
    parts = []
    for name, top in (("Caller", CALLER), ("Agent", AGENT)):
        parts.append(tag("text", name, x=0, y=top + LANE / 2 + 4, class_=f"name {name.lower()}"))
        parts.append(rect("lane", GUTTER, top, right - GUTTER, LANE))
        parts.append(path("middle", f"M{GUTTER} {short(top + LANE / 2)}H{short(right)}"))
    if has_queue:
        parts.append(tag("text", "Queue", x=0, y=QUEUE + QUEUE_LANE / 2 + 4, class_="name"))
        parts.append(rect("lane", GUTTER, QUEUE, right - GUTTER, QUEUE_LANE))
        parts.append(label(f"{queue_top:g} s", GUTTER - 5, QUEUE + 9, "end"))
        parts.append(label("0", GUTTER - 5, QUEUE + QUEUE_LANE, "end"))
    step = row.scale.tick_seconds
    digits = 0 if step >= 1 else 1
    for number in range(math.ceil(row.began / step - 1e-9), math.floor(row.ended / step) + 1):
        x = row.x(number * step)
        parts.append(path("tick", f"M{short(x)} {CALLER}V{CLOCK}"))
        if x < GUTTER + COLUMNS - LETTER * 3:  # where the next row begins it has room
            parts.append(label(clock(number * step, digits), x, CLOCK + 14))
    return join(parts)


def _waves(row: Row, sound: Sound | None) -> list[Markup]:
    if sound is None:
        return [label("no recording", GUTTER + 8, CALLER + 16, "start")]
    peak = max(LEAST_PEAK, sound.peak)
    return [
        _wave(row, sound.caller, CALLER, "caller", peak),
        _wave(row, sound.agent, AGENT, "agent", peak),
    ]


def _wave(row: Row, side: Envelope, top: int, name: str, peak: float) -> Markup:
    """The samples of each column from the lowest to the highest, and around the middle their RMS."""
    middle, scale = top + LANE / 2, (LANE / 2 - 2) / peak
    ahead = side.first_column - row.index * COLUMNS
    begin, end = max(0, -ahead), min(len(side.rms), COLUMNS - ahead)
    left = GUTTER + ahead + begin

    def area(upper: Values, lower: Values) -> str:
        """Not thinner than half a pixel, so that silence is a line."""
        if end <= begin:
            return ""
        ups = [middle - max(0.25, value * scale) for value in upper[begin:end].tolist()]
        downs = [middle + max(0.25, value * scale) for value in lower[begin:end].tolist()]
        there = "".join(f"V{short(y)}h1" for y in ups)
        back = "".join(f"V{short(y)}h-1" for y in reversed(downs))
        return f"M{left} {short(middle)}{there}{back}Z"

    return join(
        (
            path(f"wave {name}", area(side.highest, -side.lowest)),
            path(f"rms {name}", area(side.rms, side.rms)),
        )
    )


def _queue(row: Row, queued: Line, delay: Line, top: float) -> list[Markup]:
    bottom = QUEUE + QUEUE_LANE

    def points(line: Line) -> list[tuple[float, float]]:
        """The highest of some, where there are too many to be drawn."""
        begin = max(0, math.ceil((row.began - line.begins_at) / line.step))
        end = min(len(line.values), math.floor((row.ended - line.begins_at) / line.step) + 1)
        many = max(1, math.ceil((end - begin) / MOST_POINTS))
        found = []
        for index in range(begin, end, many):
            values = [value for value in line.values[index : min(end, index + many)] if value >= 0]
            y = bottom - (QUEUE_LANE - 2) * max(values) / (top or 1) if values else math.nan
            found.append((row.x(line.begins_at + index * line.step), y))
        return found

    areas, lines = [], []
    for stretch in _stretches(points(queued)):
        there = "".join(f"L{short(x)} {short(y)}" for x, y in stretch)
        areas.append(f"M{short(stretch[0][0])} {bottom}{there}L{short(stretch[-1][0])} {bottom}Z")
    for stretch in _stretches(points(delay)):
        lines.append("M" + "L".join(f"{short(x)} {short(y)}" for x, y in stretch))
    return [path("queued", "".join(areas)), path("delay", "".join(lines))]


def _stretches(points: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Those between points that have no value."""
    found: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isnan(point[1]):
            found.append([])
        else:
            found[-1].append(point)
    return [stretch for stretch in found if stretch]
