"""The report of a call as one page that needs nothing else: no script, no network, and no secret is in it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files

from sfclient.report._chart import draw
from sfclient.report._figures import GROUPS, TIMES, shown, told
from sfclient.report._findings import find, how_it_ended
from sfclient.report._markup import Markup, join, tag
from sfclient.report._record import Fields
from sfclient.report._scale import Scale, clock, scale_of
from sfclient.report._sound import Sound
from sfclient.report._story import Story, read_story

# Whatever a text on the page says, a browser loads and runs nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
NONE = "\N{EN DASH}"
MOST_DEVICES = 20  # and streams of each: one that is lost again and again has many
MOST_EVENTS = 500  # in the table; of more, the first and the last half

LEGEND = (
    ("key caller", "the caller, and when they spoke"),
    ("key agent", "the agent, as it was heard"),
    ("key response", "response time"),
    ("key queued", "speech that is queued"),
    ("key delay", "how long what is heard had waited since it came"),
    ("key trouble", "what went wrong"),
)


def make_page(record: Fields, sound: Sound | None) -> str:
    """The whole HTML. Raises `UsageError` for a record that cannot be."""
    scale = sound.scale if sound else scale_of(record)
    story = read_story(record, scale)
    agent = record.text("agent_id")
    title = f"Call with {agent}" if agent else "Call"
    body = (
        _header(record, title),
        _cards(record),
        _noticed(find(record, story)),
        _time_line(record, sound, story, scale),
        _responses(story),
        _events(story),
        _figures(record),
        _machine(record),
        tag(
            "footer", "Made by sfclient. This page loads nothing, runs nothing, and holds no keys."
        ),
    )
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", _style()),
    )
    page = tag("html", tag("head", *head), tag("body", tag("main", *body)), lang="en")
    return f"<!doctype html>\n{page}\n"


@cache
def _style() -> Markup:
    return Markup((files("sfclient") / "_assets" / "report.css").read_text(encoding="utf-8"))


def _header(record: Fields, title: str) -> Markup:
    facts = [_began(record), record.text("dialect")]
    if (attempt := record.number("attempt") or 1) > 1:
        facts.append(f"attempt {attempt:.0f}")
    if call_id := record.text("call_id"):
        facts.append(f"call {call_id}")
    return tag(
        "header",
        tag("h1", title),
        tag("p", " · ".join(filter(None, facts)), class_="soft"),
        tag("p", how_it_ended(record), class_="ended"),
    )


def _began(record: Fields) -> str:
    told, dialled = record.text("times.began"), record.seconds("times.dialled") or 0.0
    try:
        began = datetime.fromisoformat(told).astimezone(UTC) + timedelta(seconds=dialled)
        return f"{began:%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return told


def _cards(record: Fields) -> Markup:
    """What is asked first, at a glance."""

    def figure(name: str, unit: str) -> str:
        value = record.number(name)
        return NONE if value is None else shown(value, unit)

    ready, ended = record.time("times.ready"), record.time("times.ended")
    lasted = NONE if ready is None or ended is None else clock(max(0.0, ended - ready), 1)
    slow = figure("conversation.response_p95", "s")
    shares = (
        f"{figure('conversation.caller_share', '%')} / {figure('conversation.agent_share', '%')}"
    )
    broken = [record.number(f"conversation.interruptions_by_{who}") for who in ("caller", "agent")]
    interruptions = NONE if None in broken else " / ".join(f"{number:.0f}" for number in broken)
    cards = (
        ("Talked for", lasted, "from sound to the end"),
        (
            "Response time",
            figure("conversation.response_p50", "s"),
            f"median; 95 %: {slow}",
        ),
        ("Talk shares", shares, "caller / agent"),
        ("Interruptions", interruptions, "by caller / by agent"),
        ("Delay", _mean_delay(record), "from when speech came until it was heard, mean"),
        (
            "Late",
            figure("network.late", "times"),
            f"longest gap {figure('network.longest_gap_seconds', 's')}",
        ),
    )
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value), tag("dd", what, class_="soft"))
            for name, value, what in cards
        ),
        class_="cards",
    )


def _mean_delay(record: Fields) -> str:
    delays = [seconds for seconds in record.series("timeline.delay_seconds") if seconds >= 0]
    return f"{1000 * sum(delays) / len(delays):.0f} ms" if delays else NONE


def _noticed(found: list[str]) -> Markup:
    if not found:
        return tag("p", "Nothing went wrong in this call, as far as it can tell.", class_="well")
    return tag(
        "section",
        tag("h2", "What went wrong"),
        tag("ul", *(tag("li", text) for text in found)),
        class_="noticed",
    )


def _time_line(record: Fields, sound: Sound | None, story: Story, scale: Scale) -> Markup:
    """Of a call in which something was to be seen."""
    if sound is None and not story.spans and record.inside("timeline") is None:
        return join(())
    legend = (tag("span", tag("i", class_=kind), text) for kind, text in LEGEND)
    picture = draw(record, sound, story, scale)
    return tag(
        "section",
        tag("h2", "Time line"),
        tag("p", *legend, class_="legend"),
        tag("figure", picture, tabindex="0", aria_label="Time line"),
        tag("p", "Numbers in circles are those of the events below.", class_="soft"),
    )


def _responses(story: Story) -> Markup:
    spans = story.of("response")
    if not spans:
        return join(())
    longest = max(span.seconds for span in spans) or 1.0
    rows = (
        (
            f"{number}",
            clock(span.began),
            clock(span.ended),
            tag(
                "span",
                f"{span.seconds:.2f} s",
                class_="bar",
                style=f"--part: {span.seconds / longest:.3f}",
            ),
        )
        for number, span in enumerate(spans[:MOST_EVENTS], 1)
    )
    table = _table(
        ("Turn", "The caller had spoken", "The answer was heard", "Response time"),
        rows,
        "responses",
    )
    return join((tag("h2", "Response times"), table))


def _events(story: Story) -> Markup:
    events = story.events
    left_out = len(events) - MOST_EVENTS
    if left_out > 0:
        events = events[: MOST_EVENTS // 2] + events[-MOST_EVENTS // 2 :]
    rows = ((f"{event.number}", clock(event.at), event.text) for event in events)
    parts = [tag("h2", "Events"), _table(("No.", "Time", "What happened"), rows, "events")]
    if left_out > 0:
        parts.append(tag("p", f"{left_out} more between them are in the record.", class_="soft"))
    return join(parts)


def _figures(record: Fields) -> Markup:
    parts = [tag("h2", "Figures")]
    groups = [("Times", told(record, "times", TIMES))]
    groups += [(title, told(record, name, figures)) for name, (title, figures) in GROUPS.items()]
    for title, rows in groups:
        if rows:
            parts.append(tag("h3", title))
            parts.append(_table(("Figure", "Value", "What it says"), rows, "figures"))
    return join(parts)


def _machine(record: Fields) -> Markup:
    groups = [("Versions", record.inside("versions"))]
    for number, device in enumerate(record.objects("devices")[:MOST_DEVICES], 1):
        groups.append((f"Device {number}", device))
        groups += [
            (f"Device {number}, stream {count}", stream)
            for count, stream in enumerate(device.objects("streams")[:MOST_DEVICES], 1)
        ]
    parts = [tag("h2", "Machine")]
    for title, fields in groups:
        if fields and (items := fields.items()):
            rows = ((name.replace("_", " "), value) for name, value in items)
            parts += [tag("h3", title), _table(("What", "Value"), rows, "facts")]
    return join(parts if len(parts) > 1 else ())


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]], kind: str) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in heads))
    body = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    table = tag("table", tag("thead", head), tag("tbody", *body), class_=kind)
    return tag("div", table, class_="wide")
