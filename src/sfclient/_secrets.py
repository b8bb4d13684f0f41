"""Keys and tokens, which are not told again wherever the far side repeats them."""

import json
import re
from base64 import b64encode
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from sfclient._errors import printable

SHORTEST = 4  # characters; less is no secret, and may be part of anything
LONGEST_PUBLIC_STEP = 15  # characters; a longer step of a URL's path may be a token

# Those that we were not told: any URL may hold one; Bearer, Basic and token= have one behind them.
OTHERS = re.compile(
    r"([a-z][a-z0-9+.-]{0,30}://|\b(?:bearer|basic)\s+|\b(?:token|key|sid|password)=)[^\s\"'<>&]+",
    re.IGNORECASE,
)


class Secrets:
    """Those of one session: the key, the tokens of its URL, the sid. More can be added."""

    def __init__(self, *secrets: str) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def __repr__(self) -> str:
        return "<Secrets>"

    def __reduce__(self) -> tuple[type["Secrets"], tuple[()]]:
        """Copies and pickles hold none: who is handed a session is not handed the key."""
        return Secrets, ()

    def add(self, *secrets: str) -> None:
        """Each is known again as it is, and as URLs, JSON and ``Authorization`` lines would hold it."""
        for secret in secrets:
            if len(secret) >= SHORTEST:
                written = json.dumps(secret)[1:-1]
                self._forms |= {secret, quote(secret, safe=""), written, *_in_base64(secret)}
        if self._forms:
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def add_url(self, url: str) -> None:
        """Likewise what of a URL may be a token."""
        self.add(*_secrets_of(url))

    def masked(self, text: str) -> str:
        """The text, with ``***`` for each secret, and for what is like one."""
        if self._pattern is not None:
            text = self._pattern.sub("***", text)
        return OTHERS.sub(r"\1***", text)

    def printable(self, text: str, longest: int | None = 200) -> str:
        """Likewise, and fit for an error or a terminal."""
        return printable(self.masked(text), longest)


def _secrets_of(url: str) -> list[str]:
    """Of a valid one."""
    parts = urlsplit(url)
    values = [value for _name, value in parse_qsl(parts.query)]
    values += re.findall(r"=([^&;]+)", parts.query)
    steps = [step for step in parts.path.split("/") if len(step) > LONGEST_PUBLIC_STEP]
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    found = [*values, *steps, parts.query, parts.fragment, user, password]
    return found + [unquote(text) for text in found if "%" in text]


def _in_base64(secret: str) -> set[str]:
    """The characters that it gives behind any other bytes, as in ``user:key``; in both alphabets."""
    data = secret.encode(errors="replace")
    forms = set()
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode()
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        forms.add(encoded[first:last])
    return forms | {form.translate(str.maketrans("+/", "-_")) for form in forms}
