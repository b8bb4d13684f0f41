"""The page, its headers, and the app inside another one."""

import httpx
import pytest

from website import website

from .conftest import SITE, visit


async def test_the_page_comes_with_what_browsers_are_to_refuse() -> None:
    async with visit() as visited:
        page = await visited.ask("GET", "/")
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "http:" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "microphone=(self)" in page.headers["Permissions-Policy"]
        for answered in (
            await visited.ask("GET", "/nothing.js"),
            await visited.post("/session"),
            await visited.post("/session", headers={"Origin": "https://evil.example"}),
        ):
            assert answered.headers["Content-Security-Policy"] == policy
            assert answered.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("base_url", "is_local"), [("http://127.0.0.1:1", True), ("https://service.example", False)]
)
async def test_websockets_in_the_clear_are_for_this_machine(base_url: str, is_local: bool) -> None:
    async with visit(base_url=base_url) as visited:
        policy = (await visited.ask("GET", "/")).headers["Content-Security-Policy"]
    assert ("ws://127.0.0.1" in policy) is is_local


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/../app.py", 404, "not_found"),
        ("GET", "/%2e%2e/app.py", 404, "not_found"),
        ("GET", "/..%2fmain.py", 404, "not_found"),
        ("POST", "/", 405, "wrong_method"),
        ("DELETE", "/session", 405, "wrong_method"),
    ],
)
async def test_what_is_not_there_is_told_as_json(
    method: str, path: str, status: int, code: str
) -> None:
    async with visit() as visited:
        answered = await visited.ask(method, path)
    assert (answered.status_code, answered.json()["error"]) == (status, code)


async def test_a_fault_of_ours_tells_the_visitor_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with visit() as visited:
        monkeypatch.setattr("website.app.visitor_at", lambda host: 1 / 0)
        transport = httpx.ASGITransport(visited.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as http:
            answered = await http.post("/session", json={}, headers={"Origin": SITE})
    assert (answered.status_code, answered.json()["error"]) == (500, "out_of_order")
    assert "division" not in answered.text


@pytest.mark.parametrize(
    "origins",
    [
        "https://example.org",
        *([f"https://{name}"] for name in ("example.org/", "Example.org", "example.org:443")),
        *([f"https://{name}"] for name in ("*.example.org", "me@example.org", "bücher.example")),
        *([f"https://example.org{end}"] for end in ("?a", "#", " ", "\n", ":")),
        *([origin] for origin in ("http://example.org:80", "example.org", "null", "")),
    ],
)
def test_what_is_no_origin_is_refused(origins: list[str] | str) -> None:
    with pytest.raises(ValueError, match=r"such as https://example\.org, not"):
        website("agent", api_key="key", origins=origins)


@pytest.mark.parametrize(
    "origin", ["http://localhost:8000", "https://[::1]:8443", "https://a-b.xn--bcher-kva.example."]
)
def test_an_origin_as_browsers_write_it_is_taken(origin: str) -> None:
    website("agent", api_key="key", origins=[origin])


def test_an_option_that_there_is_not_is_refused_before_a_visitor_comes() -> None:
    with pytest.raises(TypeError, match="dialekt"):
        website("agent", api_key="key", dialekt="widget")
