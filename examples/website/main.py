"""The app as the environment describes it: ``uvicorn website.main:app``, or ``hypercorn -k trio website.main:app``."""

import os
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from .app import website

ORDER = {
    "SYNTHFLOW_DIALECT": "dialect",
    "SYNTHFLOW_FROM": "from_number",
    "SYNTHFLOW_TO": "to_number",
    "SYNTHFLOW_REGION": "region",
    "SYNTHFLOW_BASE_URL": "base_url",
}


def from_environment(environment: Mapping[str, str]) -> ASGIApp:
    """Raises `SystemExit` if the key or the agent is missing."""
    given = {name: value for name, value in environment.items() if value}
    for name in ("SYNTHFLOW_API_KEY", "SYNTHFLOW_AGENT_ID"):
        if name not in given:
            raise SystemExit(f"{name} is not set: see README.md")
    order: dict[str, Any] = {option: given[name] for name, option in ORDER.items() if name in given}
    origins = given.get("WEBSITE_ORIGINS")
    return website(
        given["SYNTHFLOW_AGENT_ID"],
        api_key=given["SYNTHFLOW_API_KEY"],
        origins=origins.split() if origins else None,
        **order,
    )


app = from_environment(os.environ)
