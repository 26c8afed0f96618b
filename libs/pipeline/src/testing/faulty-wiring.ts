import type { FaultyPipeline } from './faulty-pipeline.ts';

/** Pipelines whose values don't fit. */
export const FAULTY_WIRING: readonly FaultyPipeline[] = [
  {
    title: 'inputs that the type does not know, or needs',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {sorce: x}}\n  - {id: b, type: scan@1, inputs: {x: 1}}\n  - {id: c, type: build@1}\n',
    problems: [
      '5:36 input-missing steps.a.inputs.source → Add source to its inputs.',
      '5:37 input-unknown steps.a.inputs.sorce → Write source.',
      '6:36 input-unknown steps.b.inputs.x → Take it out.',
      '7:5 input-missing steps.c.inputs.source → Add source to its inputs.',
    ],
  },
  {
    title: 'inputs that exclude each other',
    text: 'steps:\n  - {id: a, type: script@1, inputs: {source: ls, file: x}}\n  - {id: b, type: script@1, inputs: {}}\n',
    problems: [
      '5:50 input-choice steps.a.inputs.file → Keep exactly one of source, file.',
      '6:29 input-choice steps.b.inputs → Give exactly one of source, file.',
    ],
  },
  {
    title: 'literals of a wrong type or out of range',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: "", jobs: 65}}\n  - {id: b, type: build@1, inputs: {source: {literal: 5}, jobs: two}}\n',
    problems: [
      '5:45 input-value steps.a.inputs.source → It must be a text of 1 to 4096 characters.',
      '5:55 input-value steps.a.inputs.jobs → It must be a whole number from 1 to 64.',
      '6:55 input-value steps.b.inputs.source.literal → It must be a text of 1 to 4096 characters.',
      '6:65 input-value steps.b.inputs.jobs → It must be a whole number from 1 to 64.',
    ],
  },
  {
    title: 'references that lead nowhere',
    text: 'steps:\n  - {id: build, type: build@1, inputs: {source: x}}\n  - id: b\n    type: script@1\n    needs: [build]\n    inputs:\n      source: {ref: steps.biuld.outputs.digest}\n      digest: {ref: steps.build.outputs.digset}\n      label: {ref: step.build.outputs.digest}\n      token: {ref: steps.build.output.digest}\n      undo: {ref: release.nam}\n',
    problems: [
      '10:21 step-reference-unknown steps.b.inputs.source.ref → Write steps.build.outputs.digest.',
      '11:21 output-unknown steps.b.inputs.digest.ref → Write steps.build.outputs.digest.',
      '12:20 reference-invalid steps.b.inputs.label.ref → Write steps.build.outputs.digest.',
      '13:32 reference-invalid steps.b.inputs.token.ref → Write steps.build.outputs.digest.',
      '14:27 reference-invalid steps.b.inputs.undo.ref → Write release.name.',
    ],
  },
  {
    title: 'types that do not fit',
    text: 'steps:\n  - {id: build, type: build@1, inputs: {source: x}}\n  - id: b\n    type: build@1\n    needs: [build]\n    inputs:\n      source: {ref: steps.build.outputs.size}\n      jobs: {ref: steps.build.outputs.size}\n',
    problems: [
      '10:21 input-type steps.b.inputs.source.ref → Read another output, or make the value fit in cel.',
      '11:19 input-type steps.b.inputs.jobs.ref → Read another output, or make the value fit in cel.',
    ],
  },
  {
    title: 'an output before it exists',
    text: 'steps:\n  - {id: build, type: build@1, inputs: {source: x}}\n  - {id: mid, type: scan@1, needs: [build]}\n  - {id: b, type: build@1, needs: [mid], inputs: {source: {ref: steps.build.outputs.digest}}}\n  - {id: c, type: build@1, inputs: {source: {ref: steps.build.outputs.digest}}}\n  - {id: d, type: build@1, inputs: {source: {cel: steps.d.outputs.digest}}}\n',
    problems: [
      '8:51 output-before-it-exists steps.c.inputs.source.ref → Add build to the needs of c.',
      '9:51 output-of-itself steps.d.inputs.source.cel → Read what a step before it gives, or write the value here.',
    ],
  },
  {
    title: 'parameters',
    text: 'parameters:\n  count: {schema: {type: integer, maximum: 3}, default: 4}\n  name: {schema: {type: string}}\n  odd: {schema: {type: integer, minimum: 5, maximum: 4}}\nsteps:\n  - {id: a, type: build@1, inputs: {source: {ref: parameters.nmae}, jobs: {ref: parameters.name}}}\nenvironments:\n  production: {parameters: {count: many, nane: x}}\n',
    problems: [
      '5:57 parameter-invalid parameters.count.default → It must be a whole number of at most 3.',
      '7:42 parameter-schema parameters.odd.schema.minimum → It must be at most 4.',
      '9:51 parameter-unknown steps.a.inputs.source.ref → Write parameters.name.',
      '9:81 input-type steps.a.inputs.jobs.ref → Read another output, or make the value fit in cel.',
      '11:36 parameter-invalid environments.production.parameters.count → It must be a whole number of at most 3.',
      '11:42 parameter-unknown environments.production.parameters.nane → Write name.',
    ],
  },
  {
    title: 'parameters that are given',
    text: 'parameters:\n  name: {schema: {type: string}}\n  count: {schema: {type: integer}}\nsteps:\n  - {id: a, type: scan@1}\n',
    parameters: { count: 'x', colour: 1 },
    problems: [
      '5:3 parameter-unknown parameters → Known are name and count.',
      '5:9 parameter-missing parameters.name → Give name, or a default.',
      '6:10 parameter-invalid parameters.count → It must be a whole number.',
    ],
  },
  {
    title: 'secrets and literals where they are not taken',
    text: 'steps:\n  - id: a\n    type: script@1\n    inputs: {source: ls, undo: ls, token: {secret: key}, label: {secret: key}, outputs: {ref: parameters.x}}\n',
    problems: [
      '7:65 secret-not-taken steps.a.inputs.label → Secrets fit token.',
      '7:89 input-not-literal steps.a.inputs.outputs → Write the value here.',
      '7:95 parameter-unknown steps.a.inputs.outputs.ref → Declare it under parameters.',
    ],
  },
  {
    title: 'outputs that a step declares',
    text: 'steps:\n  - {id: a, type: script@1, inputs: {source: ls, undo: ls, outputs: {image: {type: string, format: digest}, 1x: {type: string}}}}\n  - {id: b, type: script@1, needs: [a], inputs: {source: ls, undo: ls, digest: {ref: steps.a.outputs.image}, label: {ref: steps.a.outputs.imag}}}\n',
    problems: [
      '5:113 input-value steps.a.inputs.outputs.1x → It must be called by letters, digits and _, at most 63.',
      '6:123 output-unknown steps.b.inputs.label.ref → Write steps.a.outputs.image.',
    ],
  },
  {
    title: 'wiring within a value',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: x}}\n  - {id: b, type: script@1, needs: [a], inputs: {source: ls, undo: ls, env: {DIGEST: {ref: steps.a.outputs.digest}, BRANCH: {ref: main}}}}\n',
    problems: [
      '?6:87 input-nested-wiring steps.b.inputs.env.DIGEST.ref → Build the value with {cel: …}, or write {literal: …} where this is meant.',
    ],
  },
  {
    title: 'matrices',
    text: 'parameters:\n  none: {schema: {type: array, items: {type: string}}, default: []}\nsteps:\n  - {id: a, type: scan@1, matrix: {over: {values: []}}}\n  - {id: b, type: scan@1, matrix: {over: {values: [1, 2]}, policy: minimum, minimum: 3}}\n  - {id: c, type: scan@1, matrix: {over: {values: [1]}, policy: minimum}}\n  - {id: d, type: scan@1, matrix: {over: {values: [1]}, minimum: 1}}\n  - {id: e, type: scan@1, matrix: {over: {ref: parameters.none}}}\n  - {id: f, type: scan@1, matrix: {over: {ref: release.name}}}\n  - {id: g, type: scan@1, matrix: {over: {ref: matrix}}}\n',
    problems: [
      '7:51 matrix-empty steps.a.matrix.over.values → Add a value.',
      '8:86 matrix-minimum steps.b.matrix.minimum → Write 2.',
      '9:65 matrix-minimum-missing steps.c.matrix.policy → Add minimum.',
      '?10:57 matrix-minimum-unused steps.d.matrix.minimum → Add `policy: minimum`, or take it out.',
      '?11:48 matrix-empty steps.e.matrix.over.ref → Give it a default that has members.',
      '12:48 matrix-not-a-list steps.f.matrix.over.ref → Name an output or a parameter that is a list.',
      '13:48 reference-invalid steps.g.matrix.over.ref → Name an output or a parameter that is a list.',
    ],
  },
  {
    title: 'members of matrices',
    text: 'steps:\n  - {id: build, type: build@1, inputs: {source: {ref: matrix.src}, jobs: {ref: matrix.jobs}}, matrix: {over: {values: [{src: x, jobs: 1}, {src: y, jobs: 65}, {jobs: 3}]}}}\n  - {id: b, type: build@1, inputs: {source: {ref: matrix}}}\n  - {id: c, type: build@1, needs: [build], inputs: {source: {ref: steps.build.outputs.digest}}}\n',
    problems: [
      '5:55 matrix-member-missing steps.build.inputs.source.ref → Give each member src.',
      '5:154 input-value steps.build.matrix.over.values.1.jobs → It must be a whole number from 1 to 64.',
      '6:51 matrix-reference steps.b.inputs.source.ref → Give the step a matrix, or read something else.',
      '7:67 input-type steps.c.inputs.source.ref → Read another output, or make the value fit in cel.',
    ],
  },
  {
    title: 'conditions',
    text: "steps:\n  - {id: a, type: scan@1, if: 1 + 1}\n  - {id: b, type: scan@1, if: 'release.name == '}\n  - id: c\n    type: scan@1\n    needs: [a]\n    if: >-\n      release.name == \"x\" &&\n      relase.name == \"y\"\n  - id: d\n    type: scan@1\n    if: |\n      // first\n      steps.c.outcome == 'failed'\n  - {id: e, type: scan@1, if: \"release.name == \\\"x\\\" && foo\"}\n  - {id: f, type: scan@1, if: 'release.name == ''x'' && foo(1)'}\n",
    problems: [
      '5:31 cel-not-boolean steps.a.if → Compare it, as in `parameters.count > 0`.',
      '6:48 cel-syntax steps.b.if → Complete it, as in `release.name == "x"`: texts stand in quotes.',
      '12:7 cel-variable-unknown steps.c.if → Write release.',
      '17:7 output-before-it-exists steps.d.if → Add c to the needs of d.',
      '18:57 cel-variable-unknown steps.e.if → Write "foo" where a text is meant. Known are steps, parameters, promotion, release and environment.',
      '19:57 cel-function-unknown steps.f.if → Call one of those, as it is called there.',
    ],
  },
  {
    title: 'expressions of the wrong kind',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: {cel: 1 + 1}, jobs: {cel: release.name}}}\n  - {id: b, type: build@1, inputs: {source: {cel: parameters.x + matrix.y}}}\n',
    problems: [
      '5:51 input-type steps.a.inputs.source.cel → Make a text of it with string(…).',
      '6:66 cel-variable-unknown steps.b.inputs.source.cel → Give the step a matrix.',
    ],
  },
  {
    title: 'outputs of steps that may be skipped',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: x}, if: parameters.on}\n  - {id: b, type: build@1, needs: [a], inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: c, type: build@1, needs: [a], if: parameters.on, inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: d, type: build@1, needs: [a], if: \'parameters.on && release.name == "x"\', inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: e, type: build@1, needs: [a], if: parameters.other, inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: f, type: build@1, needs: [a], inputs: {source: {cel: \'has(steps.a.outputs.digest) ? steps.a.outputs.digest : ""\'}}}\n  - {id: g, type: build@1, needs: [a], inputs: {source: {cel: steps.a.outputs.digest}}}\nparameters:\n  on: {schema: {type: boolean}}\n  other: {schema: {type: boolean}}\n',
    problems: [
      '6:63 output-maybe-missing steps.b.inputs.source.ref → Give b the same condition, or read it in cel behind has(steps.a.outputs.digest).',
      '?9:85 output-maybe-missing steps.e.inputs.source.ref → Give e the same condition, or read it in cel behind has(steps.a.outputs.digest).',
      '11:63 output-maybe-missing steps.g.inputs.source.cel → Give g the same condition, or read it in cel behind has(steps.a.outputs.digest).',
    ],
  },
  {
    title: 'conditions that only seem to guard',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: x}, if: release.name == "x"}\n  - {id: b, type: build@1, needs: [a], if: steps.a.outcome == "failed", inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: c, type: build@1, needs: [a], if: steps.a.outcome != "failed", inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: d, type: build@1, needs: [a], if: steps.a.outcome == "succeeded" || release.name == "y", inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: e, type: build@1, needs: [a], if: "release.version != \\"1\\" && \\"succeeded\\" == steps[\\"a\\"].outcome", inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: f, type: build@1, needs: [a], if: has(steps.a.outputs.digest), inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: g, type: build@1, needs: [a], if: "release.name  ==  (\\"x\\")", inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: h, type: build@1, needs: [a], if: "release.version == \\"steps.a.outcome\\"", inputs: {source: {ref: steps.a.outputs.digest}}}\n',
    problems: ['b', 'c', 'd', 'h'].map((id) => {
      const place = { b: '6:96', c: '7:96', d: '8:122', h: '12:109' }[id];
      return `?${place} output-maybe-missing steps.${id}.inputs.source.ref → Give ${id} the same condition, or read it in cel behind has(steps.a.outputs.digest).`;
    }),
  },
  {
    title: 'readers that run after a failure, and readers of what may have failed',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: x}}\n  - {id: lax, type: build@1, inputs: {source: x}, continueOnFailure: true}\n  - {id: b, type: build@1, needs: [a], when: always, inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: c, type: build@1, needs: [a], when: onFailure, inputs: {source: {ref: steps.a.outputs.digest}}}\n  - {id: d, type: build@1, needs: [lax], inputs: {source: {ref: steps.lax.outputs.digest}}}\n  - {id: e, type: build@1, needs: [lax], if: steps.lax.outcome == "succeeded", inputs: {source: {ref: steps.lax.outputs.digest}}}\n  - {id: f, type: build@1, needs: [a], when: always, if: has(steps.a.outputs.digest), inputs: {source: {ref: steps.a.outputs.digest}}}\n',
    problems: [
      '7:77 output-maybe-missing steps.b.inputs.source.ref → Give b `if: steps.a.outcome == "succeeded"`, or read it in cel behind has(steps.a.outputs.digest).',
      '8:80 output-maybe-missing steps.c.inputs.source.ref → Give c `if: steps.a.outcome == "succeeded"`, or read it in cel behind has(steps.a.outputs.digest).',
      '9:65 output-maybe-missing steps.d.inputs.source.ref → Give d `if: steps.lax.outcome == "succeeded"`, or read it in cel behind has(steps.lax.outputs.digest).',
    ],
  },
  {
    title: 'conditions that are no boolean, and outcomes that there are not',
    text: 'parameters:\n  on: {schema: {type: boolean}}\n  count: {schema: {type: integer}}\n  any: {schema: {type: any}}\nsteps:\n  - {id: a, type: build@1, inputs: {source: x}, if: parameters.on}\n  - {id: b, type: scan@1, if: parameters.count}\n  - {id: c, type: scan@1, if: "!release.name"}\n  - {id: d, type: scan@1, needs: [b], if: steps.b.outcome}\n  - {id: e, type: scan@1, if: parameters.any}\n  - {id: f, type: scan@1, needs: [b], if: steps.b.outcome == "success"}\n  - {id: g, type: scan@1, needs: [b], if: "steps.b.outcome in [\\"failed\\", \\"skiped\\"] && parameters.on"}\n  - {id: h, type: build@1, needs: [b], inputs: {source: {cel: "steps.b.outcome != \\"zzz\\" ? \\"x\\" : \\"y\\""}}}\n',
    problems: [
      '10:31 cel-not-boolean steps.b.if → Compare it, as in `parameters.count > 0`.',
      '11:33 cel-not-boolean steps.c.if → Compare it, as in `parameters.count > 0`.',
      '12:43 cel-not-boolean steps.d.if → Compare it, as in `steps.b.outcome == "succeeded"`.',
      '14:62 outcome-unknown steps.f.if → Write "succeeded".',
      '15:76 outcome-unknown steps.g.if → Write "skipped".',
      '16:83 outcome-unknown steps.h.inputs.source.cel → Known are succeeded, partial, failed, skipped, cancelled and reverted.',
    ],
  },
];
