/** Lists of a tree's segments: as files per container, and as one JSON document. */
import { mkdir, open, realpath, rename } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { SalvorError } from '@salvor/service-kit';
import type { ListedSegment, PravegaTree } from './pravega-tree.ts';

const CSV_HEADER = 'Sealed Status,Length,Segment Name';

/**
 * Writes `Container_<N>.csv` for every container, as Pravega's own command does (`StorageListSegmentsCommand`). Files of
 * these names are replaced. Returns their paths. Throws `inside-tree` for a folder in the tree, which is only read.
 */
export async function writeContainerCsv(tree: PravegaTree, folder: string): Promise<string[]> {
  await refuseInside(tree, folder);
  await mkdir(folder, { recursive: true });
  await refuseInside(tree, folder);
  const byContainer = new Map<number, ListedSegment[]>(tree.containers.map((container) => [container, []]));
  for (const segment of tree.segments) {
    const known = byContainer.get(segment.container);
    if (known === undefined) byContainer.set(segment.container, [segment]);
    else known.push(segment);
  }
  const paths: string[] = [];
  for (const [container, segments] of byContainer) {
    const path = join(folder, `Container_${container}.csv`);
    const lines = segments.map(({ sealed, length, name }) => `${sealed},${length},${csvField(name)}\n`);
    await replaceFile(path, `${CSV_HEADER}\n${lines.join('')}`);
    paths.push(path);
  }
  return paths;
}

/** One object {layout, containerCount, segments, findings} in pieces, so that no tree is too large for it. */
export async function* segmentsAsJson(tree: PravegaTree, full: boolean): AsyncGenerator<string> {
  const head = JSON.stringify({ layout: tree.layout, containerCount: tree.containerCount });
  yield `${head.slice(0, -1)},"segments":[`;
  let separator = '\n';
  for (const segment of tree.segments) {
    const facts = full ? await tree.facts(segment) : segment;
    yield `${separator}${JSON.stringify(facts, withoutEmpty)}`;
    separator = ',\n';
  }
  yield '\n],"findings":[';
  separator = '\n';
  for (const finding of tree.findings) {
    yield `${separator}${JSON.stringify(finding)}`;
    separator = ',\n';
  }
  yield '\n]}\n';
}

/** Segments without extended attributes, or doubts, have no such member. */
function withoutEmpty(key: string, value: unknown): unknown {
  const mayBeLeftOut = key === 'extendedAttributes' || key === 'uncertain';
  return mayBeLeftOut && Object.keys(value ?? {}).length === 0 ? undefined : value;
}

async function refuseInside(tree: PravegaTree, folder: string): Promise<void> {
  const real = await realpath(folder).catch(() => folder);
  const way = relative(tree.root, real);
  if (way === '' || (!way.startsWith('..') && !way.startsWith('/')))
    throw new SalvorError(
      'inside-tree',
      `expected a folder outside of ${tree.root}, which is only read; found ${folder}`,
    );
}

/** RFC 4180. Names that Pravega itself makes need no quotes. */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Never a half-written list, and never through a link that has the name already. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'wx');
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
