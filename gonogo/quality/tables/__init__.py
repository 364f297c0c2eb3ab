"""Tables: rows and columns."""
