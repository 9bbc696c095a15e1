"""What two variants of a model say of the same photos to how far they agree."""
