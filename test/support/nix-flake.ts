/** The system that the flake is for. */
export const NIX_SYSTEM = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux';

const SERVER = `
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
const { PORT, VERSION } = process.env;
const contract = readFileSync(process.argv[2], 'utf8').trim();
createServer((request, response) => {
  response.end(JSON.stringify({ version: VERSION, contract, pid: process.pid }));
}).listen(Number(PORT), '127.0.0.1');
`;

/**
 * A flake with raw derivations alone, so that nothing is fetched: a service (`default`) with its check, and three components that are
 * built from each other, of which `web` is the service.
 */
export function nixFlake(): string {
  return `{
  outputs = { self }: let
    sh = name: script: extra: derivation ({
      inherit name;
      system = "${NIX_SYSTEM}";
      builder = "/bin/sh";
      args = [ "-c" ("PATH=/usr/bin:/bin; " + script) ];
    } // extra);
    service = name: contract: sh name ''
      mkdir -p $out/bin
      printf '%s' "$code" > $out/server.mjs
      printf '#!/bin/sh\\nexport VERSION=%s\\nexec node %s/server.mjs %s\\n' "$name" "$out" "$contract" > $out/bin/start
      chmod +x $out/bin/start
    '' { code = ${JSON.stringify(SERVER)}; inherit contract; };
    contracts = sh "contracts" "echo 'building the contracts'; echo shop-v1 > $out" {};
    api = sh "api" "mkdir $out; cp $contracts $out/contract; echo api > $out/api" { inherit contracts; };
    web = service "web" "\${api}/contract";
    packages = { inherit contracts api web; default = service "hello" contracts; };
    checks = {
      default = sh "hello-checks" "test -x $hello/bin/start; echo ok > $out" { hello = packages.default; };
      api = sh "api-check" "cmp $contracts $api/contract; echo ok > $out" { inherit contracts api; };
      web = sh "web-check" "grep -q \${api}/contract $web/bin/start; echo ok > $out" { inherit web; };
    };
  in { packages.${NIX_SYSTEM} = packages; checks.${NIX_SYSTEM} = checks; };
}
`;
}
