"""What waited to be heard, moment by moment, for who looks at a call afterwards."""

from sfclient._devices import Line
from sfclient._network import Network

STEP_SECONDS = 0.1
# An hour of them. Of a longer call two steps become one, again and again, so that no call holds more.
MOST_STEPS = 36_000


class Timeline:
    """Queue and delay of the agent's speech in equal steps, as the network finds them.

    An observer that comes behind it: see `sfclient._watch.Observer`.
    """

    def __init__(self, network: Network, playing: Line) -> None:
        self._network = network
        self._playing = playing
        self.step_seconds = STEP_SECONDS
        self.begins_at = 0.0
        """The middle of the first step, in seconds since `open_call` was entered."""
        self.queued_seconds: list[float] = []
        """That had come and were not heard yet."""
        self.delay_seconds: list[float | None] = []
        """From when what is heard came until it is heard; None where nothing of the agent is."""

    def look(self, now: float) -> None:
        """Once in a step at least."""
        queued, delay = self._network.queued_seconds, self._network.delay_seconds
        if delay is not None:
            delay += self._playing.output_latency
        if not self.queued_seconds:
            self.begins_at = now
        while (at := round((now - self.begins_at) / self.step_seconds)) >= MOST_STEPS:
            self._halve()
        # Nobody looked in the steps between, in a program kept from running: as it is found, it has been.
        missing = at + 1 - len(self.queued_seconds)
        self.queued_seconds += [queued] * missing
        self.delay_seconds += [delay] * missing

    def close(self) -> None:
        """The call is over: what it was made of is not kept along."""
        del self._network, self._playing

    def _halve(self) -> None:
        """Of two steps the greater counts."""
        self.begins_at += self.step_seconds / 2
        self.step_seconds *= 2
        if len(self.queued_seconds) % 2:
            self.queued_seconds.append(self.queued_seconds[-1])
            self.delay_seconds.append(self.delay_seconds[-1])
        queued, delay = iter(self.queued_seconds), iter(self.delay_seconds)
        self.queued_seconds = [max(pair) for pair in zip(queued, queued, strict=True)]
        self.delay_seconds = [_greater(*pair) for pair in zip(delay, delay, strict=True)]


def _greater(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)
