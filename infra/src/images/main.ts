/**
 * Brings images into an OCI image layout, from which Sluice takes its releases:
 *
 *   node infra/dist/images/main.js import greeter.tar --tag 1.0.0 --layout /srv/images
 *   node infra/dist/images/main.js pack . --tag 1.0.0 --layout /srv/images
 *
 * Prints the digest that the tag names. Status 1 when it cannot be done, 2 for a wrong command line.
 */
import { parseArgs } from 'node:util';
import { ImageError } from './image-error.ts';
import { importArchive } from './import-archive.ts';
import { packImage } from './pack-image.ts';

const USAGE = `usage: images import ARCHIVE --tag TAG --layout FOLDER [--image NAME]
       images pack [CONTEXT] --tag TAG --layout FOLDER [--file DOCKERFILE]
  import  takes an image out of what "docker save" or "docker buildx build --output type=oci" wrote
  pack    packs a Dockerfile that begins with FROM scratch and runs nothing, without docker`;

try {
  process.stdout.write(`${await run(process.argv.slice(2))}\n`);
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  const isUsage = code === 'image-usage' || code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(`${message}${isUsage ? `\n${USAGE}` : ''}\n`);
  process.exitCode = isUsage ? 2 : 1;
}

async function run(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tag: { type: 'string' },
      layout: { type: 'string' },
      image: { type: 'string' },
      file: { type: 'string' },
    },
  });
  const [verb, place, ...others] = positionals;
  const { tag, layout } = values;
  if (tag === undefined || !/^\w[\w.-]{0,127}$/.test(tag)) {
    throw new ImageError('image-usage', '--tag is missing or no tag, such as 1.0.0.');
  }
  if (layout === undefined || layout === '' || others.length > 0) {
    throw new ImageError('image-usage', '--layout is missing, or there is a word too many.');
  }
  if (verb === 'import' && place !== undefined) {
    return importArchive({ archive: place, image: values.image, tag, layout });
  }
  if (verb === 'pack') {
    return packImage({ context: place ?? '.', file: values.file, tag, layout });
  }
  throw new ImageError('image-usage', 'Say import with an archive, or pack.');
}
