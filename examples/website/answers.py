"""What a visitor is told of what failed, in one table: a word for the page, and a sentence for a person.

What the visitor cannot help is told by no more than that. The owner finds all of it in the log.
"""

import logging
import math
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from sfclient import ServiceError, SfclientError, UsageError

_logger = logging.getLogger(__name__)

REFUSALS: Mapping[str, tuple[int, str]] = {
    "bad_request": (400, "This is not what the website asks for."),
    "wrong_origin": (403, "This may only be asked for by the website's own page."),
    "not_found": (404, "There is nothing at this address."),
    "wrong_method": (405, "This is asked for in another way."),
    "too_slow": (408, "The request did not come in time."),
    "handle_used": (410, "This call was started, or given up. Please begin a new one."),
    "too_large": (413, "The request is too large."),
    "wrong_type": (415, "The request must be JSON."),
    "too_many_requests": (429, "You have asked for many calls. Please wait before the next."),
    "busy": (429, "Many people want to talk right now. Please try again later."),
    "service_busy": (503, "The agent is busy right now. Please try again later."),
    "unavailable": (502, "The agent cannot be reached right now. Please try again later."),
    "out_of_order": (500, "The website cannot hold calls right now."),
}
"""By what the page is told: the HTTP status, and the sentence."""


class RefusalError(Exception):
    """An answer instead of what was asked for.

    `code` is one of the table, `retry_after` in seconds; `may_have_begun`: whether there may be a call that nobody
    holds, so that another one should not be begun without being asked to.
    """

    def __init__(
        self, code: str, retry_after: float | None = None, *, may_have_begun: bool = False
    ) -> None:
        super().__init__(code)
        self.code = code
        self.may_have_begun = may_have_begun
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))


def refusal_of(error: SfclientError, *, starting: bool = False) -> RefusalError:
    """What is told of an error of the client; the owner, whose fault a `UsageError` is, reads it in the log."""
    may_have_begun = starting and error.may_have_begun is not False
    if isinstance(error, UsageError):
        _logger.error("no call can be held: %s", error)
        return RefusalError("out_of_order", may_have_begun=may_have_begun)
    _logger.warning("no call for a visitor: %s", error)
    is_busy = isinstance(error, ServiceError) and error.status in (429, 503)
    code = "service_busy" if is_busy else "unavailable"
    return RefusalError(code, error.retry_after, may_have_begun=may_have_begun)


def answer(refusal: RefusalError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    status, message = REFUSALS[refusal.code]
    told = {
        "error": refusal.code,
        "message": message,
        "retry_after": refusal.retry_after,
        "may_have_begun": refusal.may_have_begun,
    }
    pause = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return JSONResponse(told, status, {**(headers or {}), **pause, "Cache-Control": "no-store"})


# What Starlette calls for what was raised. Each takes every exception, by its signature; a plain function would be
# called in a thread.


async def refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusalError)
    return answer(error)


async def not_routed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {status: code for code, (status, _) in REFUSALS.items()}
    return answer(RefusalError(codes.get(error.status_code, "bad_request")), error.headers)


async def broken(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours: the server that runs the app logs it."""
    return answer(RefusalError("out_of_order"))
