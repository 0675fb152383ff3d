"""Why there was no answer, out of what HTTP clients for Python say: the innermost cause, without addresses.

An address may carry a signature, which no message may show.
"""

import re

_INNERMOST = re.compile(r"Caused by \w+\((.*)\)\)", re.DOTALL)
_WORDY = re.compile(r"^[\"']?HTTPS?Connection(?:Pool)?\(.*?\): ")
_ADDRESS = re.compile(r"(with url: |https?://[^\s?]*\?)\S+")


def plain_reason(text: str) -> str:
    """`HTTPConnectionPool(…): Max retries exceeded with url: … (Caused by …("…: [Errno 111] Connection refused"))` → its end."""
    inner = _INNERMOST.search(text)
    reason = _WORDY.sub("", inner[1] if inner else text).strip("\"'")
    return _ADDRESS.sub(r"\1…", reason.partition("\n")[0])
