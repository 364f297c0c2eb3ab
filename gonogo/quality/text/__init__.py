"""Documents and records."""
