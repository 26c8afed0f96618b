import { expect, test } from '@jest/globals';
import {
  assertInput,
  BlobInput,
  CommandsInput,
  EnrolInput,
  HeartbeatInput,
  ProbesInput,
  ReportInput,
} from './agent.inputs.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const enrol = { token: 't', publicKey: 'k', version: '1' };
const heartbeat = { version: '1', activeRelease: digest, lastSequence: 0 };
const commands = { after: 0, waitSeconds: 25 };
const sample = {
  sampledAt: '2026-11-22T10:00:00.000Z',
  seconds: 5,
  requests: 50,
  errors: 1,
  p50Ms: 1.5,
  p90Ms: 2,
  p99Ms: null,
  activeRelease: digest,
};
const envelope = { payloadType: 'x', payload: 'eHg=', signatures: [{ sig: 'eHg=' }] };

test.each([
  ['enrol', EnrolInput, enrol],
  ['heartbeat', HeartbeatInput, heartbeat],
  ['heartbeat of an empty target', HeartbeatInput, { ...heartbeat, activeRelease: null }],
  ['commands', CommandsInput, commands],
  ['blob', BlobInput, { digest }],
  ['report', ReportInput, { envelope }],
  ['batch of samples', ProbesInput, { samples: [sample, { ...sample, activeRelease: null }] }],
])('a good %s is taken', (_what, type, value) => {
  expect(() => assertInput<object>(type, value, 'body-malformed')).not.toThrow();
});

/** Every field of every input with a wrong value. */
test.each([
  ['token', EnrolInput, { ...enrol, token: '' }],
  ['token', EnrolInput, { ...enrol, token: 'x'.repeat(2049) }],
  ['publicKey', EnrolInput, { ...enrol, publicKey: null }],
  ['version', EnrolInput, { ...enrol, version: 7 }],
  ['extra', EnrolInput, { ...enrol, extra: 1 }],
  ['version', HeartbeatInput, { ...heartbeat, version: 'x'.repeat(129) }],
  ['activeRelease', HeartbeatInput, { ...heartbeat, activeRelease: 'sha256:a' }],
  ['lastSequence', HeartbeatInput, { ...heartbeat, lastSequence: -1 }],
  ['lastSequence', HeartbeatInput, { ...heartbeat, lastSequence: 0.5 }],
  ['after', CommandsInput, { ...commands, after: Number.NaN }],
  ['waitSeconds', CommandsInput, { ...commands, waitSeconds: 26 }],
  ['digest', BlobInput, { digest: '../../etc/passwd' }],
  ['samples', ProbesInput, { samples: 'x' }],
  ['samples', ProbesInput, { samples: Array.from({ length: 101 }, () => sample) }],
  ['samples', ProbesInput, { samples: [{ ...sample, sampledAt: 'now' }] }],
  ['samples', ProbesInput, { samples: [{ ...sample, seconds: 61 }] }],
  ['samples', ProbesInput, { samples: [{ ...sample, requests: 60_001 }] }],
  ['samples', ProbesInput, { samples: [{ ...sample, errors: -1 }] }],
  ['samples', ProbesInput, { samples: [{ ...sample, p50Ms: 'fast' }] }],
  ['samples', ProbesInput, { samples: [{ ...sample, p90Ms: -1 }] }],
  ['samples', ProbesInput, { samples: [{ ...sample, activeRelease: 'x' }] }],
  ['samples', ProbesInput, { samples: [{ ...sample, more: 1 }] }],
  ['envelope', ReportInput, { envelope: 'x' }],
  ['envelope', ReportInput, { envelope: { ...envelope, payload: '%%%' } }],
  ['envelope', ReportInput, { envelope: { ...envelope, signatures: [] } }],
  ['envelope', ReportInput, { envelope: { ...envelope, signatures: [{ sig: 5 }] } }],
])('a wrong %s is refused by name', (field, type, value) => {
  expect(() => assertInput<object>(type, value, 'body-malformed')).toThrow(
    expect.objectContaining({ message: expect.stringContaining(field) }),
  );
});
