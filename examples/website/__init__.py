"""A page on which visitors talk with an agent, and the server that keeps the key from them: an ASGI app.

- `website`: the app, to be served or mounted (`app`); `Rate`: how often sessions are given out (`admission`)
- `website.main`: the app as the environment describes it
- `admission`: who may ask how often; `handles`: calls that may be started once
- `answers`: what a visitor is told of what failed; `headers`: what browsers are told to refuse
- `page/`: what browsers get
"""

from .admission import Rate
from .app import website

__all__ = ["Rate", "website"]
