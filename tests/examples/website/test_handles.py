from sfclient import Session
from website.handles import HANDLE_SECONDS, Handles

SESSION = Session("wss://service.example/secret")


def test_a_handle_is_good_once() -> None:
    handles = Handles()
    handle = handles.give(SESSION, 0.0)
    assert handles.take(handle, 1.0) is SESSION
    assert handles.take(handle, 1.0) is None


def test_a_handle_is_good_for_a_minute() -> None:
    handles = Handles()
    first, second = handles.give(SESSION, 0.0), handles.give(SESSION, 0.0)
    assert handles.take(first, HANDLE_SECONDS - 0.1) is SESSION
    assert handles.take(second, HANDLE_SECONDS) is None


def test_what_was_never_taken_is_forgotten() -> None:
    handles = Handles()
    for second in range(1000):
        handles.give(SESSION, second)
    assert len(handles) == HANDLE_SECONDS


def test_a_handle_tells_nothing_and_none_is_like_another() -> None:
    handles = Handles()
    given = {handles.give(SESSION, 0.0) for _ in range(100)}
    assert len(given) == 100
    assert all(len(handle) > 40 and "secret" not in handle for handle in given)
