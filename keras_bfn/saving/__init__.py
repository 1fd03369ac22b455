"""Atomic files, exports for other runtimes, and model hubs."""
