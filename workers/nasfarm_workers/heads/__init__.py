"""Heads: pure code that turns output tensors into findings.

Every head is one function of this shape, listed by name in `heads.registry`:

    read(outputs, seen, options, params, labels) -> one tuple of findings for each row

A head on whole images finds any number of things a row; a head on crops returns the row's finding,
refined, or nothing to drop it.
"""
