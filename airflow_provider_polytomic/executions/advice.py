"""What to do about a cause that Polytomic names: the words it is known by, and the advice."""

from __future__ import annotations

import re
from collections.abc import Iterable

SOME_CONNECTION = "the sync's source or target"

_STATUS = r"(?:^|': |(?:http(?:/[\d.]+)?|status|code|error)\W{{0,3}}){}\b(?!\s+(?:records?|rows?)\b)"
"""A status of HTTP, rather than a number of anything else."""

_ADVICE = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            _STATUS.format(401) + r"|unauthori[sz]ed|unauthenticated|invalid_grant|re-?authori[sz]e"
            r"|(?<!unexpected )(token|credentials?|password|api key|session)\b.{0,40}"
            r"(expired|revoked|invalid|refused|incorrect|wrong)"
            r"|(expired|revoked|invalid|incorrect|refuses the|wrong) (access |refresh )?"
            r"(token|credentials?|password|api key|key)\b|authentication (failed|error)|log ?in failed",
            "re-authorize {connection} in Polytomic",
        ),
        (
            r"(column|field|table|relation|object|schema|view)\b.{0,60}(not exist|not found|missing|unknown|is gone)"
            r"|no such (column|field|table|relation|object|schema)"
            r"|(unknown|invalid|missing) (column|field|table|object)",
            "correct the sync's fields in Polytomic, or refresh the schemas of {connection}",
        ),
        (
            _STATUS.format(403) + r"|forbidden|\bpermissions?\b|not (allowed|authori[sz]ed) to|access denied"
            r"|insufficient (rights|privileges)",
            "grant the missing right to the user of {connection}",
        ),
        (
            _STATUS.format(429) + r"|rate.?limit|too many requests|\bquotas?\b|api limit",
            "the other side limits requests: let fewer syncs use {connection} at a time, or run it later",
        ),
        (
            r"timed? ?out|connection (refused|reset|closed)|closed the connection|no route|unreachable"
            r"|could not (connect|resolve)|\bdns\b",
            "see that Polytomic can reach {connection} (address, firewall, is it up)",
        ),
        (
            r"disk full|out of (memory|space)|is (full|asleep|suspended|paused)|storage (limit|full)",
            "wake or enlarge the system behind {connection}",
        ),
        (
            r"duplicate|unique constraint|required|not.?null|constraint|invalid value|too long|malformed|validation",
            "mend the records that are named",
        ),
    )
)


def advice_on(texts: Iterable[str], connection: str | None = None) -> str | None:
    """Return what to do about the first of these texts that names a known cause; None where none does.

    :param connection: the connection that has the trouble, as it is to be called; None if it is not known
    """
    for text in texts:
        for words, advice in _ADVICE:
            if words.search(text):
                return advice.format(connection=connection or SOME_CONNECTION)
    return None
