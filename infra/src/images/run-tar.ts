import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ImageError } from './image-error.ts';

/** Packs a folder into an archive whose bytes depend on names, contents and modes alone. */
export async function packFolder(folder: string, archive: string): Promise<void> {
  await tar([
    ...['--create', '--file', archive, '--format=gnu', '--sort=name', '--mtime=@0'],
    ...['--owner=0', '--group=0', '--numeric-owner', '--mode=go-w', '--directory', folder, '.'],
  ]);
}

/** Unpacks an archive into a folder; paths that lead out of it are left out by tar itself. */
export async function unpackArchive(archive: string, folder: string): Promise<void> {
  await tar(['--extract', '--file', archive, '--no-same-owner', '--directory', folder]);
}

async function tar(args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('tar', args, {
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
      maxBuffer: 1024 * 1024,
    });
  } catch (cause) {
    const { stderr = '', message } = cause as { stderr?: string; message: string };
    const why = stderr.trim().split('\n').at(-1) || message;
    throw new ImageError('image-tar-failed', `tar could not do it: ${why}`, { cause });
  }
}
