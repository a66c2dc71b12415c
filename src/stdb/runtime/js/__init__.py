"""JavaScript modules: bundles of SpacetimeDB's TypeScript library, unchanged, on V8.

`load.read_javascript` makes a program of one. Nothing of this is imported before there is one: V8
is heavy.
"""
