"""A quarter of the default world as clients see it: the answers of three providers, as frames.

Nothing here asks the generator. What no provider shows, who worked when and what had failed, is
what the admin API says.
"""

import base64
import json
import urllib.request
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import polars as pl

from callmocks.onec import read_answer
from callmocks.testing.mocks import Mocks
from tests.onec.conftest import make_history_call

SESSION_FIELDS = (
    "id", "start_time", "direction", "source", "is_lost", "cpn_region_name",
    "contact_phone_number", "wait_duration", "talk_duration", "total_duration",
    "virtual_phone_number",
)  # fmt: skip
LEG_FIELDS = (
    "id", "call_session_id", "start_time", "connect_time", "total_duration", "finish_reason",
    "virtual_phone_number", "is_operator", "is_transfered", "is_coach", "employee_id", "group_id",
    "scenario_name", "contact_phone_number",
)  # fmt: skip
PAGE = 10_000
ARM_DAYS, ONEC_DAYS = 28, 28


@dataclass
class Quarter:
    first: date
    last: date
    sessions: pl.DataFrame
    legs: pl.DataFrame
    operators: pl.DataFrame
    shifts: pl.DataFrame
    breaks: pl.DataFrame
    episodes: pl.DataFrame
    arm_rows: pl.DataFrame  # of the first weeks
    onec_rows: pl.DataFrame  # of the first weeks
    refused_logins: set[str]


class Reader:
    def __init__(self, mocks: Mocks, seed: int, first: date, last: date) -> None:
        self._now = last + timedelta(1)
        self._tenant = mocks.tenant(seed=seed, now=f"{self._now}T12:00:00")
        self._first, self._last = first, last

    def read(self) -> Quarter:
        operators, shifts, breaks = self._read_roster()
        arm_rows, refused = self._read_arm(operators["operator"].to_list())
        return Quarter(
            self._first,
            self._last,
            with_times(self._read_report("get.calls_report", SESSION_FIELDS)),
            with_times(self._read_report("get.call_legs_report", LEG_FIELDS)),
            operators,
            shifts,
            breaks,
            self._read_episodes(),
            arm_rows,
            self._read_onec(),
            refused,
        )

    def _read_report(self, method: str, fields: tuple[str, ...]) -> pl.DataFrame:
        rows: list[dict[str, Any]] = []
        while True:
            params = {
                "access_token": self._tenant.cdr.token,
                "date_from": f"{self._first} 00:00:00",
                "date_till": f"{self._last} 23:59:59",
                "fields": fields,
                "limit": PAGE,
                "offset": len(rows),
            }
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            result = json.loads(send(self._tenant.cdr.url, json.dumps(body).encode()))["result"]
            rows += result["data"]
            if len(rows) >= result["metadata"]["total_items"]:
                return pl.DataFrame(rows, infer_schema_length=None)

    def _read_admin(self, what: str) -> Any:
        window = f"from={self._first}T00:00:00&till={self._now}T00:00:00"
        return self._tenant.control.get(f"/api/tenants/{self._tenant.name}/{what}?{window}")

    def _read_roster(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        rows = self._read_admin("roster")["operators"]
        shifts, breaks = [], []
        for row in rows:
            for shift in row.pop("shifts"):
                shifts.append((row["employee_id"], shift["from"], shift["till"]))
                breaks += [
                    (row["employee_id"], each["from"], each["till"], each["status"])
                    for each in shift["breaks"]
                ]
        schema = ["employee_id", "from", "till"]
        return (
            pl.DataFrame(rows, infer_schema_length=None),
            with_window(pl.DataFrame(shifts, schema, orient="row")),
            with_window(pl.DataFrame(breaks, [*schema, "status"], orient="row")),
        )

    def _read_episodes(self) -> pl.DataFrame:
        return with_window(
            pl.DataFrame(self._read_admin("episodes")["episodes"], infer_schema_length=None)
        )

    def _read_arm(self, numbers: list[str]) -> tuple[pl.DataFrame, set[str]]:
        """Rows of each operator's history, and the numbers that may not log in."""
        till = self._first + timedelta(ARM_DAYS - 1)
        body = (
            f'<in><request><filters limit="10000" from_date="{self._first:%Y/%m/%d} 00:00:00" '
            f'to_date="{till:%Y/%m/%d} 23:59:59"/></request></in>'
        )
        address = f"{self._tenant.arm.url}/{self._tenant.name}/service/cc/arm"
        rows: list[dict[str, str]] = []
        refused = set()
        for number in numbers:
            key = base64.b64encode(f"{number}:{self._tenant.name}".encode()).decode()
            try:
                answer = send(
                    f"{address}/operator_call_history", body.encode(), Authorization=f"Basic {key}"
                )
            except urllib.error.HTTPError as error:
                assert error.code == 401, error.code
                refused.add(number)
                continue
            found = ElementTree.fromstring(answer).iter("call_history")
            rows += [{"operator": number, **row.attrib} for row in found]
        frame = pl.DataFrame(rows, infer_schema_length=None)
        times = {"start": "start_time", "end": "release_time", "answer": "answer_time"}
        return frame.with_columns(
            pl.col(column).str.to_datetime("%Y/%m/%d %H:%M:%S", strict=False).alias(name)
            for name, column in times.items()
        ), refused

    def _read_onec(self) -> pl.DataFrame:
        """Day by day, as the service allows."""
        rows: list[dict[str, Any]] = []
        for day in range(ONEC_DAYS):
            begin = self._first + timedelta(day)
            body = make_history_call(
                PeriodFrom=f"{begin}T00:00:00", PeriodTo=f"{begin + timedelta(1)}T00:00:00"
            )
            key = base64.b64encode(f"{self._tenant.name}:{self._tenant.name}".encode()).decode()
            answer = read_answer(
                send(
                    self._tenant.onec.url,
                    body,
                    **{
                        "Authorization": f"Basic {key}",
                        "Content-Type": "application/soap+xml; charset=utf-8",
                    },
                )
            )
            rows += answer["ResultData"].records()  # type: ignore[union-attr]
        return pl.DataFrame(rows, infer_schema_length=None)


def send(url: str, body: bytes, **headers: str) -> bytes:
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
        return content


def with_times(frame: pl.DataFrame) -> pl.DataFrame:
    """``start``, ``end`` (both cut to seconds: the end may be a second later), ``connect``."""
    start = pl.col("start_time").str.to_datetime()
    columns = [start.alias("start"), (start + pl.duration(seconds="total_duration")).alias("end")]
    if "connect_time" in frame.columns:
        columns.append(pl.col("connect_time").str.to_datetime().alias("connect"))
    return frame.with_columns(columns)


def with_window(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("from", "till").str.to_datetime())
