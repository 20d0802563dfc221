"""The logins of a user on a server. They take turns, so that two of them are accepted while a password is rotated."""

from __future__ import annotations

from collections.abc import Mapping

from app import contract

#: The passwords of one user that a server accepts, by the names of their logins.
Accepted = Mapping[str, str]


def logins(user: str, accepted: Accepted) -> dict[str, str | None]:
    """Both logins with their passwords; the one that is not accepted has none, and its server must refuse it."""
    return {login: accepted.get(login) for login in contract.logins(user)}
