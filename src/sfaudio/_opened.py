"""What PortAudio has open: each stream is closed once, and nothing that its callback needs goes before it."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sfaudio._callback import StreamCallback

CLOSE_SECONDS = 2.0  # for PortAudio to close a stream; it never does when the sound server has died
DEAD_SECONDS = 1.5  # without a callback, after which closing at exit is not tried

# What PortAudio has open, whatever becomes of the `Stream`: a callback may run until it is closed.
_opened: set[Opened] = set()

_portaudio = threading.Lock()


def is_any_closing() -> bool:
    """Whether PortAudio has not come back from closing a stream."""
    return any(opened.is_closing for opened in _opened.copy())


@contextmanager
def exclusively() -> Iterator[bool]:
    """While PortAudio opens a stream, or is initialised anew. Yields whether a stream is open."""
    with _portaudio:
        yield bool(_opened)


class Opened:
    """A stream as PortAudio has it, from when it is opened until it is closed.

    PortAudio frees a stream when it closes it, so no other call may be under way then.
    """

    def __init__(self, sounddevice: Any, stream: Any, callback: StreamCallback) -> None:
        self.sounddevice = sounddevice
        self._stream = stream
        self._callback = callback
        self._calling = threading.Lock()
        self._beginning = threading.Lock()
        self._closed = threading.Event()
        self._is_started = False
        self.is_closing = False
        _opened.add(self)
        # Behind sounddevice's own, so that it runs before that; once.
        atexit.unregister(_close_all)
        atexit.register(_close_all)

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def start(self) -> None:
        with self._calling:
            if self.is_closing or self.is_closed:
                raise RuntimeError("the stream is closed: open another one")
            self._stream.start()
            self._is_started = True

    def is_active(self) -> bool:
        with self._calling if not self.is_closing else nullcontext():
            return not self.is_closing and not self.is_closed and bool(self._stream.active)

    def close(self) -> bool:
        """Returns whether it is closed, after `CLOSE_SECONDS` at the latest."""
        with self._beginning:
            if not self.is_closing and not self.is_closed:
                self.is_closing = True
                try:
                    threading.Thread(target=self._close, name="close", daemon=True).start()
                except RuntimeError:  # the interpreter ends, and starts no more threads
                    self._close()
        return self._closed.wait(CLOSE_SECONDS)

    def close_at_exit(self) -> None:
        """When no more threads can be started: at once, or not at all if PortAudio would not come back."""
        idle = self._callback.idle_seconds or 0.0
        self._callback.detach()
        if not self.is_closing:
            is_alive = not self._is_started or (self.is_active() and idle < DEAD_SECONDS)
            self.is_closing = True
            if is_alive:
                self._close()

    def _close(self) -> None:
        self._callback.detach()  # so that others need not wait for PortAudio
        with self._calling:
            self._stream.close()
        self._callback.close()
        _opened.discard(self)
        self._closed.set()
        self.is_closing = False

    def disown(self) -> None:
        """In a forked child: the stream is the parent's, and no thread of this process calls back."""
        self._calling = threading.Lock()
        self._beginning = threading.Lock()
        self._closed = threading.Event()
        self._closed.set()
        self.is_closing = False
        self._callback.close()


def _close_all() -> None:
    """At exit. What PortAudio does not close is left to it."""
    for opened in _opened.copy():
        opened.close_at_exit()
    _leave_portaudio_alone()


def _disown_all() -> None:
    """In a forked child."""
    global _portaudio
    _portaudio = threading.Lock()
    for opened in _opened:
        opened.disown()
    _leave_portaudio_alone()
    _opened.clear()


def _leave_portaudio_alone() -> None:
    """If it has a stream open: sounddevice would end it at exit, and it would close the stream, or hang."""
    for opened in _opened:
        opened.sounddevice._initialized = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
