"""A server that offers the operations of the API as MCP tools and as a REST API, without the API key."""
