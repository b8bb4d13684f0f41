"""What the service refuses, as an error: its class by whose fault it is, with the status and a remedy."""

import json
import re

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
    302: ServiceError,
    407: NetworkError,
    429: ServiceError,
    500: ServiceError,
    503: ServiceError,
    504: ServiceError,
}
OF_ONE = {
    "widget session": {400: ServiceError, 404: AgentNotFoundError, 410: ServiceError},
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


@pytest.mark.parametrize("status", [404, 410])
def test_widget_endpoint_that_is_gone_names_its_successor(status):
    error = refusal("widget session", HttpAnswer(status, None, ""))
    assert re.search("announced to end on 2026-06-15: .*ws-media", str(error))
    assert ("agent-7" in str(error)) == (status == 404)


@pytest.mark.parametrize("request_", READS)
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait_is_told_and_carried(request_, status):
    error = refusal(request_, HttpAnswer(status, None, "", retry_after=12.4))
    assert error.retry_after == 12.4
    assert str(error).endswith("; it asks to wait 12 s")
    assert "URL" not in str(error)


@pytest.mark.parametrize("sid", ["\udcff", "a\r\nb", "\0"])
def test_sid_that_no_text_has_is_the_services_fault(sid):
    error = refusal("ws-media start", HttpAnswer(200, {"callId": "c-7", "sid": sid}, ""))
    assert (type(error), error.call_id) == (ServiceError, "c-7")
    assert "characters" in str(error)


def test_record_that_no_text_has_can_be_printed():
    fields = {"status": "a\ud800", "transcript": "\udfff"}
    status, _, transcript, _ = WsMediaRecord("c").read(HttpAnswer(200, fields, ""))
    assert (status, transcript) == ("a?", "?")


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "a\0"])
def test_server_name_that_no_text_has_is_the_services_fault(name):
    dialect = WsMediaDialect()
    list(dialect.opened())
    with pytest.raises(ServiceError, match="server-name holds characters"):
        list(dialect.received(json.dumps({"type": "server_info", "server-name": name})))


@pytest.mark.parametrize("status", [402, 404, 429, 500])
def test_refused_upgrade_is_never_the_keys_fault(status):
    error = refused(status, UPGRADE_REFUSALS)
    assert (type(error), error.status) == (ServiceError, status)


def test_every_error_has_a_status_and_a_call_even_if_none_was_told():
    for kind in (UsageError, NetworkError, ServiceError):
        error = kind("told")
        assert (str(error), error.status, error.call_id) == ("told", None, None)
