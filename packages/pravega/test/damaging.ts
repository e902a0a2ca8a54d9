/** Damage of one file of a tree, and its undoing, so that one copy of a tree serves many trials. */
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';

export type Damage =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'truncate' | 'zero'; readonly at: number }
  | { readonly kind: 'extend'; readonly bytes: Uint8Array }
  | { readonly kind: 'replace'; readonly by: number }
  | { readonly kind: 'delete' | 'link' | 'mode' };

/** `at` is a part of the file: 0 its beginning, 1 its end. */
const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

export const damages: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('truncate' as const, 'zero' as const), at }) },
  fc.record({ kind: fc.constant('extend' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 100 }) }),
  fc.record({ kind: fc.constant('replace' as const), by: fc.nat() }),
  fc.record({ kind: fc.constantFrom('delete' as const, 'link' as const, 'mode' as const) }),
);

const ZEROED_BYTES = 40;
const OUTSIDE = '/etc/hostname';

/** Returns what undoes it. `paths`: of all files of the tree. */
export function damageFile(root: string, path: string, damage: Damage, paths: readonly string[]): () => void {
  const file = join(root, path);
  const before = readFileSync(file);
  const mode = lstatSync(file).mode & 0o777;
  rmSync(file);
  const place = 'at' in damage ? Math.floor(damage.at * before.length) : 0;
  const write = (bytes: Uint8Array) => {
    writeFileSync(file, bytes);
    chmodSync(file, mode);
  };
  switch (damage.kind) {
    case 'flip': {
      const bytes = Buffer.from(before);
      if (bytes.length > 0) bytes[place] = (bytes[place] ?? 0) ^ (1 << damage.bit);
      write(bytes);
      break;
    }
    case 'truncate':
      write(before.subarray(0, place));
      break;
    case 'zero':
      write(Buffer.from(before).fill(0, place, Math.min(before.length, place + ZEROED_BYTES)));
      break;
    case 'extend':
      write(Buffer.concat([before, damage.bytes]));
      break;
    case 'replace': {
      const other = paths[damage.by % paths.length] ?? path;
      write(other === path ? before : readFileSync(join(root, other)));
      break;
    }
    case 'link':
      symlinkSync(OUTSIDE, file);
      break;
    case 'mode':
      writeFileSync(file, before);
      chmodSync(file, mode ^ 0o200);
      break;
    case 'delete':
      break;
  }
  return () => {
    rmSync(file, { force: true });
    writeFileSync(file, before);
    chmodSync(file, mode);
  };
}

export function pathsBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}
