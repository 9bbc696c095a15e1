"""Files that appear whole or not at all, and what kind of disk they lie on."""
