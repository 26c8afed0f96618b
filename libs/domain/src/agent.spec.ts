import { describe, expect, test } from '@jest/globals';
import type { AgentCommand, AgentMemory, ReportStage } from './agent-command.ts';
import { admitCommand, COMMAND_SCHEMA, isFinalStage, REPORT_STAGES } from './agent-command.ts';
import { agentStateAt } from './agent-state.ts';

const NOW = Date.parse('2030-01-01T12:00:00Z');
const memory: AgentMemory = {
  tenantId: 'acme',
  target: 'host-1',
  agentKeyId: 'sha256:key',
  lastSequence: 4,
  highestFencingToken: 7,
};
const command: AgentCommand = {
  schema: COMMAND_SCHEMA,
  tenantId: 'acme',
  target: 'host-1',
  agentKeyId: 'sha256:key',
  sequence: 5,
  fencingToken: 7,
  kind: 'deploy',
  promotionId: 'dev/1',
  releaseDigest: 'sha256:release',
  planDigest: 'sha256:plan',
  payloadDigest: 'sha256:payload',
  notBefore: '2030-01-01T11:59:00Z',
  expiresAt: '2030-01-01T12:05:00Z',
  idempotencyKey: 'dev/1:deploy:host-1',
};

function codeOf(
  changes: Partial<AgentCommand>,
  now = NOW,
  remembered: Partial<AgentMemory> = {},
): string {
  const outcome = admitCommand({ ...command, ...changes }, { ...memory, ...remembered }, now);
  return outcome.ok ? 'ok' : outcome.refusal.code;
}

describe('admitCommand', () => {
  test('admits a command that is new, meant for this agent and valid now', () => {
    expect(admitCommand(command, memory, NOW)).toEqual({ ok: true, value: command });
  });

  test.each<readonly [string, string, Partial<AgentCommand>]>([
    ['command-foreign', 'of another tenant', { tenantId: 'beta' }],
    ['command-foreign', 'for another target', { target: 'host-2' }],
    ['command-foreign', 'for another key', { agentKeyId: 'sha256:other' }],
    ['command-replayed', 'that was the last one', { sequence: 4 }],
    ['command-replayed', 'older than the last one', { sequence: 0 }],
    ['command-replayed', 'with a negative sequence', { sequence: -1 }],
    ['command-malformed', 'whose sequence is no number', { sequence: Number.NaN }],
    ['command-malformed', 'whose sequence is no whole number', { sequence: 5.5 }],
    ['command-malformed', 'whose sequence has no end', { sequence: Number.POSITIVE_INFINITY }],
    ['command-malformed', 'beyond exact numbers', { sequence: 2 ** 53 }],
    ['command-malformed', 'whose sequence is a text', { sequence: '9' as unknown as number }],
    ['command-fenced-off', 'of an earlier holder', { fencingToken: 6 }],
    ['command-malformed', 'whose token is no number', { fencingToken: Number.NaN }],
    ['command-malformed', 'whose token is no whole number', { fencingToken: 7.5 }],
    ['command-malformed', 'whose token has no end', { fencingToken: Number.POSITIVE_INFINITY }],
    ['command-not-yet-valid', 'of the future', { notBefore: '2030-01-01T12:00:01Z' }],
    ['command-not-yet-valid', 'with a beginning that is no date', { notBefore: 'soon' }],
    ['command-not-yet-valid', 'with an empty beginning', { notBefore: '' }],
    ['command-expired', 'of the past', { expiresAt: '2030-01-01T11:59:59Z' }],
    ['command-expired', 'that ends this moment', { expiresAt: '2030-01-01T12:00:00Z' }],
    ['command-expired', 'with an end that is no date', { expiresAt: 'never' }],
    ['command-expired', 'with an empty end', { expiresAt: '' }],
  ])('refuses with %s a command %s', (code, _what, changes) => {
    expect(codeOf(changes)).toBe(code);
  });

  test('a clock that is none admits nothing', () => {
    expect(codeOf({}, Number.NaN)).toBe('command-not-yet-valid');
  });

  test('a memory that is none admits nothing', () => {
    expect(codeOf({}, NOW, { lastSequence: Number.NaN })).toBe('command-replayed');
    expect(codeOf({}, NOW, { highestFencingToken: Number.NaN })).toBe('command-fenced-off');
  });

  test('is valid from its first moment on, and a gap or a higher token is fine', () => {
    expect(codeOf({ notBefore: '2030-01-01T12:00:00Z' })).toBe('ok');
    expect(codeOf({ sequence: 99, fencingToken: 100 })).toBe('ok');
    expect(codeOf({}, NOW, { lastSequence: 0, highestFencingToken: 0 })).toBe('ok');
  });
});

test('exactly the last three stages are final', () => {
  const final = REPORT_STAGES.filter((stage: ReportStage) => isFinalStage(stage));
  expect(final).toEqual(['confirmed', 'reverted', 'refused']);
});

describe('agentStateAt', () => {
  test.each([
    [0, 'online'],
    [29.999, 'online'],
    [30, 'stale'],
    [59.999, 'stale'],
    [60, 'offline'],
    [86_400, 'offline'],
    [-5, 'online'],
  ])('%s s after its heartbeat an agent is %s', (seconds, state) => {
    expect(agentStateAt(NOW - seconds * 1000, NOW)).toBe(state);
  });

  test('an agent that was never heard, or at no time, is offline', () => {
    expect(agentStateAt(undefined, NOW)).toBe('offline');
    expect(agentStateAt(Number.NaN, NOW)).toBe('offline');
    expect(agentStateAt(NOW, Number.NaN)).toBe('offline');
  });

  test('the settings decide', () => {
    const settings = { heartbeatSeconds: 1, staleSeconds: 2, offlineSeconds: 3 };
    expect(agentStateAt(NOW - 2500, NOW, settings)).toBe('stale');
  });
});
