"""A request of the journal as a curl command, with credentials of its tenant."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from callmocks.contract.journal import Violation
from callmocks.control.dashboard.violation_spans import SpanFinder
from callmocks.provider.credentials import decode_basic
from callmocks.tenants.http_head import blank_target, blank_value, split_head
from callmocks.tenants.journal import JournalRecord

# curl sends its own, or they belong to the connection.
_OWN_HEADERS = frozenset(
    {
        *("accept-encoding", "connection", "content-encoding", "content-length", "expect", "host"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    }
)


@dataclass(slots=True)
class CopiedRequest:
    """``body`` is None when it cannot stand in a command: it was cut, or is no text."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str | None
    user: str = ""  # `name:password`

    @property
    def text(self) -> str:
        words = ["curl", "-sS"]
        if set(self.url) & set("[]{}"):
            words.append("-g")  # curl would send one request for each of a range or a list
        if self.method not in ("GET", "POST") or (self.method == "POST" and not self.body):
            words += ["-X", self.method]
        if self.user:
            words += ["-u", self.user]
        for name, value in self.headers:
            words += ["-H", f"{name}: {value}" if value else f"{name};"]
        if not self.body:
            return f"{shlex.join(words)} \\\n  {shlex.quote(self.url)}"
        if not any(name.lower() == "content-type" for name, _ in self.headers):
            words += ["-H", "Content-Type:"]  # curl would send that of a form
        body, delimiter = self.body.removesuffix("\n"), "BODY"
        while delimiter in body.split("\n"):
            delimiter += "_"
        command = f"{shlex.join(words)} --data-binary @- \\\n  {shlex.quote(self.url)}"
        return f"{command} <<'{delimiter}'\n{body}\n{delimiter}"


def copy_http_request(record: JournalRecord, server_url: str) -> CopiedRequest:
    """Without credentials; the path is the request's."""
    start, fields = split_head(record.head)
    method, _, target = blank_target(start).partition(" ")
    server, asked = urlsplit(server_url), urlsplit(target)
    path = f"{asked.path}?{asked.query}" if asked.query else asked.path
    headers = [
        (name, value)
        for name, value in fields
        if name.lower() not in _OWN_HEADERS
        and (name.lower(), value) != ("accept", "*/*")
        and blank_value(name, value) == value
        and value.isprintable()
    ]
    url = f"{server.scheme}://{server.netloc}{path}"
    return CopiedRequest(method, url, headers, read_text(record))


def read_text(record: JournalRecord) -> str | None:
    if not isinstance(record.request, bytes):
        return None
    try:
        text = record.request.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def find_basic_user(record: JournalRecord) -> str | None:
    """The user of Basic authentication; None without one."""
    fields = {name.lower(): value for name, value in split_head(record.head)[1]}
    credentials = decode_basic(fields.get("authorization", ""))
    return credentials.user if credentials else None


def replace_value(text: str, path: str, value: str, body_start: int = 0) -> str:
    """The text with another string at a path, if there is one; see ``SpanFinder``."""
    span = SpanFinder(text, body_start).find(Violation(path, "", ""))
    if span is None:
        return text
    begin, end = span
    if text[begin:end].startswith('"'):
        return text[:begin] + json.dumps(value, ensure_ascii=False) + text[end:]
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text[:begin] + escaped.replace("'", "&apos;") + text[end:]
