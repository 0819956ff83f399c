"""Notices that leave this terminal: to where the URLs of Apprise lead."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from traintop.analysis.events import Event
from traintop.text import safe_text


def push(urls: Sequence[str], event: Event) -> None:
    """Send a notice to each URL. Raises ``ValueError`` where that fails; no message has a URL."""
    try:
        import apprise  # 0.3 s, and an extra
    except ImportError:
        raise ValueError("notify_urls needs Apprise: pip install 'traintop[notify]'") from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would write into the screen
    sender = apprise.Apprise()
    unknown = [str(place) for place, url in enumerate(urls, 1) if not sender.add(url)]
    title = f"traintop: {safe_text(event.name, 60)}: {safe_text(event.alert, 100)}"
    body = safe_text(event.text, 500) or title
    sent = sender.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
    if unknown:
        raise ValueError(f"Apprise does not know notify_urls number {', '.join(unknown)}")
    if not sent:
        raise ValueError("not delivered to all of notify_urls")
