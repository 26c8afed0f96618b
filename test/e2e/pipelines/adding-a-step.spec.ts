import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(CHECKOUT + path, 'utf8');

test('the worked example of adding-a-step.md is the code, file by file', () => {
  const page = read('docs/adding-a-step.md');
  const shown = [...page.matchAll(/^`([a-z/.-]+\.ts)`:\n\n```ts\n([\s\S]*?)```$/gm)];
  expect(shown.map(([, path]) => path)).toEqual([
    'libs/pipeline/src/step-types/noop/noop.step-type.ts',
    'libs/pipeline/src/step-types/noop/noop.examples.ts',
    'activities/src/noop/noop.step.ts',
    'activities/src/noop/noop.fixture.ts',
    'test/support/step-types/noop/noop.story.ts',
  ]);
  for (const [, path = '', code] of shown) expect(code).toBe(read(path));
});

test.each([
  ['libs/pipeline/src/step-types/step-types.generated.ts', 'NOOP,'],
  ['activities/src/steps.generated.ts', "['noop@1', createNoopStep],"],
  ['activities/src/testing/fixtures.generated.ts', 'NOOP_FIXTURE,'],
  ['test/support/step-types/stories.generated.ts', '...NOOP_STORIES,'],
])('the build registers it in %s', (path, line) => {
  expect(read(path)).toContain(`  ${line}\n`);
});

test('every file that the page names is there', () => {
  const page = read('docs/adding-a-step.md');
  for (const [, path = ''] of page.matchAll(
    /`((?:activities|libs|apps|temporal|test|workflows)\/[\w./-]+\.ts)`/g,
  )) {
    expect(() => read(path)).not.toThrow();
  }
});
