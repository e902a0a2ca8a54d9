/** Trees for tests: those that Pravega wrote, where they are at hand, and those that the writers here make. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeChunkedTree } from './writers/chunked-writer.ts';
import { writeLegacyTree } from './writers/legacy-writer.ts';
import { smallTree, type Truth, truthOf } from './writers/planned-tree.ts';

export const fixtureFolder = join(import.meta.dirname, '../../../../shared/fixtures/pravega');
const isReduced = !existsSync(fixtureFolder);

/** To be called once by each suite that reads the trees of Pravega. */
export function sayWhatIsMissing(): void {
  if (isReduced)
    process.stderr.write('note: trees written by Pravega not found; this suite ran on reduced data\n');
}

export interface KnownTree {
  readonly name: string;
  readonly layout: 'chunked' | 'legacy';
  readonly containerCount: number;
  readonly truth: ReadonlyMap<string, Truth>;
  readonly deleted: readonly string[];
  /** Attributes that no reader can know. */
  readonly unknowable: ReadonlySet<string>;
  /** Writes the tree into a new folder, and returns it. */
  unpack(): string;
}

const SEQUENCE_NUMBER = '80000000-0000-0000-0000-000000000008';

/** A tree of each layout at least. */
export function knownTrees(): KnownTree[] {
  return [...writtenTrees(), ...(isReduced ? [] : fixtureTrees())];
}

export function writtenTrees(): KnownTree[] {
  const plan = smallTree();
  return (['legacy', 'chunked'] as const).map((layout) => ({
    name: `a small ${layout} tree`,
    layout,
    containerCount: plan.containers,
    truth: truthOf(plan),
    deleted: plan.deleted,
    unknowable: new Set(),
    unpack() {
      const root = newFolder();
      if (layout === 'legacy') writeLegacyTree(root, plan);
      else writeChunkedTree(root, plan);
      return root;
    },
  }));
}

interface Manifest {
  readonly layout: string;
  readonly containerCount: number;
  readonly segments: readonly (Omit<Truth, 'extendedAttributes'> & Partial<Truth>)[];
  readonly deleted: readonly string[];
}

function fixtureTrees(): KnownTree[] {
  return ['rolling-flushed', 'rollingnc-flushed', 'slts-flushed', 'slts-crash'].map((name) => {
    const manifest = JSON.parse(
      readFileSync(join(fixtureFolder, `${name}.manifest.json`), 'utf8'),
    ) as Manifest;
    return {
      name,
      layout: manifest.layout.startsWith('chunked') ? 'chunked' : 'legacy',
      containerCount: manifest.containerCount,
      truth: new Map(
        manifest.segments.map((truth) => [
          truth.name,
          { ...truth, extendedAttributes: truth.extendedAttributes ?? {} },
        ]),
      ),
      deleted: manifest.deleted,
      // A position in a log that was not saved anywhere else.
      unknowable: new Set(name === 'slts-crash' ? [SEQUENCE_NUMBER] : []),
      unpack() {
        const root = newFolder();
        execFileSync('tar', ['-xpzf', join(fixtureFolder, `${name}.tar.gz`), '-C', root]);
        return join(root, name);
      },
    };
  });
}

const folders = new Set<string>();

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'salvor-pravega-'));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}

export function removeFolders(): void {
  for (const folder of folders) removeFolder(folder);
}
