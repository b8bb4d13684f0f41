"""The sound hardware of pages that need some, and Ctrl-C."""

import signal
from collections.abc import Iterator

import pytest

from ..portaudio.conftest import jack as jack


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """It is heard by what is started here, also where the shell has it ignored: in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
