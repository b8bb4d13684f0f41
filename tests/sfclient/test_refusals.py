"""What the service refuses, as an error: its class by whose fault it is, with the status and a remedy."""

import pytest

from sfclient import (
    AgentNotFoundError,
    AuthenticationError,
    NetworkError,
    ServiceError,
    SfclientError,
    UsageError,
)
from sfclient._dialects import HttpAnswer, WidgetDialect, WsMediaDialect, WsMediaRecord
from sfclient._dialects._widget import WidgetOrder
from sfclient._dialects._ws_media_http import WsMediaOrder
from sfclient._errors import UPGRADE_REFUSALS, refused

WIDGET = WidgetOrder("agent-7", WidgetDialect())
WS_MEDIA = WsMediaOrder("agent-7", WsMediaDialect(), from_number="+1", to_number="+2")
READS = {
    "widget session": WIDGET.session_url,
    "ws-media session": WS_MEDIA.session_url,
    "ws-media start": WS_MEDIA.started,
    "ws-media record": WsMediaRecord("call-7").read,
}
# By status: of every request, and of those that know better.
OF_ALL = {
    401: AuthenticationError,
    402: UsageError,
    403: AuthenticationError,
    429: ServiceError,
    500: ServiceError,
    503: ServiceError,
}
OF_ONE = {
    "widget session": {400: ServiceError, 404: AgentNotFoundError},
    "ws-media session": {400: ServiceError, 404: ServiceError},
    "ws-media start": {400: UsageError, 404: AgentNotFoundError, 502: ServiceError},
    "ws-media record": {400: UsageError, 404: UsageError},
}


def refusal(request: str, answer: HttpAnswer) -> SfclientError:
    with pytest.raises(SfclientError) as told:
        READS[request](answer)
    return told.value


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        (request, status, kind)
        for request, own in OF_ONE.items()
        for status, kind in (OF_ALL | own).items()
    ],
)
def test_refusal_carries_its_status_and_what_the_service_said(request_, status, kind):
    error = refusal(request_, HttpAnswer(status, None, ': "told why"'))
    assert type(error) is kind
    assert error.status == status
    assert error.call_id is None
    assert f"HTTP {status}" in str(error)
    assert ': "told why"' in str(error)


@pytest.mark.parametrize("status", [400, 401, 402, 404, 429, 502, 503])
def test_remedy_comes_last_and_after_it_the_call_that_may_have_begun(status):
    error = refusal("ws-media start", HttpAnswer(status, {"callId": "c-7"}, ': "told why"'))
    assert error.call_id == "c-7"
    before, after = str(error).split(f' (HTTP {status}): "told why": ')
    remedy, begun = after.split("; ")
    assert before
    assert remedy
    assert begun == "its call c-7 may have begun: look at its record first"


def test_answer_of_no_use_carries_its_status_and_call():
    error = refusal("ws-media start", HttpAnswer(201, {"callId": "c-7"}, ""))
    assert (type(error), error.status, error.call_id) == (ServiceError, 201, "c-7")
    error = refusal("ws-media record", HttpAnswer(200, {}, ""))
    assert (type(error), error.status, error.call_id) == (ServiceError, 200, None)


@pytest.mark.parametrize("status", [402, 404, 429, 500])
def test_refused_upgrade_is_never_the_keys_fault(status):
    error = refused(status, UPGRADE_REFUSALS)
    assert (type(error), error.status) == (ServiceError, status)


def test_every_error_has_a_status_and_a_call_even_if_none_was_told():
    for kind in (UsageError, NetworkError, ServiceError):
        error = kind("told")
        assert (str(error), error.status, error.call_id) == ("told", None, None)
