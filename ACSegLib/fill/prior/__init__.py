"""What the walk is told of a volume: image features, shape, appearance, and neighbours that nobody drew."""
