"""Held-out cost by processor seconds, and the records: see RECORDS.md."""
