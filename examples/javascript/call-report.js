// The calls of a day as three providers tell them: read page by page, tried again, merged.

import { BasicAuthSecurity, createClientAsync } from 'soap';
import WebSocket from 'ws';

const PAGE = 1000;
const TRIES = 5;
const HEADER_BYTES = { request: 48, response: 19 };

export class ProviderError extends Error {}

/** An error that goes by itself after some seconds. */
export class PassingError extends ProviderError {
  constructor(text, seconds) {
    super(text);
    this.seconds = seconds;
  }
}

async function retry(sleep, attempt) {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingError) || left === 0) throw error;
      await sleep(error.seconds);
    }
  }
}

export class DataApi {
  constructor(url, token, sleep) {
    Object.assign(this, { url, token, sleep });
  }

  /** All call legs that started in a window. */
  async legs(since, till) {
    const found = [];
    for (;;) {
      const page = await retry(this.sleep, () => this.#page(since, till, found.length));
      found.push(...page.data);
      if (page.data.length === 0 || found.length >= page.metadata.total_items) return found;
    }
  }

  async #page(since, till, offset) {
    const params = { access_token: this.token, date_from: since, date_till: till, limit: PAGE, offset };
    const request = { jsonrpc: '2.0', id: 1, method: 'get.call_legs_report', params };
    let response;
    try {
      response = await fetch(this.url, { method: 'POST', body: JSON.stringify(request) });
    } catch (error) {
      throw new PassingError(error.message, 5);
    }
    if ([502, 503, 504].includes(response.status)) throw new PassingError(`status ${response.status}`, 5);
    const answer = await response.json();
    if (answer.result) return answer.result;
    const { mnemonic } = answer.error.data;
    throw mnemonic === 'limit_exceeded' ? new PassingError(mnemonic, 60) : new ProviderError(mnemonic);
  }
}

/** The ARM over a websocket: one frame a message, answers matched by id. */
export class Workplace {
  #waiting = new Map();
  #lastId = 0;

  static async open(url, number, password) {
    const workplace = new Workplace();
    workplace.socket = new WebSocket(url, { headers: basic(number, password) });
    workplace.socket.on('message', (data) => workplace.#receive(data));
    await new Promise((resolve, reject) => {
      workplace.socket.once('open', resolve);
      workplace.socket.once('error', reject);
    });
    return workplace;
  }

  close() {
    this.socket.close();
  }

  /** An operator's calls, newest first, page by page behind the tag. */
  async rows(since) {
    const found = [];
    let filters = { limit: '50', offset: '0', from_date: since };
    for (;;) {
      const history = await this.#send('operator_call_history', filters);
      const page = (history._content ?? []).map((row) => row._attributes);
      if (page.length === 0) return found;
      found.push(...page);
      filters = { ...filters, tag: history._attributes.tag };
    }
  }

  async #send(command, filters) {
    const request = { _name: 'request', _content: [{ _name: 'filters', _attributes: filters }] };
    const body = Buffer.from(JSON.stringify([{ _name: 'in', _content: [request] }]));
    this.#lastId = (this.#lastId + 1) % 10000;
    const id = String(this.#lastId).padStart(4, '0');
    const length = String(HEADER_BYTES.request + body.length).padStart(10, '0');
    const header = `01${length}${id}${command.padEnd(32)}`;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.socket.send(Buffer.concat([Buffer.from(header), body]));
    const [root] = await answer;
    const [first] = root._content;
    if (first._name === 'error') throw new ProviderError(first._attributes.reason);
    return first._content[0];
  }

  #receive(data) {
    const id = data.subarray(12, 16).toString();
    this.#waiting.get(id)?.(JSON.parse(data.subarray(HEADER_BYTES.response)));
    this.#waiting.delete(id);
  }
}

/** 1C-Connect by the npm package `soap`. */
export class ServiceCalls {
  static async open(url, user, password, sleep) {
    const calls = new ServiceCalls();
    calls.sleep = sleep;
    calls.soap = await createClientAsync(`${url}?wsdl`, { wsdl_headers: basic(user, password) });
    calls.soap.setSecurity(new BasicAuthSecurity(user, password));
    return calls;
  }

  /** Calls on the partner's lines that began in a period; cells by their column's name. */
  rows(since, till) {
    return retry(this.sleep, () => this.#call(since, till));
  }

  async #call(since, till) {
    const property = (name, text) =>
      `<Property xmlns="http://v8.1c.ru/8.1/data/core" name="${name}"><Value
        xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
        xsi:type="xs:dateTime">${text}</Value></Property>`;
    const xml = `<GetHistoryOfServiceCalls xmlns="http://buhphone.com/PartnerWebAPI2"><Params>${
      property('PeriodFrom', since)}${property('PeriodTo', till)}</Params></GetHistoryOfServiceCalls>`;
    const [answer] = await this.soap.GetHistoryOfServiceCallsAsync({ _xml: xml });
    const values = Object.fromEntries(
      answer.return.Property.map((each) => [each.attributes.name, each.Value]),
    );
    const code = text(values.ResultCode);
    if (code === 'OUT_OF_LIMIT') throw new PassingError(code, 3600);
    if (code !== 'SUCCESS') throw new ProviderError(`${code}: ${text(values.ResultData)}`);
    const names = list(values.ResultData.column).map((column) => column.Name);
    return list(values.ResultData.row).map((row) =>
      Object.fromEntries(list(row.Value).map((cell, index) => [names[index], text(cell)])));
  }
}

function basic(user, password) {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function list(value) {
  return value === undefined ? [] : [value].flat();
}

function text(value) {
  return typeof value === 'object' && value !== null && !(value instanceof Date) ? value.$value : value;
}

/** Join the answered calls by the moment of the answer, the number and the length. */
export function merge(legs, rows, calls) {
  const refs = new Map();
  for (const row of rows) {
    const key = `${row.answer_time.replaceAll('/', '-')} ${row.remote_digits}`;
    refs.set(key, [...(refs.get(key) ?? []), row.call_ref]);
  }
  const merged = new Map();
  for (const leg of legs) {
    if (!leg.is_operator || leg.connect_time === null || leg.is_coach) continue;
    // seen from the exchange: of an incoming call it called the operator
    const phone = leg.direction === 'out' ? leg.calling_phone_number : leg.called_phone_number;
    const session = leg.call_session_id;
    const call = merged.get(session) ?? { answered: leg.connect_time, phone, seconds: 0, callRefs: [], callId: null };
    call.seconds += leg.duration;
    call.callRefs.push(...(refs.get(`${leg.connect_time} ${phone}`) ?? []));
    merged.set(session, call);
  }
  for (const call of merged.values()) {
    const same = calls.find((row) => {
      // 1C adds up all talk of a call before it cuts off to seconds, CDR each leg's
      const more = Number(row.Duration) - call.seconds;
      return row.CallTime.replace('T', ' ') === call.answered && more >= 0 && more <= 3;
    });
    call.callId = same?.CallID ?? null;
  }
  return merged;
}
