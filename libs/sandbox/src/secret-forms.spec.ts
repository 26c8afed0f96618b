import { expect, test } from '@jest/globals';
import { LogMasker, maskSecrets } from './log-masker.ts';
import { listSecretForms } from './secret-forms.ts';

const SECRET = 'p@ss "word"/ö+1';
const bytes = Buffer.from(SECRET);

test.each<[string, string]>([
  ['as it is', SECRET],
  ['in Base64', bytes.toString('base64')],
  ['in Base64 for URLs', bytes.toString('base64url')],
  ['in Base64 in a URL', encodeURIComponent(bytes.toString('base64'))],
  ['percent-encoded', encodeURIComponent(SECRET)],
  [
    'percent-encoded in small letters',
    encodeURIComponent(SECRET).replace(/%../g, (c) => c.toLowerCase()),
  ],
  ['in a form', new URLSearchParams({ a: SECRET }).toString().slice(2)],
  ['in JSON', JSON.stringify(SECRET).slice(1, -1)],
  ['in hexadecimal', bytes.toString('hex')],
  ['in HEXADECIMAL', bytes.toString('hex').toUpperCase()],
])('a secret is masked %s, whole and byte by byte', (_how, shown) => {
  expect(maskSecrets(`before ${shown} after`, [SECRET])).toBe('before *** after');
  const masker = new LogMasker([bytes]);
  const pieces = [...Buffer.from(`${shown} after`)].map((byte) => masker.push(Buffer.from([byte])));
  expect(Buffer.concat([...pieces, masker.end()]).toString()).toBe('*** after');
});

test.each([0, 1, 2, 3, 4])('a secret behind %d bytes within Base64 shows nothing', (length) => {
  const before = 'user:'.slice(0, length);
  for (const after of ['', '\n', ' and more']) {
    const encoded = Buffer.from(`${before}${SECRET}${after}`).toString('base64');
    const shown = maskSecrets(encoded, [SECRET]);
    expect(shown).toContain('***');
    // What is shared with its neighbours may be seen: less than a byte at each end.
    const rest = shown.replace('***', '').replaceAll('=', '');
    expect(rest.length).toBeLessThanOrEqual(Math.ceil(((length + after.length) * 8) / 6) + 2);
  }
});

test.each([64, 76])('Base64 in lines of %d is masked', (width) => {
  const key = Array.from({ length: 40 }, (_, index) => `line ${index} of a key`).join(' ');
  const lines =
    Buffer.from(key)
      .toString('base64')
      .match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
  expect(maskSecrets(lines.join('\n'), [key])).toMatch(/^(\*\*\*\n)+(\*\*\*|.{1,7})$/);
});

test('one that is added later is masked from then on', () => {
  const masker = new LogMasker([Buffer.from('first-one')]);
  const shown = [masker.push(Buffer.from('first-one second-one '))];
  masker.add(Buffer.from('second-one'));
  shown.push(masker.push(Buffer.from('first-one second-one')), masker.end());
  expect(Buffer.concat(shown).toString()).toBe('*** second-one *** ***');
});

test('short and very long secrets have few forms', () => {
  expect(listSecretForms(Buffer.from('ab')).map(String)).toEqual(['ab']);
  expect(listSecretForms(Buffer.alloc(65_536, 'x'))).toHaveLength(1);
  expect(listSecretForms(Buffer.from('\n'))).toEqual([]);
});
