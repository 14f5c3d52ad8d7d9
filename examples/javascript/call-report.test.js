// The client against callmocks, which is steered by its admin API; CALLMOCKS_URL says where that is.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { DataApi, ServiceCalls, Workplace, merge } from './call-report.js';

const CONTROL = process.env.CALLMOCKS_URL ?? 'http://127.0.0.1:8080';
const DAY = ['2026-03-02 00:00:00', '2026-03-02 23:59:59'];
const PERIOD = ['2026-03-02T00:00:00', '2026-03-02T23:59:59'];

class Tenant {
  static async make(context, settings) {
    const name = `js-${randomUUID().slice(0, 8)}`;
    const tenant = new Tenant();
    Object.assign(tenant, await Tenant.api('POST', '', { name, limits: 'off', ...settings }));
    context.after(() => tenant.api('DELETE', ''));
    return tenant;
  }

  static async api(method, path, body) {
    const options = { method, body: body && JSON.stringify(body) };
    const response = await fetch(`${CONTROL}/api/tenants${path}`, options);
    assert.ok(response.ok, await (response.ok ? '' : response.text()));
    return response.status === 204 ? null : response.json();
  }

  api(method, path, body) {
    return Tenant.api(method, `/${this.name}${path}`, body);
  }

  /** Waiting moves the tenant's clock. */
  advance = (seconds) => this.api('POST', '/clock/advance', { seconds });

  fault(provider, fault, more) {
    return this.api('POST', '/faults', { provider, fault, times: 1, ...more });
  }

  dataApi() {
    return new DataApi(this.cdr.url, this.cdr.token, this.advance);
  }

  serviceCalls() {
    return ServiceCalls.open(this.onec.url, this.onec.user, this.onec.password, this.advance);
  }
}

test('a day is complete although points are used up', async (context) => {
  const tenant = await Tenant.make(context, { seed: 7, now: '2026-03-03T12:00:00' });
  const params = { mnemonic: 'limit_exceeded', params: { limit_type: 'minute' } };
  await tenant.fault('cdr', 'rpc_error', { params, times: 2 });
  const legs = await tenant.dataApi().legs(...DAY);
  const truth = await tenant.api('GET', '/truth?from=2026-03-02&till=2026-03-03');
  const expected = truth.calls.map((call) => call.cdr.call_session_id);
  assert.deepEqual(new Set(legs.map((leg) => leg.call_session_id)), new Set(expected));
  assert.equal((await tenant.api('GET', '/clock')).now, '2026-03-03T12:02:00');
});

test('an error that stays is thrown', async (context) => {
  const tenant = await Tenant.make(context, {});
  await tenant.fault('cdr', 'rpc_error', { params: { mnemonic: 'access_token_blocked' } });
  await assert.rejects(tenant.dataApi().legs(...DAY), { message: 'access_token_blocked' });
});

test('a used up hour is waited for', async (context) => {
  const tenant = await Tenant.make(context, { world: 'empty', now: '2026-03-02T12:00:00' });
  const call = await tenant.api('POST', '/calls', { start: '2026-03-02T11:00:00' });
  await tenant.fault('onec', 'limit_reached', { operation: 'GetHistoryOfServiceCalls' });
  const rows = await (await tenant.serviceCalls()).rows(...PERIOD);
  assert.deepEqual(rows.map((row) => row.CallID), [call.onec.CallID]);
  assert.equal((await tenant.api('GET', '/clock')).now, '2026-03-02T13:00:00');
});

test('three providers tell of the same call', async (context) => {
  const tenant = await Tenant.make(context, { world: 'empty', now: '2026-03-02T12:00:00' });
  const pin = { start: '2026-03-02T11:00:00', operator: '101', talk_seconds: 75 };
  const call = await tenant.api('POST', '/calls', pin);
  const [operator] = tenant.arm.operators;
  const url = `${tenant.arm.url.replace('http', 'ws')}/${tenant.arm.domain}/service/cc/arm`;
  const workplace = await Workplace.open(url, operator.number, operator.password);
  context.after(() => workplace.close());
  const merged = merge(
    await tenant.dataApi().legs(...DAY),
    await workplace.rows('2026/03/02 00:00:00'),
    await (await tenant.serviceCalls()).rows(...PERIOD),
  );
  assert.deepEqual([...merged.keys()], [call.cdr.call_session_id]);
  const [shown] = merged.values();
  assert.equal(shown.callId, call.onec.CallID);
  assert.deepEqual(shown.callRefs, call.arm.map((row) => row.call_ref));
  const { entries } = await tenant.api('GET', '/journal');
  assert.deepEqual(entries.filter((entry) => entry.violations.length > 0), []);
});
