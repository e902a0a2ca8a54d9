/** Random damage of a tree, from a number: the same number damages the same tree in the same way. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export type MutationKind =
  | 'flip'
  | 'zero'
  | 'truncate'
  | 'extend'
  | 'delete'
  | 'swap'
  | 'duplicate'
  | 'link'
  | 'mode';

/** What was changed in place: bytes `[from, to)` of a file that kept its size. Other changes have no range. */
export interface Mutation {
  readonly kind: MutationKind;
  readonly paths: readonly string[];
  readonly range?: { readonly from: number; readonly to: number };
}

const KINDS: readonly MutationKind[] = [
  ...(['flip', 'flip', 'flip', 'zero', 'truncate', 'truncate', 'extend'] as const),
  ...(['delete', 'delete', 'swap', 'duplicate', 'duplicate', 'link', 'mode'] as const),
];
const ZEROED_BYTES = 40;
const MAX_MUTATIONS = 3;
const OUTSIDE = '/etc/hostname';

/** Damages one to three places of a tree. `undo` brings every file back as it was. */
export function mutate(
  root: string,
  paths: readonly string[],
  seed: number,
): { readonly mutations: readonly Mutation[]; undo(): void } {
  const random = generator(seed);
  const own = paths.filter((path) => path.startsWith('_system/containers/'));
  const undoing: (() => void)[] = [];
  const mutations: Mutation[] = [];
  const touched = new Set<string>();
  for (let left = 1 + random(MAX_MUTATIONS); left > 0; left -= 1) {
    const from = random(5) < 2 ? own : paths;
    const path = from[random(from.length)] ?? '';
    const kind = KINDS[random(KINDS.length)] ?? 'flip';
    const other = nearOrAny(path, paths, random);
    if (touched.has(path) || touched.has(other)) continue;
    const involved = kind === 'swap' ? [path, other] : [path];
    for (const each of involved) {
      touched.add(each);
      undoing.push(keep(root, each));
    }
    mutations.push(damage({ root, path, other, kind, random, undoing }));
  }
  return {
    mutations,
    undo() {
      for (const back of undoing.reverse()) back();
    },
  };
}

interface Damaging {
  readonly root: string;
  readonly path: string;
  readonly other: string;
  readonly kind: MutationKind;
  readonly random: (below: number) => number;
  readonly undoing: (() => void)[];
}

function damage({ root, path, other, kind, random, undoing }: Damaging): Mutation {
  const file = join(root, path);
  const bytes = readFileSync(file);
  const at = random(Math.max(1, bytes.length));
  switch (kind) {
    case 'flip': {
      if (bytes.length === 0) return { kind, paths: [path] };
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
      replace(file, bytes);
      return { kind, paths: [path], range: { from: at, to: at + 1 } };
    }
    case 'zero': {
      const to = Math.min(bytes.length, at + ZEROED_BYTES);
      replace(file, bytes.fill(0, at, to));
      return { kind, paths: [path], range: { from: at, to } };
    }
    case 'truncate':
      replace(file, bytes.subarray(0, at));
      return { kind, paths: [path] };
    case 'extend':
      replace(
        file,
        Buffer.concat([bytes, Buffer.from(Array.from({ length: 1 + random(100) }, () => random(256)))]),
      );
      return { kind, paths: [path] };
    case 'delete':
      rmSync(file);
      return { kind, paths: [path] };
    case 'swap': {
      const others = readFileSync(join(root, other));
      replace(file, others);
      replace(join(root, other), bytes);
      return { kind, paths: [path, other] };
    }
    case 'duplicate': {
      const copy = copyName(path, random);
      const target = join(root, copy);
      if (existsSync(target)) return { kind, paths: [] };
      copyFileSync(file, target);
      undoing.push(() => rmSync(target, { force: true }));
      return { kind, paths: [copy] };
    }
    case 'link':
      rmSync(file);
      symlinkSync(OUTSIDE, file);
      return { kind, paths: [path] };
    case 'mode':
      chmodSync(file, (lstatSync(file).mode & 0o777) ^ 0o200);
      return { kind, paths: [path] };
  }
}

/** Mostly another file of the same segment, or of its neighbours: those are mixed up most easily. */
function nearOrAny(path: string, paths: readonly string[], random: (below: number) => number): string {
  const index = paths.indexOf(path);
  const near = random(2) === 0 ? index + 1 + random(4) : random(paths.length);
  return paths[near % paths.length] ?? path;
}

/** Of a chunk: one of another offset or epoch. Else a name that no format has. */
function copyName(path: string, random: (below: number) => number): string {
  const chunk = /^(.*)\.E-(\d+)-O-(\d+)\.(.*)$/s.exec(path);
  const offset = (digits: string) => Number(digits) + ([0, 1, 256, 300, 1_000, 1_024][random(6)] ?? 0);
  if (chunk !== null) {
    const [, segment = '', epoch = '', at = '', id = ''] = chunk;
    const other = id.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    return `${segment}.E-${Number(epoch) + random(3)}-O-${offset(at)}.${other}`;
  }
  const rolled = /^(.*\$offset\.)(\d+)$/s.exec(path);
  if (rolled !== null) return `${rolled[1]}${offset(rolled[2] ?? '0') + 1}`;
  return `${path}${['.bak', '.1', '~', '$header', '$offset.7'][random(5)]}`;
}

function keep(root: string, path: string): () => void {
  const file = join(root, path);
  const bytes = readFileSync(file);
  const mode = lstatSync(file).mode & 0o777;
  return () => {
    rmSync(file, { force: true });
    writeFileSync(file, bytes);
    chmodSync(file, mode);
  };
}

/** With the mode that it has; read-only files are made anew. */
function replace(file: string, bytes: Uint8Array): void {
  const mode = lstatSync(file).mode & 0o777;
  rmSync(file);
  writeFileSync(file, bytes);
  chmodSync(file, mode);
}

/** mulberry32: `random(n)` is 0 to n - 1. */
export function generator(seed: number): (below: number) => number {
  let state = (seed + 0x9e37_79b9) >>> 0;
  return (below) => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
