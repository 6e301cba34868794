"""The migrations of run records, in the order of their ``down_revision``; no plugin adds to them."""
