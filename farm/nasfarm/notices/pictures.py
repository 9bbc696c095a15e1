"""An event's item to a link to its picture, and to the picture itself where it is small."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from nasfarm.core.items import split_address
from nasfarm.core.notice_events import Event, path_of
from nasfarm.core.notices import NoticeRule
from nasfarm.jobs.dropped import leads_out
from nasfarm.notices.receivers import Picture


def link(rule: NoticeRule, item: str) -> str:
    """The rule's prefix and the file's path below inbox/.taken, percent-encoded; else nothing."""
    if not rule.picture_url:
        return ""
    return rule.picture_url + quote_from_bytes(unquote_to_bytes(str(path_of(item))), safe="/")


def attached(rule: NoticeRule, event: Event, roots: Mapping[str, Path]) -> Picture | None:
    """The file, if the rule wants it and it is small enough; frames of videos have none.

    A file that has gone, or cannot be read, costs the picture and not the notice.
    """
    root, relative = split_address(event.item)
    if not rule.attach_kb or event.frame is not None or root not in roots:
        return None
    path = roots[root] / os.fsdecode(relative)
    most = rule.attach_kb * 1024
    try:
        # Whoever may drop files may not have others' files sent, by way of a link.
        if leads_out(path, roots[root]) or path.stat().st_size > most:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Picture(path_of(event.item).name, kind, content)
