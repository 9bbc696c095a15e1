"""Recipes as YAML: the built-in ones, the user's own, and what `--set` makes of them."""
