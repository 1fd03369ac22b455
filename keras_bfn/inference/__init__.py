"""Programs that run a trained model: generation, scoring, completion, encoding."""
