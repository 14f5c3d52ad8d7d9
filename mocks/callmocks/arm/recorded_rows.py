"""Rows of the ARM's answers, for replay: by ``call_ref``, newest first."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from lxml import etree
from msgspec.structs import replace

from callmocks.arm import query, schema, tag, tree
from callmocks.arm.rows import TIME_FORMAT
from callmocks.contract.xml import make_parser
from callmocks.errors import CallmocksError
from callmocks.history.walltime import datetime_to_ms, ms_to_datetime
from callmocks.provider.base import RequestKey, WireExchange
from callmocks.provider.recorded_rows import (
    Choices,
    RecordedPage,
    RecordedRow,
    RowReader,
    RowWindow,
    RowWindowError,
)

_DATES = ("from_date", "to_date")
_PARSER = make_parser(huge_tree=True)


class ArmRowReader(RowReader):
    assumptions = (
        *("arm.to-date", "arm.limit-most", "arm.tag-filters", "arm.empty-filter"),
        *("arm.date-without-time", "arm.display-name", "arm.party-filters", "arm.empty-page-tag"),
        "arm.tag-properties",
    )

    def read_window(
        self, operation: str, key: RequestKey, now: int, choices: Choices, zone: tzinfo
    ) -> RowWindow | None:
        if operation != schema.HISTORY:
            return None
        try:
            filters = query.parse_filters(key, choices.__getitem__)
        except query.FilterValueError as error:
            raise RowWindowError(str(error)) from None
        scope = {name: text for name, text in filters.filters if name not in _DATES}
        if not filters.skip_incomplete:
            scope["skip_incomplete"] = "false"
        bounds = filters.from_ms, filters.before_ms
        cursor, owner = None, ""
        if filters.cursor is not None:
            after, owner = filters.cursor.after, filters.cursor.agent
            cursor = datetime_to_ms(filters.cursor.start), after[1] if after else ""
        return RowWindow(scope, *bounds, filters.offset, filters.limit, cursor, True, owner)

    def read_page(
        self, recorded: WireExchange, window: RowWindow, choices: Choices
    ) -> RecordedPage | None:
        try:
            history = _find_history(_parse_answer(recorded))
            if history is None:
                return None
            ends_by = "start_time" if choices["arm.to-date"] == "start" else "release_time"
            calls = history.findall("call_history")
            rows = [_read_row(call, ends_by) for call in calls]
        except (CallmocksError, ValueError, KeyError):
            return None
        owner = calls[0].get("digits", "") if calls else ""
        # A call that was released after a window's end is in no other window that begins there.
        group = window.end if ends_by == "release_time" else None
        is_last = len(rows) < (window.limit or 0)
        return RecordedPage(window, rows, None, is_last, group, recorded, owner)

    def render_answer(
        self,
        template: WireExchange,
        rows: Sequence[RecordedRow],
        total: int,
        window: RowWindow,
        choices: Choices,
    ) -> WireExchange:
        root = _parse_answer(template)
        history = _find_history(root)
        assert history is not None
        shown = history.get("tag")
        calls = [etree.fromstring(row.body, _PARSER) for row in rows]
        history[:] = calls
        if shown is not None:
            text = _make_tag(shown, rows, calls, window, choices)
            if text is None:
                del history.attrib["tag"]
            else:
                history.set("tag", text)
        document = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        body = document.replace(b"'", b'"', 4)  # as the vendor writes the declaration
        content_type = template.content_type if template.transport == "http" else ""
        return replace(template, response=body, transport="http", content_type=content_type)


def _parse_answer(recorded: WireExchange) -> etree._Element:
    body = recorded.response
    if recorded.transport == "frame":
        from callmocks.arm import frames

        body = tree.answer_to_xml(frames.decode_response(body).body)
    return schema.parse(body)


def _find_history(root: etree._Element) -> etree._Element | None:
    return root.find("response/history")


def _read_row(call: etree._Element, ends_by: str) -> RecordedRow:
    times = [call.attrib[name] for name in ("start_time", ends_by)]
    start, end = (datetime_to_ms(datetime.strptime(str(text), TIME_FORMAT)) for text in times)
    return RecordedRow(
        str(call.attrib["call_ref"]), start, end, etree.tostring(call, with_tail=False)
    )


def _find_agent(text: str) -> str:
    try:
        return tag.decode(text).agent
    except tag.TagError:
        return ""


def _make_tag(
    recorded: str,
    rows: Sequence[RecordedRow],
    calls: list[etree._Element],
    window: RowWindow,
    choices: Choices,
) -> str | None:
    """Behind the last row, as the recorded one was behind its page."""
    cursor = (rows[-1].start, rows[-1].id) if rows else window.cursor
    if cursor is None or (not rows and choices["arm.empty-page-tag"] != "incoming"):
        return None
    agent = _find_agent(recorded) or str(calls[-1].get("digits", "") if calls else window.owner)
    start, skip = ms_to_datetime(cursor[0]), "skip_incomplete" not in window.scope
    if choices["arm.tag-properties"] == "documented":
        return tag.encode(tag.PagingTag(start, agent, skip))
    frozen = dict(window.scope)
    if window.begin is not None:
        frozen["from_date"] = ms_to_datetime(window.begin).strftime(TIME_FORMAT)
    if window.end is not None:
        frozen["to_date"] = ms_to_datetime(window.end - 1000).strftime(TIME_FORMAT)
    filters = tuple((name, frozen[name]) for name in query.TAG_FILTERS if name in frozen)
    after = (0, cursor[1]) if cursor[1] else None
    return tag.encode(tag.PagingTag(start, agent, skip, filters, after))
