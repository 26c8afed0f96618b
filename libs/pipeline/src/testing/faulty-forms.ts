import type { FaultyPipeline } from './faulty-pipeline.ts';

/** Texts whose form is wrong. */
export const FAULTY_FORMS: readonly FaultyPipeline[] = [
  {
    title: 'nothing',
    text: '',
    problems: ['1:1 text-empty  → Begin with `schema: sluice.pipeline/v2`.'],
  },
  {
    title: 'only a comment',
    text: '# to do\n',
    problems: ['1:1 text-empty  → Begin with `schema: sluice.pipeline/v2`.'],
  },
  {
    title: 'a text instead of an object',
    text: 'hello',
    problems: ['1:1 type-wrong  → Write an object.'],
  },
  {
    title: 'an empty object',
    text: '{}',
    problems: [
      '1:1 field-missing  → Add `schema: sluice.pipeline/v2`.',
      '1:1 field-missing  → Add name.',
      '1:1 field-missing  → Add `version: 1`.',
      '1:1 field-missing  → Add steps.',
    ],
  },
  {
    title: 'an unknown field and one that is near',
    text: 'steps:\n  - {id: a, type: scan@1, need: [b]}\n  - {id: b, type: scan@1}\nfailfast: false\n',
    problems: [
      '5:27 field-unknown steps.a.need → Write needs.',
      '7:1 field-unknown failfast → Write failFast.',
    ],
  },
  {
    title: 'wrong types',
    text: 'steps:\n  - id: 12\n    type: [scan@1]\n    needs: a\n    continueOnFailure: yes\n    timeoutSeconds: "30"\n',
    problems: [
      '5:9 type-wrong steps.0.id → Write "12", with quotes.',
      '6:11 type-wrong steps.0.type → Write a text.',
      '7:12 type-wrong steps.0.needs → Write [a].',
      '8:24 type-wrong steps.0.continueOnFailure → Write true.',
      '9:21 type-wrong steps.0.timeoutSeconds → Write 30, without quotes.',
    ],
  },
  {
    title: 'values that are out of range',
    text: 'steps:\n  - {id: a, type: scan@1, timeoutSeconds: 0, retry: {attempts: 0}}\n  - {id: b, type: scan@1, matrix: {over: {targets: {}}, maxParallel: 0}}\n',
    problems: [
      '5:43 value-range steps.a.timeoutSeconds → Write 1.',
      '5:64 value-range steps.a.retry.attempts → Write 1.',
      '6:70 value-range steps.b.matrix.maxParallel → Write 1.',
    ],
  },
  {
    title: 'names that are no names',
    text: 'steps:\n  - {id: My Step, type: scan}\nparameters:\n  max-size: {schema: {type: integer}}\n',
    problems: [
      '5:10 name-invalid steps.0.id → Write my-step.',
      '5:25 name-invalid steps.0.type → Write scan@1.',
      '7:3 name-invalid parameters.max-size → Write maxSize.',
    ],
  },
  {
    title: 'words that are not taken',
    text: 'steps:\n  - {id: a, type: scan@1, when: onfailure}\n  - {id: b, type: scan@1, matrix: {over: {targets: {}}, policy: most}}\n',
    problems: [
      '5:33 value-unknown steps.a.when → Write onFailure.',
      '6:65 value-unknown steps.b.matrix.policy → Write one of all, partial and minimum.',
    ],
  },
  {
    title: 'steps without what every step has',
    text: 'steps:\n  - type: scan@1\n  - id: b\n  -\n',
    problems: [
      '5:5 field-missing steps.0 → Add id.',
      '6:5 field-missing steps.b → Add its type, such as `type: deploy@1`.',
      '7:4 type-wrong steps.2 → Write it, or take the field out.',
    ],
  },
  { title: 'no steps', text: 'steps: []\n', problems: ['4:8 value-range steps → Add a step.'] },
  {
    title: 'keys that stand twice',
    text: 'steps:\n  - id: a\n    type: scan@1\n    id: b\nsteps: []\n',
    problems: [
      '7:5 yaml-key-twice  → Keep one of them.',
      '8:1 yaml-key-twice  → Keep one of them.',
    ],
  },
  {
    title: 'anchors, aliases and merge keys',
    text: 'steps:\n  - &a {id: a, type: scan@1}\n  - *a\n',
    problems: [
      '5:5 yaml-anchor  → Take it out; share by `extends`, parameters or a sub-pipeline.',
      '6:5 yaml-alias  → Write the value here; share by `extends` or a sub-pipeline.',
    ],
  },
  {
    title: 'a merge key',
    text: 'steps:\n  - id: a\n    type: scan@1\n    <<: {needs: []}\n',
    problems: [
      '7:5 yaml-merge-key  → Write the members here; share by `extends` or a sub-pipeline.',
    ],
  },
  {
    title: 'tags',
    text: 'steps:\n  - {id: !!str a, type: !type scan@1}\n',
    problems: [
      '5:10 yaml-tag  → Take it out; write texts in quotes where they look like numbers.',
      '5:25 yaml-tag  → Take it out; write texts in quotes where they look like numbers.',
    ],
  },
  {
    title: 'a directive',
    text: '%YAML 1.1\n---\nschema: sluice.pipeline/v2\n',
    problems: ['1:1 yaml-directive  → Take it out; pipelines are YAML 1.2.'],
  },
  {
    title: 'two documents',
    text: 'schema: sluice.pipeline/v2\n---\nschema: sluice.pipeline/v2\n',
    problems: ['2:1 yaml-documents  → Put the other one into a file of its own.'],
  },
  {
    title: 'a tab',
    text: 'steps:\n\t- {id: a, type: scan@1}\n',
    problems: ['5:1 yaml-tab  → Indent with spaces.'],
  },
  {
    title: 'a list that has no end',
    text: 'steps:\n  - {id: a, type: scan@1, needs: [b}\n',
    problems: [
      '5:36 yaml-invalid  → Indent the members of one list or object alike.',
      '5:37 yaml-invalid  → Indent the members of one list or object alike.',
    ],
  },
  {
    title: '__proto__',
    text: 'steps:\n  - {id: a, type: scan@1, inputs: {__proto__: {x: 1}}}\n',
    problems: ['5:36 yaml-key-forbidden  → Take it out.'],
  },
  {
    title: 'numbers that no computer keeps',
    text: 'version: 12345678901234567890\nsteps:\n  - {id: a, type: wait@1, inputs: {seconds: 9007199254740993}}\n  - {id: b, type: wait@1, inputs: {seconds: .inf}}\n',
    problems: [
      '1:1 field-missing  → Add `schema: sluice.pipeline/v2`.',
      '1:1 field-missing  → Add name.',
      '1:10 yaml-number-range  → Put it in quotes when it is a text; integers go up to 9007199254740991.',
      '3:45 yaml-number-range  → Put it in quotes when it is a text; integers go up to 9007199254740991.',
      '4:45 yaml-number-range  → Put it in quotes when it is a text; integers go up to 9007199254740991.',
    ],
  },
  {
    title: 'a matrix over two things',
    text: 'steps:\n  - {id: a, type: scan@1, matrix: {over: {values: [1], targets: {}}}}\n  - {id: b, type: scan@1, matrix: {over: {}}}\n',
    problems: [
      '5:42 value-range steps.a.matrix.over → Keep one of targets, values and ref.',
      '6:42 value-range steps.b.matrix.over → Keep one of targets, values and ref.',
    ],
  },
  {
    title: 'schemas of parameters',
    text: 'parameters:\n  a: {schema: {type: text}}\n  b: {schema: {type: array}}\n  c: {schema: {type: string, minimum: 3}}\nsteps:\n  - {id: a, type: scan@1}\n',
    problems: [
      '5:22 value-unknown parameters.a.schema.type → Write one of string, integer, number, boolean, array, object and any.',
      '6:15 field-missing parameters.b.schema → Add items.',
      '7:30 field-unknown parameters.c.schema.minimum → Known are type, description, minLength, maxLength, enum and format.',
    ],
  },
  {
    title: 'an override that takes out and changes',
    text: 'steps:\n  - {id: a, type: scan@1}\nenvironments:\n  production:\n    steps:\n      - {id: a, remove: true, needs: []}\n      - {remove: true}\n',
    problems: [
      '9:31 field-unknown environments.production.steps.a.needs → Known are id and remove.',
      '10:9 field-missing environments.production.steps.1 → Add id.',
    ],
  },
  {
    title: 'what is wrong in form does not hide what is wrong in meaning',
    text: 'steps:\n  - {id: a, type: scan@1, neds: [c]}\n  - {id: b, type: scann@1, needs: [a, d]}\n  - {id: c, type: scan@1, needs: [b], timeoutSeconds: soon}\n',
    problems: [
      '5:27 field-unknown steps.a.neds → Write needs.',
      '6:19 step-type-unknown steps.b.type → Write scan@1.',
      '6:39 step-need-unknown steps.b.needs.1 → Known are a and c.',
      '7:55 type-wrong steps.c.timeoutSeconds → Write an integer.',
    ],
  },
  {
    title: 'a lost id is not said to be unknown',
    text: 'steps:\n  - {id: A, type: build@1, inputs: {source: x}}\n  - {id: b, type: scan@1, needs: [a]}\n',
    problems: ['5:10 name-invalid steps.0.id → Write a.'],
  },
  {
    title: 'a wired input of the wrong form',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: {ref: 1}}}\n  - {id: b, type: build@1, inputs: {source: {cel: [a]}, jobs: {secret: Token}}}\n',
    problems: [
      '5:51 type-wrong steps.a.inputs.source.ref → Write "1", with quotes.',
      '6:51 type-wrong steps.b.inputs.source.cel → Write a text.',
      '6:72 name-invalid steps.b.inputs.jobs.secret → Write token.',
    ],
  },
];
