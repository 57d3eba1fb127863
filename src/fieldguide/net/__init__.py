"""One polite, guarded client for everything that comes from the network.

Knows nothing about sources, projects or pixels. `Client.ask` puts a source's question and raises; `Client.fetch`
brings a picture's bytes and never raises for a server's trouble: trouble is data, with a reason out of `REASONS`.

    async with Client(NetRules(contact="me@example.org")) as client:
        fetched = await client.fetch("https://upload.example.org/a.jpg")

Both go through the same gates, hop by hop: the scheme and port, robots.txt, the host's own pace, and at the moment of
connecting the address itself. No proxy is used, so that the guard sees where a connection goes; cookies are dropped.
"""

from fieldguide.net.client import Client
from fieldguide.net.rules import REASONS, REFUSED_BY_RULES, TRANSIENT, Fetched, NetRules, Stopped

__all__ = ["REASONS", "REFUSED_BY_RULES", "TRANSIENT", "Client", "Fetched", "NetRules", "Stopped"]
