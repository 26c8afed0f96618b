import type { FaultyPipeline } from './faulty-pipeline.ts';

/** Pipelines whose steps don't come together. */
export const FAULTY_GRAPHS: readonly FaultyPipeline[] = [
  {
    title: 'nothing is wrong',
    text: 'steps:\n  - {id: a, type: build@1, inputs: {source: x}}\n  - {id: plan, type: plan@1, needs: [a]}\n  - {id: gate, type: gate@1, needs: [a]}\n  - {id: deploy, type: deploy@1, needs: [plan, gate]}\n',
    problems: [],
  },
  {
    title: 'a cycle',
    text: 'steps:\n  - {id: a, type: scan@1, needs: [c]}\n  - {id: b, type: scan@1, needs: [a]}\n  - {id: c, type: scan@1, needs: [b]}\n  - {id: d, type: scan@1, needs: [d]}\n  - {id: e, type: scan@1, needs: [c]}\n',
    problems: [
      '5:34 pipeline-cycle steps.a.needs → Take one of these needs out, such as c of a.',
      '8:34 pipeline-cycle steps.d.needs → Take one of these needs out, such as d of d.',
    ],
  },
  {
    title: 'unknown needs',
    text: 'steps:\n  - {id: build, type: scan@1}\n  - id: b\n    type: scan@1\n    needs:\n      - biuld\n      - elsewhere\n',
    problems: [
      '9:9 step-need-unknown steps.b.needs.0 → Write build.',
      '10:9 step-need-unknown steps.b.needs.1 → Known is build.',
    ],
  },
  {
    title: 'ids that stand twice',
    text: 'steps:\n  - {id: a, type: scan@1}\n  - {id: b, type: scan@1}\n  - {id: a, type: plan@1}\n',
    problems: ['7:10 step-id-twice steps.a.id → Give one of them another id, or make one of both.'],
  },
  {
    title: 'unknown types',
    text: 'steps:\n  - {id: a, type: biuld@1}\n  - {id: b, type: scan@2}\n',
    problems: [
      '5:19 step-type-unknown steps.a.type → Write build@1.',
      '6:19 step-type-unknown steps.b.type → Write scan@1.',
    ],
  },
  {
    title: 'steps that never run',
    text: "steps:\n  - {id: a, type: scan@1, if: 'false'}\n  - {id: b, type: scan@1, when: onFailure, needs: [a]}\n",
    problems: [
      '?5:31 step-never-runs steps.a.if → Take the step out, or give it another condition.',
      '6:51 step-unreachable steps.b.needs → Let it need a step that runs.',
    ],
  },
  {
    title: 'a success after the end',
    text: 'steps:\n  - {id: a, type: scan@1}\n  - {id: b, type: scan@1, when: onCancel, needs: [a]}\n  - {id: c, type: scan@1, needs: [b]}\n  - {id: d, type: scan@1, when: onFailure}\n  - {id: e, type: scan@1, when: always, needs: [d]}\n  - {id: f, type: scan@1, needs: [e]}\n',
    problems: [
      '7:34 step-unreachable steps.c.needs → Take b out of its needs, or write `when: always`.',
      '10:34 step-unreachable steps.f.needs → Take e out of its needs, or write `when: always`.',
    ],
  },
  {
    title: 'a change without a plan',
    text: 'steps:\n  - {id: plan, type: plan@1, needs: [gate]}\n  - {id: a, type: deploy@1, needs: [gate]}\n  - {id: b, type: deploy@1, needs: [plan]}\n  - {id: gate, type: gate@1}\n',
    problems: ['6:36 step-without-plan steps.a.needs → Add plan to the needs of a.'],
  },
  {
    title: 'a change with a plan that may be skipped',
    text: 'parameters:\n  on: {schema: {type: boolean}}\nsteps:\n  - {id: gate, type: gate@1}\n  - {id: plan, type: plan@1, if: parameters.on, needs: [gate]}\n  - {id: a, type: deploy@1, needs: [plan]}\n  - {id: b, type: deploy@1, needs: [plan], if: "(parameters.on)"}\n  - {id: lax, type: plan@1, needs: [gate], continueOnFailure: true}\n  - {id: c, type: deploy@1, needs: [lax]}\n  - {id: d, type: deploy@1, needs: [lax, plan], if: parameters.on && release.name != "x"}\n',
    problems: [
      '?9:36 step-plan-uncertain steps.a.needs → Let plan always run, or give a the same condition.',
      '?12:36 step-plan-uncertain steps.c.needs → Let lax always run, or give c the same condition.',
    ],
  },
  {
    title: 'a change whose guards may be skipped',
    text: 'steps:\n  - {id: plan, type: plan@1}\n  - {id: gate, type: gate@1}\n  - {id: strict, type: gate@1, if: release.name == "x"}\n  - {id: ask, type: approval@1, needs: [plan], if: release.name == "y"}\n  - {id: mid, type: scan@1, needs: [ask]}\n  - {id: a, type: deploy@1, needs: [plan, gate, strict]}\n  - {id: b, type: deploy@1, needs: [gate, mid]}\n  - {id: c, type: deploy@1, needs: [gate, mid], if: release.name == "y"}\n  - {id: d, type: deploy@1, needs: [plan, gate]}\n',
    problems: [
      '?10:36 step-guard-uncertain steps.a.needs → Let strict always run, give a the same condition, or take strict out in the environments that do without it.',
      '?11:36 step-guard-uncertain steps.b.needs → Let ask always run, give b the same condition, or take ask out in the environments that do without it.',
    ],
  },
  {
    title: 'a change without a gate',
    text: 'steps:\n  - {id: plan, type: plan@1}\n  - {id: a, type: deploy@1, needs: [plan]}\n  - {id: gate, type: gate@1, if: release.name == "x"}\n  - {id: b, type: deploy@1, needs: [plan, gate]}\n  - {id: sure, type: gate@1}\n  - {id: mid, type: scan@1, needs: [sure, plan]}\n  - {id: c, type: deploy@1, needs: [mid]}\n',
    problems: [
      '?6:36 step-without-gate steps.a.needs → Add gate to the needs of a, and let it always run.',
      '?8:36 step-without-gate steps.b.needs → Add gate to the needs of b, and let it always run.',
    ],
  },
  {
    title: 'guards that stop nothing',
    text: 'steps:\n  - {id: gate, type: gate@1, continueOnFailure: true}\n  - {id: yes, type: approval@1, continueOnFailure: true}\n  - {id: scan, type: scan@1, continueOnFailure: true}\n',
    problems: [
      '5:30 step-guard-tolerated steps.gate.continueOnFailure → Take continueOnFailure out.',
      '6:33 step-guard-tolerated steps.yes.continueOnFailure → Take continueOnFailure out.',
    ],
  },
  {
    title: 'a change after trouble',
    text: 'steps:\n  - {id: gate, type: gate@1}\n  - {id: plan, type: plan@1, needs: [gate]}\n  - {id: a, type: deploy@1, needs: [plan], when: onFailure}\n  - {id: b, type: deploy@1, needs: [plan], when: always}\n',
    problems: [
      '7:50 step-changes-after-trouble steps.a.when → Leave it to the compensation of the steps before it.',
      '8:50 step-changes-after-trouble steps.b.when → Take `when` out.',
    ],
  },
  {
    title: 'effects that stay',
    text: 'steps:\n  - {id: a, type: notify@1, inputs: {text: hello}}\n  - {id: b, type: script@1, needs: [a], inputs: {source: ls}}\n  - {id: c, type: scan@1, needs: [b]}\n  - {id: d, type: script@1, inputs: {source: ls, undo: ls}}\n  - {id: e, type: notify@1, needs: [d], inputs: {text: bye}}\n  - {id: f, type: script@1, inputs: {source: ls}}\n  - {id: g, type: scan@1, needs: [f], continueOnFailure: true}\n  - {id: h, type: scan@1, needs: [g]}\n  - {id: i, type: script@1, needs: [d], inputs: {source: ls}}\n  - {id: j, type: notify@1, needs: [i], when: onFailure, inputs: {text: bye}}\n',
    problems: [
      '?6:19 step-without-compensation steps.b.type → Give it undo, or write `compensate: false` where it may stay.',
      '?10:19 step-without-compensation steps.f.type → Give it undo, or write `compensate: false` where it may stay.',
    ],
  },
  {
    title: 'timeouts',
    text: 'steps:\n  - {id: a, type: scan@1, timeoutSeconds: 601}\n  - {id: b, type: wait@1, inputs: {seconds: 120}, timeoutSeconds: 90}\n  - {id: c, type: wait@1, inputs: {seconds: 700}}\n  - {id: d, type: scan@1, retry: {attempts: 2, backoffSeconds: 10, maxBackoffSeconds: 5}}\n',
    problems: [
      '5:43 timeout-too-long steps.a.timeoutSeconds → Write 600.',
      '6:67 timeout-too-short steps.b.timeoutSeconds → Give it a longer timeout, or less to do.',
      '7:35 timeout-too-short steps.c.inputs → Give it a longer timeout, or less to do.',
      '8:87 retry-bounds steps.d.retry.maxBackoffSeconds → Write 10.',
    ],
  },
  {
    title: 'a chain that may take longer than it has',
    text: 'steps:\n  - {id: a, type: scan@1}\n  - {id: b, type: scan@1, needs: [a, people]}\n  - {id: c, type: scan@1, needs: [b]}\n  - {id: people, type: approval@1, needs: [a], timeoutSeconds: 600}\n',
    deadlineSeconds: 100,
    problems: [
      '?6:5 deadline-may-not-hold steps.b.timeoutSeconds → Shorten steps, let them run side by side, or give the promotion longer.',
    ],
  },
  {
    title: 'a chain that takes longer than it has',
    text: 'steps:\n  - {id: a, type: wait@1, inputs: {seconds: 60}}\n  - {id: b, type: wait@1, needs: [a], inputs: {seconds: 60}}\n',
    deadlineSeconds: 100,
    problems: [
      '6:5 deadline-cannot-hold steps.b.timeoutSeconds → Shorten steps, let them run side by side, or give the promotion longer.',
    ],
  },
  {
    title: 'a chain that takes longer than it has by the values that are given',
    text: 'parameters:\n  a: {schema: {type: integer, minimum: 0}, default: 1}\n  b: {schema: {type: integer, minimum: 0}, default: 60}\nsteps:\n  - {id: a, type: wait@1, inputs: {seconds: {ref: parameters.a}}, timeoutSeconds: 30}\n  - {id: b, type: wait@1, needs: [a], inputs: {seconds: {ref: parameters.b}}, timeoutSeconds: 30}\n',
    deadlineSeconds: 100,
    parameters: { a: 50 },
    problems: [
      '9:95 deadline-cannot-hold steps.b.timeoutSeconds → Shorten steps, let them run side by side, or give the promotion longer.',
    ],
  },
  {
    title: 'a chain through a sub-pipeline that takes longer than it has, or may',
    text: 'steps:\n  - {id: call, type: pipeline@1, inputs: {pipeline: {name: slow, version: 1}}}\n  - {id: b, type: wait@1, needs: [call], inputs: {seconds: 60}}\nenvironments:\n  fast: {steps: [{id: b, inputs: {seconds: 30}}]}\n',
    deadlineSeconds: 100,
    problems: [
      '?5:5 deadline-may-not-hold steps.call → Shorten steps, let them run side by side, or give the promotion longer.',
      '6:5 deadline-cannot-hold steps.b.timeoutSeconds → Shorten steps, let them run side by side, or give the promotion longer.',
    ],
  },
  {
    title: 'overrides that shadow',
    text: 'steps:\n  - {id: a, type: scan@1}\n  - {id: b, type: scan@1, needs: [a]}\nenvironments:\n  production:\n    steps:\n      - {id: b, needs: [a]}\n      - {id: c, remove: true}\n      - {id: d, needs: [a]}\n      - {id: a, timeoutSeconds: 30}\n      - {id: a, timeoutSeconds: 40}\n',
    problems: [
      '?10:17 step-shadowed environments.production.steps.b.needs → Take needs out.',
      '11:14 step-remove-unknown environments.production.steps.c.id → Take this out.',
      '12:14 step-type-missing environments.production.steps.d.id → Add its type.',
      '14:14 step-id-twice environments.production.steps.a.id → Give one of them another id, or make one of both.',
    ],
  },
  {
    title: 'what only one environment breaks',
    text: 'steps:\n  - {id: build, type: build@1, inputs: {source: x}}\n  - {id: b, type: script@1, needs: [build], inputs: {source: ls, digest: {ref: steps.build.outputs.digest}, undo: ls}}\nenvironments:\n  test:\n    steps:\n      - {id: build, remove: true}\n  production:\n    steps:\n      - {id: b, needs: []}\n',
    problems: [
      '6:80 output-before-it-exists steps.b.inputs.digest.ref → Add build to the needs of b.',
      '6:80 step-reference-unknown steps.b.inputs.digest.ref → Add a step build, or take this out.',
    ],
  },
  {
    title: 'a base that is not there',
    text: 'extends: {name: bsae, version: 1}\nsteps:\n  - {id: a, type: scan@1}\n',
    problems: ['4:10 pipeline-unknown extends → Write base@1.'],
  },
  {
    title: 'a base and what is said of it',
    text: 'extends: {name: base, version: 1}\nsteps:\n  - {id: build, inputs: {jobs: 99}}\n  - {id: scam, remove: true}\n  - {id: last, type: scan@1, needs: [build]}\n',
    problems: [
      '6:32 input-value steps.build.inputs.jobs → It must be a whole number from 1 to 64.',
      '7:10 step-remove-unknown steps.scam.id → Write scan.',
    ],
  },
  {
    title: 'sub-pipelines',
    text: 'steps:\n  - {id: a, type: pipeline@1, inputs: {pipeline: {name: inner, version: 1}, parameters: {colour: 1}}}\n  - {id: b, type: pipeline@1, inputs: {pipeline: {name: iner, version: 1}}}\n  - {id: c, type: pipeline@1, inputs: {pipeline: {name: loop, version: 1}}}\n  - {id: d, type: pipeline@1, inputs: {pipeline: {name: sample, version: 1}}}\n  - {id: e, type: script@1, needs: [a], inputs: {source: ls, undo: ls, digest: {ref: steps.a--build.outputs.digest}, label: {ref: steps.a--build.outputs.digset}}}\n',
    problems: [
      '5:89 parameter-missing steps.a.inputs.parameters → Add region.',
      '5:90 parameter-unknown steps.a.inputs.parameters.colour → Known is region.',
      '6:50 pipeline-unknown steps.b.inputs.pipeline → Name inner@1.',
      '7:50 sub-pipeline-cycle steps.c.inputs.pipeline → Let one of them end without the other.',
      '8:50 sub-pipeline-cycle steps.d.inputs.pipeline → Let one of them end without the other.',
      '9:131 output-unknown steps.e.inputs.label.ref → Write steps.a--build.outputs.digest.',
    ],
  },
  {
    title: 'what a sub-pipeline cannot have',
    text: 'steps:\n  - {id: a, type: pipeline@1, when: always, inputs: {pipeline: {name: inner, version: 1}, parameters: {region: x}}}\n  - {id: b, type: pipeline@1, retry: {attempts: 2}, inputs: {pipeline: {name: inner, version: 1}, parameters: {region: {ref: parameters.region}}}}\n',
    problems: [
      '5:31 sub-pipeline-member steps.a.when → Give when to its steps.',
      '6:31 sub-pipeline-member steps.b.retry → Give retry to its steps.',
      '6:126 parameter-unknown steps.b.inputs.parameters.region.ref → Declare it under parameters.',
    ],
  },
  {
    title: 'a secret that a step of a sub-pipeline would show',
    text: 'parameters:\n  region: {schema: {type: string}}\nsteps:\n  - {id: call, type: pipeline@1, inputs: {pipeline: {name: teller, version: 1}, parameters: {what: {secret: key}}}}\n  - {id: fine, type: pipeline@1, inputs: {pipeline: {name: teller, version: 1}, parameters: {what: {ref: parameters.region}}}}\n',
    problems: ['7:5 secret-not-taken steps.call → Steps of this type take no secrets.'],
  },
  {
    title:
      'a value that only one environment hands to a sub-pipeline, and a failFast that does not hold',
    text: 'steps:\n  - {id: call, type: pipeline@1, inputs: {pipeline: {name: teller, version: 1}, parameters: {what: x}}}\n  - {id: count, type: pipeline@1, inputs: {pipeline: {name: counter, version: 1}, parameters: {jobs: 3}}}\nenvironments:\n  production: {steps: [{id: call, inputs: {parameters: {what: {secret: key}}}}]}\n',
    problems: [
      '5:5 secret-not-taken steps.call → Steps of this type take no secrets.',
      '?6:5 sub-pipeline-fail-fast steps.count → Say it in the outermost pipeline.',
    ],
  },
  {
    title: 'what a sub-pipeline gives, read although its call may be skipped',
    text: 'parameters:\n  on: {schema: {type: boolean}}\nsteps:\n  - {id: call, type: pipeline@1, if: parameters.on, inputs: {pipeline: {name: inner, version: 1}, parameters: {region: x}}}\n  - {id: b, type: build@1, needs: [call], inputs: {source: {ref: steps.call--build.outputs.digest}}}\n',
    problems: [
      '8:66 output-maybe-missing steps.b.inputs.source.ref → Give b the same condition, or read it in cel behind has(steps.call--build.outputs.digest).',
    ],
  },
];
