"""Advice on errors that Polytomic reports, found by the words of their messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from airflow_provider_polytomic.executions.diagnostics import Diagnostics
from airflow_provider_polytomic.executions.execution import Execution

ANY_CONNECTION = "the sync's source or target"

_STATUS = r"(?:^|': |(?:http(?:/[\d.]+)?|status|code|error)\W{{0,3}}){}\b(?!\s+(?:records?|rows?)\b)"
"""An HTTP status, as opposed to a number of records."""

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
            "grant the missing permission to the user of {connection}",
        ),
        (
            _STATUS.format(429) + r"|rate.?limit|too many requests|\bquotas?\b|api limit",
            "run fewer syncs with {connection} at a time, or run this one later: requests to it are limited",
        ),
        (
            r"timed? ?out|connection (refused|reset|closed)|closed the connection|no route|unreachable"
            r"|could not (connect|resolve)|\bdns\b",
            "check that {connection} is up and that Polytomic can reach it (address, firewall)",
        ),
        (
            r"disk full|out of (memory|space)|is (full|asleep|suspended|paused)|storage (limit|full)",
            "resume or enlarge the system behind {connection}",
        ),
        (
            r"duplicate|unique constraint|required|not.?null|constraint|invalid value|too long|malformed|validation",
            "correct the records named above",
        ),
    )
)


def advice_for(execution: Execution, diagnostics: Diagnostics) -> str | None:
    """Return what to do about an unsuccessful execution; None if no message is of a known error."""
    for connection, message in diagnostics.unhealthy_connections:
        if advice := advice_on([message], connection):
            return advice
    messages = [row["status_message"] or "" for row in execution.failed_schemas]
    console = diagnostics.console if diagnostics.has_console_errors else ()
    return advice_on([*execution.errors, *messages, *diagnostics.problems, *console])


def advice_on(messages: Iterable[str], connection: str = ANY_CONNECTION) -> str | None:
    """Return what to do about the first message of a known error; None if there is none.

    :param connection: connection that has the error, as it is to be named
    """
    for message in messages:
        for pattern, advice in _ADVICE:
            if pattern.search(message):
                return advice.format(connection=connection)
    return None
