"""The farm's values: frozen, typed, without any input or output."""
