"""Store values and read them back as Airflow does it, with its own code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow.serialization.serialized_objects import BaseSerialization
from airflow.triggers.base import TriggerEvent


def _xcom(value: Any) -> Any:
    """Store an XCom; Airflow 2 stores bytes, Airflow 3 a column of type JSON."""
    try:
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from airflow.models.xcom import XCom
        from airflow.utils.json import XComDecoder

        return json.loads(XCom.serialize_value(value), cls=XComDecoder)
    return XCom.deserialize_value(_Row(json.loads(_as_column(XCom.serialize_value(value)))))


class _Row:
    def __init__(self, value: Any) -> None:
        self.value = value


def _as_column(value: Any) -> str:
    """Return what SQLAlchemy sends to a column of type JSON, which must be valid UTF-8."""
    text = json.dumps(value, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    return text


def _trigger_parameters(value: Any) -> Any:
    """Store the parameters of a trigger, and the arguments of the method that it resumes."""
    return BaseSerialization.deserialize(json.loads(_as_column(BaseSerialization.serialize(value))))


def _asset_event(value: Any) -> Any:
    return json.loads(_as_column(value))


def _trigger_event(value: Any) -> Any:
    """Send the event of a trigger to the supervisor, and store it."""
    event = TriggerEvent(value)
    payload = event.payload
    try:
        from airflow.sdk.execution_time import comms
    except ImportError:
        return _trigger_parameters(payload)
    import msgspec

    encode = getattr(comms, "_new_encoder", None)
    encoder = encode() if encode else msgspec.msgpack.Encoder(enc_hook=comms._msgpack_enc_hook)
    return _trigger_parameters(msgspec.msgpack.decode(encoder.encode(event)).get("payload"))


CHANNELS: dict[str, Callable[[Any], Any]] = {
    "xcom": _xcom,
    "trigger parameters": _trigger_parameters,
    "trigger event": _trigger_event,
    "asset event": _asset_event,
}
