import { NixError, printable } from '../nix-error.ts';
import type { ClosureMember } from './narinfo.ts';

/**
 * Throws unless every reference is itself a member, and there are no circles.
 * @returns the members, those that are referred to before those that refer to them; else in their order
 * @throws NixError `closure-reference-missing`, `closure-invalid`
 */
export function orderMembers(members: readonly ClosureMember[]): readonly ClosureMember[] {
  const byPath = new Map(members.map((member) => [member.storePath, member]));
  const ordered = new Set<ClosureMember>();
  const open = new Set<ClosureMember>();
  const stack: { member: ClosureMember; next: number }[] = [];
  for (const root of members) {
    if (!ordered.has(root)) {
      stack.push({ member: root, next: 0 });
      open.add(root);
    }
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const reference = top.member.references[top.next];
      top.next += 1;
      if (reference === undefined) {
        stack.pop();
        open.delete(top.member);
        ordered.add(top.member);
        continue;
      }
      if (reference === top.member.storePath) continue;
      const found = byPath.get(reference);
      if (found === undefined) throw missing(top.member, reference);
      if (open.has(found)) throw circle(found);
      if (!ordered.has(found)) {
        stack.push({ member: found, next: 0 });
        open.add(found);
      }
    }
  }
  return [...ordered];
}

/** Store paths that no other member refers to, in the members' order: what was asked for. */
export function findRoots(members: readonly ClosureMember[]): readonly string[] {
  const referred = new Set(
    members.flatMap((member) => member.references.filter((path) => path !== member.storePath)),
  );
  return members.map((member) => member.storePath).filter((path) => !referred.has(path));
}

function missing(member: ClosureMember, reference: string): NixError {
  const path = printable(member.storePath);
  return new NixError(
    'closure-reference-missing',
    `"${path}" refers to "${printable(reference)}", which the closure does not hold. Export the whole closure.`,
    { path },
  );
}

function circle(member: ClosureMember): NixError {
  const path = printable(member.storePath);
  return new NixError(
    'closure-invalid',
    `"${path}" refers to itself by way of others; Nix never makes such a closure. Export it again.`,
    { path },
  );
}
