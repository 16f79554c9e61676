"""An emulator of the Polytomic API that serves HTTP on loopback, for demos, tests and your own DAG tests.

It needs the extra ``emulator``. Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_polytomic.emulator.domain.clock import Clock as Clock
    from airflow_provider_polytomic.emulator.domain.clock import ManualClock as ManualClock
    from airflow_provider_polytomic.emulator.server import Emulator as Emulator

_HOMES = {"Clock": "domain.clock", "Emulator": "server", "ManualClock": "domain.clock"}

__all__ = ["Clock", "Emulator", "ManualClock"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
