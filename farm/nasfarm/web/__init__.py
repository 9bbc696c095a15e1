"""The node's one HTTP server: status page, health and metrics."""
