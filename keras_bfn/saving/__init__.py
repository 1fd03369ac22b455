"""What leaves the process: files that are whole, exports for other runtimes, hubs of models."""
