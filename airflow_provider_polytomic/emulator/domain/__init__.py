"""Model the emulated Polytomic, without HTTP: syncs, executions, connections, events, logs and the webhook."""
