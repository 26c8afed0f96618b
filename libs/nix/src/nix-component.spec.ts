import { expect, test } from '@jest/globals';
import { canonicalJson, digestOf, digestOfBytes } from '@sluice/pure';
import {
  composeNixComponent,
  MAX_NIX_COMPONENT_BYTES,
  type NixComponent,
  parseNixComponent,
  storeDirOfComponent,
} from './nix-component.ts';

const good = composeNixComponent(
  {
    storePath: '/nix/store/0c5b7z3kq2m9v1x8y6w4r2n0s5d7f9g1-shop-1.4.0',
    narHash: digestOfBytes('nar'),
    narSize: 120,
  },
  { digest: digestOfBytes('closure'), size: 4096 },
);

function read(value: unknown): NixComponent {
  const text = canonicalJson(value);
  return parseNixComponent(Buffer.from(text), digestOfBytes(text));
}

test('a document is read as it was composed, and its digest binds every member', () => {
  expect(read(good)).toEqual(good);
  expect(storeDirOfComponent(good)).toBe('/nix/store');
  const others = [
    { ...good, storePath: good.storePath.replace('shop', 'ship') },
    { ...good, narHash: digestOfBytes('other') },
    { ...good, narSize: 121 },
    composeNixComponent(good, { digest: digestOfBytes('other'), size: 4096 }),
    composeNixComponent(good, { digest: good.closure.digest, size: 4097 }),
  ];
  expect(new Set([good, ...others].map(digestOf)).size).toBe(others.length + 1);
});

test.each<[string, unknown]>([
  ['no object', []],
  ['null', null],
  ['another schema', { ...good, schema: 'sluice.nix-component/v2' }],
  ['a member more', { ...good, note: 'x' }],
  ['a member less', { ...good, narSize: undefined }],
  ['a path of no store', { ...good, storePath: '/etc/passwd' }],
  ['a path that climbs', { ...good, storePath: '/nix/../0c5b7z3kq2m9v1x8y6w4r2n0s5d7f9g1-a' }],
  ['a path below a store path', { ...good, storePath: `${good.storePath}/bin` }],
  ['a NAR hash in another form', { ...good, narHash: 'sha256-47DEQpj8' }],
  ['no size', { ...good, narSize: 0 }],
  ['a size that is none', { ...good, narSize: 1.5 }],
  ['another archive', { ...good, closure: { ...good.closure, mediaType: 'application/x-tar' } }],
  ['a member more of its archive', { ...good, closure: { ...good.closure, url: 'http://x' } }],
])('%s is refused', (_what, value) => {
  expect(() => read(value)).toThrow(expect.objectContaining({ code: 'component-invalid' }));
});

test('bytes of another digest, in another form, or too many of them are refused', () => {
  const text = canonicalJson(good);
  const spaced = JSON.stringify(good, null, 1);
  const long = `${text}${' '.repeat(MAX_NIX_COMPONENT_BYTES)}`;
  for (const [bytes, digest] of [
    [text, digestOfBytes('else')],
    [spaced, digestOfBytes(spaced)],
    [long, digestOfBytes(long)],
    ['{', digestOfBytes('{')],
  ] as const) {
    expect(() => parseNixComponent(Buffer.from(bytes), digest)).toThrow(
      expect.objectContaining({ name: 'NixError', code: 'component-invalid' }),
    );
  }
});
