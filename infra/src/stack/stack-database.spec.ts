import { expect, test } from '@jest/globals';
import { rethrowMismatch } from './stack-database.ts';

test('data of another version: the reader is told of --reset, why stands in the cause', () => {
  const mismatch = Object.assign(new Error('0001 was changed after it was applied'), {
    code: 'migration-mismatch',
  });
  expect(() => rethrowMismatch(mismatch)).toThrow(
    expect.objectContaining({
      code: 'stack-data-other-version',
      message: expect.stringContaining('--reset'),
      cause: mismatch,
    }),
  );
  const other = new Error('no connection');
  expect(() => rethrowMismatch(other)).toThrow(other);
});
