"""Held-out cost against processor seconds, and the record of it: see RECORDS.md."""
