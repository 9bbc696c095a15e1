"""A machine and its models to the batch sizes and cores a slot that are fastest on it."""
