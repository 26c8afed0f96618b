import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `http@1`. */
export const HTTP_EXAMPLES: StepTypeExamples = {
  runs: [
    {
      inputs: { url: 'https://status.example/api/freeze' },
      outputs: {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: { frozen: false },
        bodyDigest: `sha256:${'c'.repeat(64)}`,
      },
    },
    {
      inputs: {
        method: 'POST',
        url: 'https://lb.example/pools/eu/drain',
        headers: { accept: 'application/json' },
        secretHeaders: { authorization: 'lb-token' },
        json: { minutes: 10 },
        status: [202, 204],
        retryStatus: [409, 503],
        maxResponseBytes: 65_536,
      },
      outputs: { status: 204, headers: {}, bodyDigest: `sha256:${'d'.repeat(64)}` },
    },
    {
      inputs: { method: 'PUT', url: 'https://flags.example/shop', body: 'on' },
      outputs: { status: 200, headers: {}, body: 'ok', bodyDigest: `sha256:${'f'.repeat(64)}` },
    },
  ],
  refused: [
    { why: 'no URL', path: 'url', inputs: { method: 'GET' } },
    { why: 'another scheme', path: 'url', inputs: { url: 'file:///etc/passwd' } },
    { why: 'a password in the URL', path: 'url', inputs: { url: 'https://user:word@a.example/' } },
    {
      why: 'an unknown method',
      path: 'method',
      inputs: { url: 'https://a.example', method: 'get' },
    },
    {
      why: 'two bodies',
      path: 'json',
      inputs: { url: 'https://a.example', method: 'POST', body: '{}', json: {} },
    },
    { why: 'no status', path: 'status[0]', inputs: { url: 'https://a.example', status: [2] } },
  ],
};
