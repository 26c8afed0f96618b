import { describe, expect, test } from '@jest/globals';
import { parseRecipe } from './recipe.ts';

describe('a Dockerfile that only puts files together', () => {
  test('is read with continued lines, comments, quotes and places', () => {
    const recipe = parseRecipe(`# syntax is a comment
FROM scratch
WORKDIR /app
COPY server.mjs package.json ./
COPY data \\
  # in between
  /srv/data
COPY ["a name", "/x"]
ENV VERSION=1.0.0 GREETING="hello you"
ENV VERSION=1.0.1
LABEL org.opencontainers.image.title=greeter
EXPOSE 8080 9090/udp
USER 65532
ENTRYPOINT ["node"]
CMD ["server.mjs"]
`);
    expect(recipe).toEqual({
      copies: [
        { sources: ['server.mjs', 'package.json'], to: '/app/' },
        { sources: ['data'], to: '/srv/data' },
        { sources: ['a name'], to: '/x' },
      ],
      env: ['VERSION=1.0.1', 'GREETING=hello you'],
      labels: { 'org.opencontainers.image.title': 'greeter' },
      entrypoint: ['node'],
      cmd: ['server.mjs'],
      workingDir: '/app',
      user: '65532',
      ports: ['8080', '9090/udp'],
    });
  });

  test.each([
    ['', 'is empty'],
    ['FROM node:20', 'Line 1 .* begins with "FROM node:20"'],
    ['COPY a b', 'Line 1'],
    ['FROM scratch\nRUN npm ci', 'Line 2 .* has RUN'],
    ['FROM scratch\nFROM scratch', 'Line 2 .* has FROM'],
    ['FROM scratch\n\nCOPY --from=build a b', 'Line 3 .* flag'],
    ['FROM scratch\nCOPY *.mjs /', 'pattern'],
    ['FROM scratch\nADD https://example.com/a /', 'address'],
    ['FROM scratch\nADD a.tar.gz /', 'unpack an archive'],
    ['FROM scratch\nCOPY a', 'names no place'],
    ['FROM scratch\nENV A $B', 'not NAME=value'],
    ['FROM scratch\nENV A=$B', 'not NAME=value'],
    ['FROM scratch\nENTRYPOINT node server.mjs', 'not in the form'],
    ['FROM scratch\nCMD [1]', 'not in the form'],
  ])('is refused when it needs a builder: %j', (text, why) => {
    expect(() => parseRecipe(text)).toThrow(new RegExp(why));
    expect(() => parseRecipe(text)).toThrow(
      expect.objectContaining({ code: 'image-recipe-unsupported' }),
    );
  });
});
