"""A model's inputs: data, conditions, missing variables, weights, and the network's inputs."""
