"""Answer the requests of the API, one module per area."""
