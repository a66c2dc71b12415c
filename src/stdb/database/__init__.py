"""`Database`, the face of the engine, and what it hands out."""

from .database import Database
from .durable import repair
from .transaction import Transaction

__all__ = ["Database", "Transaction", "repair"]
