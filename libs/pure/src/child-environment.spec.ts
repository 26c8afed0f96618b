import { expect, test } from '@jest/globals';
import { childEnvironment } from './child-environment.ts';

test('a child gets what it needs to run, and no token or credential of any service', () => {
  const plain = { PATH: '/bin', HOME: '/home/a', LC_ALL: 'C', NODE_OPTIONS: '--x', NO_COLOR: '1' };
  const secret = {
    SLUICE_TOKEN: 'a',
    SLUICE_TOKEN_FILE: 'b',
    SLUICE_CODEC_KEYS: 'c',
    AWS_SECRET_ACCESS_KEY: 'd',
    GOOGLE_APPLICATION_CREDENTIALS: 'e',
    GITHUB_TOKEN: 'f',
    npm_config__authToken: 'g',
    PATHS: 'h',
    XPATH: 'i',
  };
  expect(childEnvironment({ ...plain, ...secret, TERM: undefined })).toEqual(plain);
  expect(childEnvironment({ ...plain, ...secret, HTTPS_PROXY: 'p' }, /^HTTPS_PROXY$/)).toEqual({
    ...plain,
    HTTPS_PROXY: 'p',
  });
});
