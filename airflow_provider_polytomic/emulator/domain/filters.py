"""Translate between the two shapes in which a model sync says which records it takes and how it matches them.

The older ``filters`` hold conditions of both kinds, ``identity`` the first mapping only; a caller may send either
shape, or both if they agree, and is shown both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_polytomic.emulator.domain.errors import ApiError

Body = Mapping[str, Any]


def filters(body: Body) -> dict[str, Any]:
    """Give both shapes of the filters in ``body``.

    :raises Refused: when they differ.
    """
    old = body.get("filters") or []
    new = _conditions(old)
    sent = {
        "Model": (body.get("model_filters") or {}).get("conditions") or [],
        "Target": (body.get("target_filters") or {}).get("conditions") or [],
    }
    logic = body.get("filter_logic")
    if body.get("model_filters") is not None or body.get("target_filters") is not None:
        if old and new != {name: [_plain(each) for each in each_sent] for name, each_sent in sent.items()}:
            raise ApiError(400, "filters differ from model_filters and target_filters.")
        new, logic = sent, (body.get("model_filters") or {}).get("logic")
    return {
        "filters": [*(_old(each, "Model") for each in new["Model"]), *(_old(each, "Target") for each in new["Target"])],
        "filter_logic": logic,
        "model_filters": {"conditions": new["Model"], "logic": logic} if new["Model"] else None,
        "target_filters": (
            {"conditions": new["Target"], "logic": (body.get("target_filters") or {}).get("logic")}
            if new["Target"]
            else None
        ),
    }


def _conditions(old: list[Body]) -> dict[str, list[dict[str, Any]]]:
    of_target = [each for each in old if each.get("field_type") == "Target"]
    of_model = [each for each in old if each.get("field_type") != "Target"]
    return {
        "Model": [_plain({**_shared(each), "source": each.get("field")}) for each in of_model],
        "Target": [
            _plain({**_shared(each), "field": each.get("field_id"), "value_source": each.get("value_field")})
            for each in of_target
        ],
    }


def _old(condition: Body, kind: str) -> dict[str, Any]:
    if kind == "Model":
        return _plain({**_shared(condition), "field_type": kind, "field": condition.get("source")})
    named = {"field_id": condition.get("field"), "value_field": condition.get("value_source")}
    return _plain({**_shared(condition), "field_type": kind, **named})


def _shared(condition: Body) -> dict[str, Any]:
    return {name: condition.get(name) for name in ("function", "label", "value")}


def _plain(condition: Body) -> dict[str, Any]:
    return {name: value for name, value in condition.items() if value is not None}


def identities(body: Body) -> dict[str, Any]:
    """Give both shapes of the identity in ``body``.

    :raises Refused: when they differ.
    """
    first, all_of_them = body.get("identity"), body.get("identities")
    if all_of_them is None:
        shown = None if first is None else {"mappings": [first], "strategy": "priority"}
        return {"identity": first, "identities": shown}
    mappings = all_of_them.get("mappings") or []
    if first is not None and first != next(iter(mappings), None):
        raise ApiError(400, "identity differs from identities.")
    return {"identity": next(iter(mappings), None), "identities": {"strategy": "priority", **all_of_them}}
