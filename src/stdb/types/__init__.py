"""SATS: types, the Python values that stand for them, and their encodings."""
