"""Models on storage: find one, publish one, hold a verified copy of one."""
