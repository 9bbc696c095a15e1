"""Events in published chunk files to receivers: which are new, who has been told, and how."""
