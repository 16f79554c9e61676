"""Find what uses a connection, and delete it together with that."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.models import Model
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, Sync


def delete_connection(state: State, connection: Connection, *, force: bool) -> None:
    """Delete a connection and its copies, and with ``force`` the models and syncs that use it.

    :raises Refused: when something uses it and it is not forced.
    """
    models = [each for each in state.models.values() if each.connection_id == connection.id]
    syncs = [each for each in state.syncs.values() if connection.id in connection_ids(each)]
    if (models or syncs) and not force:
        used_by = [
            *({"type": "fieldset", "name": each.name, "id": each.id} for each in models),
            *({"type": _word(each), "name": each.name, "id": each.id} for each in syncs),
        ]
        raise ApiError(422, "connection in use", {"used_by": used_by})
    for sync in {each.id: each for each in (*syncs, *_reading(state, models))}.values():
        state.delete_sync(sync)
    for model in models:
        del state.models[model.id]
    for each in (connection, *state.copies(connection)):
        del state.connections[each.id]


def connection_ids(sync: Sync) -> tuple[str, ...]:
    """Give the connections that a sync names."""
    if sync.kind == BULK:
        return (sync.attributes["source_connection_id"], sync.attributes["destination_connection_id"])
    return (sync.attributes["target"]["connection_id"],)


def _reading(state: State, models: list[Model]) -> Iterator[Sync]:
    """Give the model syncs that send rows of one of ``models``."""
    gone = {each.id for each in models}
    return (each for each in state.syncs.values() if gone & set(each.attributes.get("model_ids", ())))


def _word(sync: Sync) -> str:
    return "bulk_sync" if sync.kind == BULK else "sync"
