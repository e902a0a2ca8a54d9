/** Lists of a tree's segments: as files per container, and as one JSON document. */
import { mkdir, open, realpath, rename } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { SalvorError } from '@salvor/service-kit';
import type { ListedSegment } from './pravega-tree.ts';
import type { TreeReader } from './thread/tree-reader.ts';

const CSV_HEADER = 'Sealed Status,Length,Segment Name';

/** A tree that another thread reads, page by page. */
export type ListedTree = Pick<TreeReader, 'outline' | 'list' | 'facts' | 'findings'>;

const PAGE = 1_000;

export async function* everySegment(tree: ListedTree): AsyncGenerator<ListedSegment> {
  for (let from = 0; from < tree.outline.segments; from += PAGE) yield* await tree.list(from, PAGE);
}

/**
 * Writes `Container_<N>.csv` for every container, as Pravega's own command does (`StorageListSegmentsCommand`). Files of
 * these names are replaced. Returns their paths. Throws `inside-tree` for a folder in the tree, which is only read.
 */
export async function writeContainerCsv(tree: ListedTree, folder: string): Promise<string[]> {
  const { root, containers } = tree.outline;
  await refuseInside(root, folder);
  await mkdir(folder, { recursive: true });
  await refuseInside(root, folder);
  const paths: string[] = [];
  const write = async (container: number, lines: readonly string[]) => {
    const path = join(folder, `Container_${container}.csv`);
    await replaceFile(path, `${CSV_HEADER}\n${lines.join('')}`);
    paths.push(path);
  };
  const left = new Set(containers.map(({ container }) => container));
  let current: { readonly container: number; readonly lines: string[] } | undefined;
  // Segments come container by container.
  for await (const { container, sealed, length, name } of everySegment(tree)) {
    if (current !== undefined && current.container !== container)
      await write(current.container, current.lines);
    if (current?.container !== container) current = { container, lines: [] };
    left.delete(container);
    current.lines.push(`${sealed},${length},${csvField(name)}\n`);
  }
  if (current !== undefined) await write(current.container, current.lines);
  for (const container of left) await write(container, []);
  return paths;
}

/** One object {layout, containerCount, segments, findings} in pieces, so that no tree is too large for it. */
export async function* segmentsAsJson(tree: ListedTree, full: boolean): AsyncGenerator<string> {
  const { layout, containerCount, segments } = tree.outline;
  const head = JSON.stringify({ layout, containerCount });
  yield `${head.slice(0, -1)},"segments":[`;
  let separator = '\n';
  for (let from = 0; from < segments; from += PAGE) {
    for (const [place, listed] of (await tree.list(from, PAGE)).entries()) {
      const facts = full ? await tree.facts(from + place) : listed;
      yield `${separator}${JSON.stringify(facts, withoutEmpty)}`;
      separator = ',\n';
    }
  }
  yield '\n],"findings":[';
  separator = '\n';
  for (const finding of await tree.findings()) {
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

async function refuseInside(root: string, folder: string): Promise<void> {
  const real = await realpath(folder).catch(() => folder);
  const way = relative(root, real);
  if (way === '' || (!way.startsWith('..') && !way.startsWith('/')))
    throw new SalvorError(
      'inside-tree',
      `expected a folder outside of ${root}, which is only read; found ${folder}`,
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
