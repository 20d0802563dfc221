"""The three kinds of task and their promises, schedules, retries, patience for outages, records of failures."""

from __future__ import annotations

from app.errors import PoisonError
from app.kinds.declaration import at_least_once, once, once_in_batches
from app.kinds.items import JsonObject, JsonText
from app.kinds.schedules import Cron, Every
from app.kinds.transaction import Transaction

__all__ = [
    "Cron",
    "Every",
    "JsonObject",
    "JsonText",
    "PoisonError",
    "Transaction",
    "at_least_once",
    "once",
    "once_in_batches",
]
