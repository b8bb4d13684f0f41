"""A recorded network: when what is sent every 20 ms arrives."""

from dataclasses import dataclass, field

MESSAGE_SECONDS = 0.02  # between two lines of a trace: what a message of speech carries
LONGEST_DELAY = (
    3600.0  # seconds; what is later is no network but another clock, as that of the Unix epoch
)


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrival times of messages that are sent every 20 ms, over one direction of one connection.

    What is sent between two of them has the delay of the first, so a sender that is as steady as the trace's gets its
    very arrivals, whenever it begins within a message. What is sent after the last begins again at the first.
    Raises ValueError where `wrong_arrival` finds something, or nothing is there.
    """

    arrivals: tuple[float, ...] = field(repr=False)
    """Seconds from the connection's beginning; number k, from 0, was sent at 0.02 k."""

    def __post_init__(self) -> None:
        if not self.arrivals:
            raise ValueError("a trace has one arrival at the least")
        for number, arrival in enumerate(self.arrivals):
            if wrong := wrong_arrival(number, arrival, self.arrivals[max(0, number - 1)]):
                raise ValueError(f"arrival {number} of the trace {wrong}")

    def arrival(self, sent: float) -> float:
        """When it arrives; both in seconds from the connection's beginning."""
        number = int(sent / MESSAGE_SECONDS) % len(self.arrivals)
        return sent + self.arrivals[number] - number * MESSAGE_SECONDS


def wrong_arrival(number: int, arrival: float, before: float) -> str | None:
    """Why message `number` cannot arrive then, at `before` the last that was sent earlier; None if it can."""
    sent = number * MESSAGE_SECONDS
    if not abs(arrival) < float("inf"):
        return f"is {arrival}, which is no time"
    if arrival < 0:
        return f"is before the beginning: {1000 * arrival:g} ms"
    if arrival < before:
        return f"is before the one that was sent earlier: {1000 * arrival:g} ms after {1000 * before:g} ms"
    # Times in ms that were rounded to a tenth may be that much early.
    if arrival < sent - 0.0001:
        return (
            f"is {1000 * arrival:g} ms, and it was sent at {1000 * sent:g} ms: add the same to all"
        )
    if arrival - sent > LONGEST_DELAY:
        return f"is more than an hour after it was sent: {1000 * arrival:g} ms"
    return None
