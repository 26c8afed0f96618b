import { expect, test } from '@jest/globals';
import { findReleaseStep, listMadeReleaseProblems, type ReleaseStep } from './made-release.ts';

const build: ReleaseStep = { id: 'build', type: 'build@1', needs: [] };
const release: ReleaseStep = { id: 'release', type: 'release@1', needs: ['build'] };
const gate: ReleaseStep = { id: 'gate', type: 'gate@1', needs: ['release'] };
const plan: ReleaseStep = { id: 'plan', type: 'plan@1', needs: ['release'] };
const approve: ReleaseStep = { id: 'approve', type: 'approval@1', needs: ['plan'] };
const deploy: ReleaseStep = { id: 'deploy', type: 'deploy@1', needs: ['gate', 'approve'] };
const verify: ReleaseStep = { id: 'verify', type: 'verify@1', needs: ['deploy'] };
const tell: ReleaseStep = { id: 'tell', type: 'notify@1', needs: [] };
const SOUND = [build, release, gate, plan, approve, deploy, verify, tell];

/** Codes of a pipeline in which one step is another. */
function codesWith(changed: Partial<ReleaseStep> & { readonly id: string }): readonly string[] {
  const steps = SOUND.map((step) => (step.id === changed.id ? { ...step, ...changed } : step));
  return listMadeReleaseProblems(steps).map(({ code, stepId }) => `${stepId}: ${code}`);
}

test('a release that is made before everything that works on it is sound', () => {
  expect(listMadeReleaseProblems(SOUND)).toEqual([]);
  expect(findReleaseStep(SOUND)).toBe(release);
});

test('a pipeline that makes none is asked nothing', () => {
  const steps = SOUND.filter((step) => step !== release);
  expect(findReleaseStep(steps)).toBeUndefined();
  expect(listMadeReleaseProblems(steps)).toEqual([]);
});

test.each(['gate', 'plan', 'approve', 'deploy', 'verify'])(
  '%s may not begin before the release is made',
  (id) => {
    expect(codesWith({ id, needs: [] })).toContain(`${id}: release-not-made-yet`);
  },
);

test('needs through steps of any type count', () => {
  expect(codesWith({ id: 'tell', needs: ['release'] })).toEqual([]);
  const steps = SOUND.map((step) => (step === plan ? { ...plan, needs: ['tell'] } : step));
  expect(listMadeReleaseProblems(steps).map(({ stepId }) => stepId)).toEqual(['plan', 'approve']);
});

test.each<[string, Partial<ReleaseStep>, string]>([
  ['a condition', { if: 'true' }, 'release-made-uncertainly'],
  ['another time', { when: 'always' }, 'release-made-uncertainly'],
  ['tolerance', { continueOnFailure: true }, 'release-made-uncertainly'],
  [
    'a matrix',
    {
      matrix: { over: { values: [1] }, maxParallel: 1, failFast: false, policy: 'all' },
    },
    'release-made-in-matrix',
  ],
])('%s on the step that makes it is refused', (_what, changed, code) => {
  expect(codesWith({ id: 'release', ...changed })).toEqual([`release: ${code}`]);
});

test('what says the default says nothing', () => {
  expect(codesWith({ id: 'release', when: 'success', continueOnFailure: false })).toEqual([]);
});

test('a second release is refused, also in another branch', () => {
  const second = { id: 'second', type: 'release@1' as const, needs: ['verify'] };
  const [problem, ...others] = listMadeReleaseProblems([...SOUND, second]);
  expect(problem).toMatchObject({ code: 'release-made-twice', stepId: 'second' });
  expect(others).toEqual([]);
});

test('a chain of 5,000 steps and a fan of 5,000 are looked at in moments', () => {
  const chain: ReleaseStep[] = Array.from({ length: 5000 }, (_, at) => ({
    id: `s${at}`,
    type: at === 0 ? 'release@1' : 'plan@1',
    needs: at === 0 ? [] : [`s${at - 1}`],
  }));
  const fan = chain.map((step, at) => (at === 0 ? step : { ...step, needs: ['s0'] }));
  const began = performance.now();
  expect(listMadeReleaseProblems(chain)).toEqual([]);
  expect(listMadeReleaseProblems(fan)).toEqual([]);
  expect(performance.now() - began).toBeLessThan(2000);
});
