import { expect, test } from '@jest/globals';
import { readSettings, type SettingsError } from './settings.ts';

const whole = {
  SLUICE_DATABASE_URL: 'postgres://sluice_app:x@localhost/sluice',
  SLUICE_TEMPORAL_ADDRESS: 'localhost:7233',
  SLUICE_CODEC_KEYS: 'keys/codec.json',
  SLUICE_EVIDENCE_DIR: '/data/evidence',
  SLUICE_CONFIG: 'sluice.config.yaml',
  SLUICE_TRUST_ROOT: 'trust-root.json',
};

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readSettings(env, '/srv');
    return [];
  } catch (error) {
    return (error as SettingsError).message.split('\n');
  }
}

test('paths are taken from the working folder, the namespace has a default', () => {
  expect(readSettings(whole, '/srv')).toMatchObject({
    temporalAddress: 'localhost:7233',
    temporalNamespace: 'sluice',
    codecKeysFile: '/srv/keys/codec.json',
    evidenceDir: '/data/evidence',
  });
});

test.each([
  [
    'SLUICE_TEMPORAL_ADDRESS',
    ['', 'localhost', 'localhost:', 'localhost:0', 'a:70000', 'http://a:1', 'a b:1'],
  ],
  ['SLUICE_TEMPORAL_NAMESPACE', ['', 'x', 'a b', '-a', 'x'.repeat(64)]],
  ['SLUICE_CODEC_KEYS', ['']],
  ['SLUICE_PUBLIC_URL', ['sluice.example', 'https://sluice.example/path']],
  ['SLUICE_API_PORT', ['http', '-1', '70000', '1.5']],
])('%s of another form is one line that names it', (name, values) => {
  for (const value of values) {
    expect([value, problemsOf({ ...whole, [name]: value })]).toEqual([
      value,
      [expect.stringContaining(name)],
    ]);
  }
});

test.each(['127.0.0.1:7233', '[::1]:7233', 'temporal.internal:443'])(
  'the address %s is taken',
  (address) => {
    expect(problemsOf({ ...whole, SLUICE_TEMPORAL_ADDRESS: address })).toEqual([]);
  },
);
