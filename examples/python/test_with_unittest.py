"""The same client, one test of each provider, by unittest alone."""

import unittest
from datetime import datetime

from call_report import DataApi, ServiceCalls, Workplace

import callmocks

DAY, NIGHT = datetime(2026, 3, 2), datetime(2026, 3, 2, 23, 59, 59)


class CallReportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mocks = cls.enterClassContext(callmocks.running(now="2026-03-02T12:00:00"))

    def setUp(self):
        self.tenant = self.enterContext(self.mocks.tenant(world="empty"))
        self.call = self.tenant.pin("2026-03-02T11:00:00", operator="101", talk_seconds=75)

    def test_legs_in_spite_of_a_used_up_minute(self):
        cdr = self.tenant.cdr
        cdr.fail_next("limit_exceeded", limit_type="minute")
        legs = DataApi(cdr.url, sleep=cdr.advance, token=cdr.token).legs(DAY, NIGHT)
        self.assertEqual([leg["id"] for leg in legs], list(self.call.cdr.leg_ids))
        cdr.assert_called("get.call_legs_report", times=2)

    def test_rows_of_the_operator(self):
        arm = self.tenant.arm
        (login,) = [each for each in arm.operators if each.number == "101"]
        client = Workplace(arm.service_url, number=login.number, password=login.password)
        self.assertEqual([row["call_ref"] for row in client.rows(DAY)], [self.call.arm[0].call_ref])
        arm.assert_no_violations()

    def test_service_calls(self):
        onec = self.tenant.onec
        client = ServiceCalls(onec.url, user=onec.user, password=onec.password)
        self.assertEqual(
            [row["CallID"] for row in client.rows(DAY, NIGHT)], [self.call.onec.call_id]
        )


if __name__ == "__main__":
    unittest.main()
