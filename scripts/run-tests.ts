/**
 * Runs test files with node:test, three at a time, and prints its summary.
 *
 *     node --import tsx --enable-source-maps scripts/run-tests.ts [--times] [FILE…]
 *
 * Without files, all of them. Files that start nothing and have no hooks share one process for each package,
 * which saves most of what loading them costs. The longest begin first, so that no core is idle in the end.
 * `--times` prints how long the longest took.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const root = join(import.meta.dirname, '..');
const groupFolder = join(root, 'node_modules/.cache/salvor-tests');
const testTimeoutMs = 600_000;

/** Files that take longest, longest first: `--times` tells. */
const longFirst: readonly string[] = [
  'test/e2e/a-copy-in-another-zone.test.ts',
  'test/e2e/tier1-lost.test.ts',
  'services/replication-manager/test/drivers/native-conformance.test.ts',
  'test/chaos/history.test.ts',
  'test/e2e/disaster.test.ts',
  'services/segment-recovery/test/damaged-trees.test.ts',
  'test/e2e/earlier-states.test.ts',
  'test/e2e/archives.test.ts',
  'test/e2e/archive-losses.test.ts',
  'test/deploy/compose.test.ts',
  'test/e2e/plans.test.ts',
  'test/e2e/archive-in-s3.test.ts',
  'test/e2e/zone-failover.test.ts',
  'services/tlog-replayer/test/point-in-time.test.ts',
  'packages/vdisk/test/pair-lives.test.ts',
  'test/simulation/simulation.test.ts',
  'services/segment-recovery/test/killed.test.ts',
  'services/segment-recovery/test/tier1/stale-engine.test.ts',
  'packages/pravega/test/mutated-trees.test.ts',
  'services/segment-recovery/test/recover-trees.test.ts',
  'test/bench/resident-memory.test.ts',
];

/** What a file must not have to share a process: things of the process, and hooks, which would meet the tests of others. */
const needsOwnProcess =
  /@salvor\/testkit|child_process|worker_threads|\b(before|after)(Each)?\(|process\.(argv|chdir|env|exit|kill|on)|\bmock\./;

function testFiles(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist') continue;
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) found.push(...testFiles(path));
    else if (entry.name.endsWith('.test.ts')) found.push(path);
  }
  return found.sort();
}

/** By itself, or through what it imports from beside it. */
function isAlone(file: string): boolean {
  const text = readFileSync(join(root, file), 'utf8');
  const beside = [...text.matchAll(/from '(\.{1,2}\/[^']*\.ts)'/g)]
    .map(([, path = '']) => join(root, file, '..', path))
    .filter((path) => !path.includes('/src/'));
  return [text, ...beside.map((path) => readFileSync(path, 'utf8'))].some((each) =>
    needsOwnProcess.test(each),
  );
}

/** One file for each package that imports the files of it which may share a process. */
function groups(files: readonly string[]): string[] {
  rmSync(groupFolder, { recursive: true, force: true });
  mkdirSync(groupFolder, { recursive: true });
  const members = new Map<string, string[]>();
  for (const file of files) {
    const name = file.split('/').slice(0, 2).join('-');
    members.set(name, [...(members.get(name) ?? []), file]);
  }
  return [...members].map(([name, paths]) => {
    const path = join(groupFolder, `${name}.test.mjs`);
    const imports = paths.map(
      (file) => `await import(${JSON.stringify(relative(groupFolder, join(root, file)))});\n`,
    );
    writeFileSync(path, imports.join(''));
    return relative(root, path);
  });
}

function inOrder(files: readonly string[]): string[] {
  const rank = (file: string): number => {
    const at = longFirst.indexOf(file);
    return at < 0 ? longFirst.length : at;
  };
  return [...files].sort((one, other) => rank(one) - rank(other));
}

const withTimes = process.argv.includes('--times');
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const all = named.length > 0 ? named : ['test', 'services', 'packages'].flatMap(testFiles);
const unknown = longFirst.filter((file) => named.length === 0 && !all.includes(file));
if (unknown.length > 0) throw new Error(`not a test file any more: ${unknown.join(', ')}`);

const alone = all.filter((file) => longFirst.includes(file) || isAlone(file));
const together = all.filter((file) => !alone.includes(file));
const files = [...inOrder(alone), ...groups(together)].map((file) => join(root, file));

const times = new Map<string, number>();
const stream = run({ files, concurrency: 3, timeout: testTimeoutMs });
const finished = (event: { nesting: number; file?: string; details: { duration_ms: number } }): void => {
  if (event.nesting > 0 || event.file === undefined) return;
  times.set(event.file, (times.get(event.file) ?? 0) + event.details.duration_ms);
};
stream.on('test:pass', finished);
stream.on('test:fail', (event) => {
  finished(event);
  process.exitCode = 1;
});
process.on('exit', () => {
  if (!withTimes) return;
  const longest = [...times].sort((one, other) => other[1] - one[1]).slice(0, 40);
  for (const [file, ms] of longest)
    process.stderr.write(`${(ms / 1000).toFixed(1)} s ${relative(root, file)}\n`);
});
stream.compose(new spec()).pipe(process.stdout);
