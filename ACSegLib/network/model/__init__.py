"""The network, its description, its preprocessing, and the model file."""
