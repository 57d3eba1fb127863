"""How trouble is told to a person, and what is never told: the values of keys. Knows nothing about connections."""

import re
from urllib.parse import quote, quote_plus

from yarl import URL

from fieldguide.errors import (
    BadQuery,
    Blocked,
    FieldguideError,
    LayoutChanged,
    NetworkDown,
    RateLimited,
)
from fieldguide.net.rules import Stopped, Trouble
from fieldguide.records.candidates import Request

__all__ = ["Secrets", "as_error"]

_SHORTEST = 6  # a value with fewer characters may stand anywhere by chance, so it is hidden by its name alone
_LATER = "wait, then run the same command again: it goes on where it stopped"
_LINE = "check the connection, then run the same command again: it goes on where it stopped"


class Secrets:
    """What must not be written down of one request: the values of its secret parameters and of its headers."""

    def __init__(self, request: Request) -> None:
        self._names = request.secret_params
        values = {value for name, value in request.params if name in self._names}
        for value in request.headers.values():
            values |= {value.strip(), value.strip().rpartition(" ")[2]}  # "Bearer KEY": the key alone too
        spelt = {form for value in values for form in (value, quote(value, safe=""), quote_plus(value))}
        longest_first = sorted((form for form in spelt if len(form) >= _SHORTEST), key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def hide(self, text: str) -> str:
        """The text, with three stars for each secret."""
        for name in self._names:
            text = re.sub(rf"([?&;]{re.escape(name)}=)[^&#;\s\">]*", r"\1***", text)
        return self._values.sub("***", text) if self._values else text

    def hide_url(self, url: URL) -> str:
        """The address without its secret parameters, and without their values elsewhere."""
        kept = [(name, value) for name, value in url.query.items() if name not in self._names]
        return self.hide(str(url if len(kept) == len(url.query) else url.with_query(kept)))


def as_error(trouble: Trouble, secrets: Secrets, host: str) -> FieldguideError:
    """The error that `ask` raises for it."""
    detail = secrets.hide(trouble.detail)
    message = detail if host in detail else f"{host}: {detail}"
    match trouble.reason:
        case "stopped":
            return Stopped(f"{host} was not asked: {trouble.detail}", "run the same command again to go on")
        case "rate_limited":
            return RateLimited(message, _LATER, trouble.retry_after_s)
        case "blocked":
            return Blocked(message, "use another source, or try again in a few hours; challenges are never solved")
        case "robots":
            return Blocked(message, "use another source, or ask its owner and free the host in fieldguide.toml")
        case "refused_address":
            return Blocked(message, f'should this be your own server: [collect.hosts."{host}"] private = true')
        case "refused_scheme" | "refused_port":
            return Blocked(message, "give an address that begins with https:// and has no port")
        case "bad_url":
            return BadQuery(message, "look at the address and the key: a line break or a blank may stand in them")
        case "too_large" | "bad_redirect" | "too_many_redirects":
            return LayoutChanged(message, "this source has changed, or the address is not the one of its interface")
    return NetworkDown(message, _LINE)
