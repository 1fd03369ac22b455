"""Programs that run a trained model: generation, scoring, completion and encoding."""
