import type { PipelinePosition } from '../problem.ts';
import { createLineIndex } from './line-index.ts';
import { findNode, type PositionedNode, type ValuePath } from './positioned-node.ts';
import { offsetInScalar } from './scalar-offset.ts';

/** Finds the places of a pipeline's values in its text. */
export interface PipelinePositions {
  /** Of a value; of the nearest value around it where the text has none. */
  find(path: ValuePath): PipelinePosition;
  /** Of the key of a member; as {@link PipelinePositions.find} for members of lists. */
  findKey(path: ValuePath): PipelinePosition;
  /** Of a UTF-16 offset within a text value; of the value's start where escapes and folding leave no certain place. */
  findInText(path: ValuePath, offset: number): PipelinePosition;
  /** As people read a path: `steps.deploy.inputs.image`. */
  pathText(path: ValuePath): string;
}

/** Positions in a text whose values are known. */
export function createPositions(
  text: string,
  file: string,
  root: PositionedNode,
): PipelinePositions {
  const lineColumn = createLineIndex(text);
  const pathText = (path: ValuePath): string => joinPath(path, root.value);
  const at = (offset: number, path: ValuePath): PipelinePosition => ({
    file,
    ...lineColumn(offset),
    path: pathText(path),
  });
  const around = (path: ValuePath): PositionedNode => {
    for (let length = path.length; length > 0; length -= 1) {
      const node = findNode(root, path.slice(0, length));
      if (node !== undefined) return node;
    }
    return root;
  };
  return {
    pathText,
    find: (path) => at(around(path).start, path),
    findKey: (path) => {
      const last = path.at(-1);
      const parent = last === undefined ? undefined : findNode(root, path.slice(0, -1));
      const member = typeof last === 'string' ? parent?.members?.get(last) : undefined;
      return at(member?.keyStart ?? around(path).start, path);
    },
    findInText: (path, offset) => {
      const node = findNode(root, path);
      if (node === undefined || typeof node.value !== 'string' || node.style === null) {
        return at(around(path).start, path);
      }
      const source = text.slice(node.start, node.end);
      return at(node.start + (offsetInScalar(source, node.style, node.value, offset) ?? 0), path);
    },
  };
}

/** Positions of a pipeline that came without a text: every one is the first place of `file`. */
export function positionsWithoutText(value: unknown, file = '-'): PipelinePositions {
  const pathText = (path: ValuePath): string => joinPath(path, value);
  const find = (path: ValuePath): PipelinePosition => ({
    file,
    line: 1,
    column: 1,
    path: pathText(path),
  });
  return { pathText, find, findKey: find, findInText: find };
}

/** Steps are said by id where they have one that can be read in a path. */
function joinPath(path: ValuePath, root: unknown): string {
  let value: unknown = root;
  let parent: string | number | undefined;
  const parts: string[] = [];
  for (const part of path) {
    value = memberOf(value, part);
    const id = typeof part === 'number' && parent === 'steps' ? memberOf(value, 'id') : undefined;
    parts.push(typeof id === 'string' && /^[a-z0-9-]{1,63}$/.test(id) ? id : String(part));
    parent = part;
  }
  return parts.join('.');
}

function memberOf(value: unknown, part: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
  return (value as Readonly<Record<string | number, unknown>>)[part];
}
