"""What compiled modules of any language share: WebAssembly and JavaScript alike.

A guest speaks in encoded rows and keys, numbers and handles. `Catalog` gives it the tables and
indexes of a store in those terms, `program_of` makes declarations of what it describes itself to
be, whose functions run an `Executor`.
"""
