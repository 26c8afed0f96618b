import { expect, test } from '@jest/globals';
import type { Outcome } from '@sluice/domain';
import {
  parseCommandsQuery,
  parseCommandsResponse,
  parseEnrolRequest,
  parseErrorResponse,
  parseHeartbeatRequest,
  parseProbesRequest,
  parseReportRequest,
} from './messages.ts';

function codeOf(outcome: Outcome<unknown>): string {
  return outcome.ok ? 'ok' : outcome.refusal.code;
}

test.each([
  ['enrol', parseEnrolRequest, { token: 't', publicKey: 'k', version: '1' }],
  ['heartbeat', parseHeartbeatRequest, { version: '1', activeRelease: null, lastSequence: 0 }],
  ['report', parseReportRequest, { envelope: {} }],
  ['probes', parseProbesRequest, { samples: [] }],
  ['commands', parseCommandsResponse, { commands: [] }],
  ['error', parseErrorResponse, { code: 'c', message: '' }],
])('%s: its form is taken, nothing else is', (_, parse, good) => {
  expect(parse(JSON.stringify(good))).toEqual({ ok: true, value: good });
  expect(codeOf(parse(JSON.stringify({ ...good, more: 1 })))).toBe('body-malformed');
  for (const name of Object.keys(good)) {
    const { [name]: _value, ...rest } = good as Record<string, unknown>;
    expect(codeOf(parse(JSON.stringify(rest)))).toBe('body-malformed');
    expect(codeOf(parse(JSON.stringify({ ...good, [name]: 17.5 })))).toBe('body-malformed');
  }
  for (const odd of ['', '[]', 'null', '1', '{', `${JSON.stringify(good)}x`]) {
    expect(codeOf(parse(odd))).toBe('body-malformed');
  }
});

test('the query of the poll', () => {
  expect(parseCommandsQuery({})).toEqual({ ok: true, value: { after: 0, waitSeconds: 0 } });
  expect(parseCommandsQuery({ after: '7', wait: '25' })).toEqual({
    ok: true,
    value: { after: 7, waitSeconds: 25 },
  });
  for (const odd of [
    { wait: '26' },
    { after: '-1' },
    { after: '01' },
    { after: ['1'] },
    { wait: '' },
  ]) {
    expect(codeOf(parseCommandsQuery(odd))).toBe('query-malformed');
  }
});

test('samples are read one by one', () => {
  const sample = {
    ...{ sampledAt: '2026-11-22T10:00:00Z', seconds: 5, requests: 50, errors: 1 },
    ...{ p50Ms: 1.5, p90Ms: null, p99Ms: null, activeRelease: null },
  };
  const read = (changed: object) =>
    codeOf(parseProbesRequest(JSON.stringify({ samples: [{ ...sample, ...changed }] })));
  expect(read({})).toBe('ok');
  for (const wrong of [
    { sampledAt: 'now' },
    { seconds: 0 },
    { seconds: 61 },
    { requests: 60_001 },
    { errors: 51 },
    { p50Ms: -1 },
    { p90Ms: 1e9 },
    { activeRelease: 'x' },
    { more: 1 },
  ]) {
    expect(read(wrong)).toBe('body-malformed');
  }
});
