import { expect, test } from '@jest/globals';
import type { Request } from 'express';
import { readSettings } from '../settings.ts';
import { signedForm } from './authenticate-agent.ts';

const request = {
  method: 'POST',
  protocol: 'http',
  originalUrl: '/agent/v1/heartbeat?x=1',
  headers: { host: 'api.internal:7070' },
} as unknown as Request;

const environment = {
  SLUICE_DATABASE_URL: 'postgres://sluice_app@db/sluice',
  SLUICE_TEMPORAL_ADDRESS: 'temporal:7233',
  SLUICE_CODEC_KEYS: 'codec-keys.json',
  SLUICE_EVIDENCE_DIR: 'evidence',
  SLUICE_CONFIG: 'sluice.config.yaml',
  SLUICE_TRUST_ROOT: 'trust-root.json',
};

test('the signed address is the one that the agent called, also behind a proxy that ends TLS', () => {
  expect(signedForm(request, null).url).toBe('http://api.internal:7070/agent/v1/heartbeat?x=1');
  const behind = signedForm(request, new URL('https://sluice.example'));
  expect(behind.url).toBe('https://sluice.example/agent/v1/heartbeat?x=1');
});

test('a public URL is scheme and host and nothing else', () => {
  const read = (url: string) => readSettings({ ...environment, SLUICE_PUBLIC_URL: url }, '/');
  expect(read('').publicUrl).toBeNull();
  expect(read('https://sluice.example:8443').publicUrl?.host).toBe('sluice.example:8443');
  for (const wrong of [
    'sluice.example',
    'ftp://x',
    'https://x/path',
    'https://u:p@x',
    'https://x/?q',
  ]) {
    expect(() => read(wrong)).toThrow(/SLUICE_PUBLIC_URL/);
  }
});
