/**
 * Checks the architecture rules that no type checker sees:
 * imports only go down the floors, each library has one room, services never meet, and decision cores are pure.
 * Exits 1 with one line a violation.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Which rooms a room may import, besides itself. */
const floors: Record<string, readonly string[]> = {
  contracts: [],
  story: ['contracts'],
  'service-kit': [],
  bus: ['contracts', 'service-kit'],
  'config-store': ['contracts', 'service-kit'],
  pravega: ['bus', 'config-store', 'contracts', 'service-kit'],
  segments: ['bus', 'config-store', 'contracts', 'service-kit'],
  tlog: ['bus', 'config-store', 'contracts', 'service-kit'],
  vdisk: ['bus', 'config-store', 'contracts', 'service-kit'],
  'local-stack': ['bus', 'config-store', 'contracts', 'service-kit'],
  testkit: ['local-stack', 'tlog', 'vdisk', 'bus', 'config-store', 'contracts', 'service-kit'],
  cli: [
    'tlog',
    'vdisk',
    'pravega',
    'segments',
    'story',
    'local-stack',
    'bus',
    'config-store',
    'contracts',
    'service-kit',
  ],
  service: [
    'tlog',
    'vdisk',
    'pravega',
    'segments',
    'story',
    'bus',
    'config-store',
    'contracts',
    'service-kit',
  ],
};

/** Which rooms may import a library. */
const libraries: Record<string, readonly string[]> = {
  nats: ['bus'],
  etcd3: ['config-store'],
  cockatiel: ['config-store'],
  ioredis: ['vdisk'],
  '@node-rs': ['vdisk'],
  avsc: ['contracts', 'tlog'],
  pino: ['service-kit'],
  'prom-client': ['service-kit'],
};

/** What a file that exports a `decide…` function must not touch: clocks, randomness, I/O. */
const impure: readonly [RegExp, string][] = [
  [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bhrtime\b/, 'reads a clock'],
  [/\bMath\.random\(|\brandom(?:UUID|Bytes|Int)\b/, 'is random'],
  [/\bsetTimeout\(|\bsetInterval\(|\bsetImmediate\(|\bawait\b|\bprocess\./, 'waits or touches the process'],
  [/from '(?:node:(?!assert)|@salvor\/bus|etcd3|ioredis|nats)/, 'imports I/O'],
];

const problems: string[] = [];

for (const file of sources(root)) {
  const path = relative(root, file);
  const room = roomOf(path);
  if (room === null) continue;
  const text = readFileSync(file, 'utf8');
  const isTest = /(^|\/)test\//.test(path);
  for (const specifier of importsOf(text)) checkImport(path, room, specifier, isTest);
  if (!isTest && /export function decide[A-Z]/.test(text)) checkPurity(path, text);
}

if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exit(1);
}

function checkImport(path: string, room: string, specifier: string, isTest: boolean): void {
  const inner = /^@salvor\/([a-z-]+)$/.exec(specifier);
  if (inner?.[1] !== undefined) {
    const target = inner[1];
    const own = path.split('/')[1];
    if (isTest || target === own) return;
    const allowed = floors[room] ?? [];
    if (!allowed.includes(target)) problems.push(`${path}: ${room} must not import @salvor/${target}`);
    return;
  }
  if (specifier.startsWith('@salvor/'))
    problems.push(`${path}: imports the inside of a package: ${specifier}`);
  if (specifier.startsWith('.')) {
    const depth = join(path, '..', specifier).split('/').slice(0, 2).join('/');
    const home = path.split('/').slice(0, 2).join('/');
    if (depth !== home && !isTest) problems.push(`${path}: reaches out of its room: ${specifier}`);
    return;
  }
  const rooms = libraries[specifier.split('/')[0] ?? ''];
  if (rooms !== undefined && !rooms.includes(path.split('/')[1] ?? '')) {
    problems.push(`${path}: ${specifier} may be imported only in ${rooms.join(', ')}`);
  }
}

function checkPurity(path: string, text: string): void {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
  for (const [pattern, what] of impure) {
    if (pattern.test(code)) problems.push(`${path}: a decision core ${what}`);
  }
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'|^import '([^']+)'/gm)].flatMap(
    (m) => m[1] ?? m[2] ?? [],
  );
}

/** `contracts`, `bus`, … for packages, `service` for services, null for everything else. */
function roomOf(path: string): string | null {
  const [top, name] = path.split('/');
  if (top === 'services') return 'service';
  return top === 'packages' && name !== undefined ? name : null;
}

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (['node_modules', 'dist', '.git', '.tools', 'vectors'].includes(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}
