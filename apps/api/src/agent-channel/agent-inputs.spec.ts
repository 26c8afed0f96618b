import { expect, test } from '@jest/globals';
import {
  assertInput,
  BlobInput,
  CommandsInput,
  EnrolInput,
  HeartbeatInput,
  ReportInput,
} from './agent.inputs.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const enrol = { token: 't', publicKey: 'k', version: '1' };
const heartbeat = { version: '1', activeRelease: digest, lastSequence: 0 };
const commands = { after: 0, waitSeconds: 25 };
const envelope = { payloadType: 'x', payload: 'eHg=', signatures: [{ sig: 'eHg=' }] };

test.each([
  ['enrol', EnrolInput, enrol],
  ['heartbeat', HeartbeatInput, heartbeat],
  ['heartbeat of an empty target', HeartbeatInput, { ...heartbeat, activeRelease: null }],
  ['commands', CommandsInput, commands],
  ['blob', BlobInput, { digest }],
  ['report', ReportInput, { envelope }],
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
  ['envelope', ReportInput, { envelope: 'x' }],
  ['envelope', ReportInput, { envelope: { ...envelope, payload: '%%%' } }],
  ['envelope', ReportInput, { envelope: { ...envelope, signatures: [] } }],
  ['envelope', ReportInput, { envelope: { ...envelope, signatures: [{ sig: 5 }] } }],
])('a wrong %s is refused by name', (field, type, value) => {
  expect(() => assertInput<object>(type, value, 'body-malformed')).toThrow(
    expect.objectContaining({ message: expect.stringContaining(field) }),
  );
});
