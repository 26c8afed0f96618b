import { expect, test } from '@jest/globals';
import type { PipelineTemplate } from '@sluice/domain';
import {
  MIGRATION,
  REGIONS,
  SAMPLE_STEP_TYPES,
  samplePipeline,
  sampleStep,
} from '../render/pipeline-samples.ts';
import { renderPipeline } from '../render/render-pipeline.ts';
import { mermaidText, toMermaid } from './mermaid.ts';

function drawn(template: PipelineTemplate): string {
  const result = renderPipeline(template, { pipelines: new Map(), stepTypes: SAMPLE_STEP_TYPES });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return toMermaid(result.pipeline);
}

test('shapes by kind', () => {
  expect(drawn(REGIONS)).toBe(`flowchart TD
  s0["<b>plan</b><br/>plan@1"]
  s1{"<b>approve</b><br/>approval@1"}
  s2[["<b>rollout</b><br/>script@1<br/>each of 3#58; eu-west, us-east, ap-south#59; 2 at a time#59; at least 2 must succeed<br/>put back when the promotion fails"]]
  s3(["<b>soak</b><br/>soak@1"])
  s4["<b>tell</b><br/>notify@1<br/>its failure stops nothing"]
  s0 --> s1
  s1 --> s2
  s2 --> s3
  s3 --> s4
  classDef undone stroke-dasharray: 6 3
  class s2 undone
`);
});

test('conditions on edges, and the end apart', () => {
  const text = drawn(MIGRATION);
  expect(text).toContain('  s0 -.->|"if environment.name == #34;production#34;"| s1\n');
  expect(text).toContain('  s5 -.->|"whatever became of the steps before it"| s6\n');
  expect(text).toContain(`  subgraph finale["At the end"]
    s7["<b>page</b><br/>http@1<br/>when the promotion does not succeed"]
    s8["<b>withdrawn</b><br/>notify@1<br/>when the promotion was cancelled"]
  end
`);
});

test('a hostile text stays within its label', () => {
  const hostile = [
    '"]; click s0 "javascript:alert(1)"',
    '</text><script>alert(1)</script>',
    '\n  s9 --> s0\nend',
    '%%{init: {"securityLevel": "loose"}}%%',
    '`markdown` **bold**',
    'style x: #quot; #34; &lt;',
    '\u001b[2J\u202e',
  ];
  for (const text of hostile) {
    const template = samplePipeline('p', [
      sampleStep('end', 'script', [], { description: text }),
      sampleStep('b', 'script', ['end'], { if: text, matrix: { over: { values: [text] } } }),
    ]);
    const lines = drawn(template).trimEnd().split('\n');
    expect(lines).toHaveLength(6);
    for (const line of lines.slice(1, 4)) {
      const quoted = line.split('"');
      expect(quoted).toHaveLength(3);
      expect(quoted[1]?.replaceAll(/<\/?b>|<br\/>/g, '')).toMatch(
        /^(?:[\p{L}\p{N} @_.,/=+?…-]|#\d+;)*$/u,
      );
    }
  }
});

test('every sign that means something is an entity, and long texts are cut', () => {
  expect(mermaidText('a: "b" <c> & #d; `e` {f} [g] (h) |i| %j')).toBe(
    'a#58; #34;b#34; #60;c#62; #38; #35;d#59; #96;e#96; #123;f#125; #91;g#93; #40;h#41; #124;i#124; #37;j',
  );
  expect(mermaidText('x'.repeat(500))).toHaveLength(80);
  expect(mermaidText('grün 漢字')).toBe('grün 漢字');
});
