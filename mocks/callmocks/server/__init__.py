"""The process: servers, connections, limits, TLS and the health check."""
