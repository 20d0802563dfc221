"""A planted bug: a key enters the inbox whether its job was revoked or not, so that revoked work is done."""

from __future__ import annotations

from app.__main__ import main
from app.storage import inbox

inbox.enter = lambda *arguments, **options: inbox.Entered(inbox.remember(*arguments, **options), set())
main()
