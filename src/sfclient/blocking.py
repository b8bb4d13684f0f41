"""The client for programs without a loop, such as scripts and the threads of pools: a call as `sfclient.open_call`
holds it, in a trio of its own.

::

    with open_call(session) as call:
        for event in call:
            print(event)

- `open_call`, `Call`: a call, as a context manager; `Tap`: what both sides say
- `request_session`, `request_result`: from a key to a session, and to the record of a call; `Session`: with a plain
  function as its `start_call`

The names, parameters, events and errors are those of `sfclient`, from where all else is taken too. The calls of a
process share one thread, which lasts as long as they do. All methods may be called from any thread, also while another
one waits in one. Ctrl-C ends every wait.
"""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import trio

import sfclient._session as of_trio
from sfclient._devices import Device
from sfclient._dialects import StartedCall
from sfclient._door import HeldCall, PlainCall, for_trio, like, raise_as_it_is
from sfclient._errors import UsageError
from sfclient._events import Ended, Event
from sfclient._host import Answer, Host
from sfclient._open import open_call as trio_open_call
from sfclient._result import CallResult
from sfclient._result import request_result as trio_request_result
from sfclient._secrets import Secrets
from sfclient._tap import Sound, TapStatistics
from sfclient._trio_thread import Job, Stopped, wait

__all__ = ["Call", "Session", "Tap", "open_call", "request_result", "request_session"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """As `sfclient.Session`, but its `start_call` is a plain function, which may block: it gets a thread."""

    url: str = field(repr=False)
    dialect: str = "widget"
    codec: str | None = None
    framing: str | None = None
    start_call: Callable[[str], StartedCall] | None = field(default=None, repr=False)
    agent_id: str | None = None
    secrets: Secrets | None = field(default=None, repr=False, compare=False)
