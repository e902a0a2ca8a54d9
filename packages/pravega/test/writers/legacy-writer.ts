import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { metadataTable, type PlannedTree, type SegmentFile, segmentFiles } from './planned-tree.ts';
import { table, tableIndex } from './table-writer.ts';

/** Writes a tree in the layout of rolling storage. */
export function writeLegacyTree(root: string, tree: PlannedTree): void {
  for (const file of segmentFiles(tree)) writeRolled(root, file);
  for (let container = 0; container < tree.containers; container += 1) {
    const metadata = table(metadataTable(tree, container));
    const name = `_system/containers/metadata_${container}`;
    const own = { startOffset: 0, sealed: false, rollAt: tree.metadataRollAt ?? 500 };
    writeRolled(root, { name, bytes: metadata.bytes, ...own });
    writeRolled(root, { name: `${name}$attributes.index`, bytes: tableIndex(metadata), ...own });
  }
}

function writeRolled(root: string, { name, bytes, startOffset, sealed, rollAt }: SegmentFile): void {
  const header = [`maxsize=${rollAt}&`];
  mkdirSync(dirname(join(root, name)), { recursive: true });
  for (let at = 0; at < bytes.length; at += rollAt) {
    const end = Math.min(bytes.length, at + rollAt);
    // Whole chunks are deleted by a truncation, and the header no longer names them.
    if (end <= startOffset && end < bytes.length) continue;
    const path = `${name}$offset.${at}`;
    header.push(`${at}=${path}&`);
    writeFileSync(join(root, path), bytes.subarray(at, end));
    if (sealed || end - at === rollAt) chmodSync(join(root, path), 0o444);
  }
  writeFileSync(join(root, `${name}$header`), header.join(''));
  if (sealed) chmodSync(join(root, `${name}$header`), 0o444);
}
