"""Clients in the same process."""

from .connection import Connection

__all__ = ["Connection"]
