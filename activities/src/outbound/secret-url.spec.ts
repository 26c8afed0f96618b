import { expect, test } from '@jest/globals';
import { maskHeader } from './answer-body.ts';
import { listUrlSecrets } from './secret-url.ts';

const HOOK = 'https://hooks.example/services/T0000000/B0/sEcRet%2Ftoken?key=an0therSecret&v=1';
const secrets = listUrlSecrets(HOOK);
const shown = (text: string): string => maskHeader(text, secrets);

test.each([
  HOOK,
  'Cannot POST /services/T0000000/B0/sEcRet%2Ftoken?key=an0therSecret&v=1',
  'Cannot POST /services/T0000000/B0/sEcRet%2Ftoken',
  '/elsewhere/sEcRet%2Ftoken/',
  'no such token: sEcRet/token',
  'the key an0therSecret is revoked',
  '{"team":"T0000000"}',
])('nothing of a secret URL is seen in %s', (text) => {
  expect(shown(text)).not.toMatch(/sEcRet|an0ther|T0000000/);
  expect(shown(text)).toContain('***');
});

test('what stands in every text is left alone', () => {
  expect(shown('services of hooks v=1 at https://hooks.example/')).toContain('hooks v=1 at https');
  expect(listUrlSecrets('https://hooks.example/')).toEqual(['https://hooks.example/']);
  expect(listUrlSecrets('https://hooks.example/v1')).not.toContain('/v1');
  expect(listUrlSecrets('https://hooks.example/hunter2')).toContain('/hunter2');
});

test('whatever the secret holds, it is hidden itself, and the list has an end', () => {
  expect(listUrlSecrets('no URL')).toEqual(['no URL']);
  expect(listUrlSecrets('https://a.example/%E0%A4%A/abcdefgh')).toContain('abcdefgh');
  const long = `https://a.example/${Array.from({ length: 900 }, (_, at) => `part${at + 1000}`).join('/')}`;
  expect(listUrlSecrets(long).length).toBeLessThan(110);
});
