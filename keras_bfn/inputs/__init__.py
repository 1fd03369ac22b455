"""What a model is given: data, conditions, what is missing, weights, and what its network takes."""
