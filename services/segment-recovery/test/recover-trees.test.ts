import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { segmentStream } from '@salvor/segments';
import { pathsBelow } from '../../../packages/pravega/test/damaging.ts';
import { knownTrees, removeFolders, sayWhatIsMissing } from '../../../packages/pravega/test/trees.ts';
import { Tier1 } from './tier1.ts';
import { byKey, everySegment } from './tier1-content.ts';

sayWhatIsMissing();

for (const { name, truth, deleted, unknowable, containerCount, unpack } of knownTrees()) {
  describe(`${name}: a recovery into an empty Tier-1`, () => {
    let tier1: Tier1;
    let root = '';
    let untouched = '';
    before(async () => {
      tier1 = await Tier1.start();
      await tier1.serve();
      root = unpack();
      untouched = fingerprint(root);
      await tier1.recover({ root });
    });
    after(async () => {
      await tier1[Symbol.asyncDispose]();
      removeFolders();
    });

    it('brings back every segment with every fact, its bytes, attributes and entries', async () => {
      const found = await everySegment(tier1.bus);
      assert.deepEqual([...found.keys()].sort(), [...truth.keys()].sort());
      for (const [segment, expected] of truth) {
        const content = found.get(segment);
        assert.ok(content !== undefined);
        const { container, length, startOffset, sealed, sha256, coreAttributes } = content.described;
        const known = (id: string) => !unknowable.has(id);
        assert.deepEqual(
          {
            ...{ segment, container, length, startOffset, sealed, sha256 },
            log: content.sha256,
            core: Object.fromEntries(
              coreAttributes.filter(({ id }) => known(id)).map(({ id, value }) => [id, value]),
            ),
            extended: content.extendedAttributes,
            entries: content.entries,
          },
          {
            ...{ segment, container: expected.container, length: expected.length },
            ...{ startOffset: expected.startOffset, sealed: expected.sealed, sha256: expected.sha256 },
            log: expected.sha256,
            core: Object.fromEntries(Object.entries(expected.coreAttributes).filter(([id]) => known(id))),
            extended: expected.extendedAttributes,
            entries: [...(expected.entries ?? [])].sort(byKey),
          },
        );
      }
      assert.deepEqual(
        deleted.filter((gone) => found.has(gone)),
        [],
      );
    });

    it('changes nothing in Tier-2, beside the backup', () => {
      assert.equal(fingerprint(root), untouched);
      const copies = pathsBelow(join(root, 'backup_system/containers'));
      const originals = pathsBelow(join(root, '_system/containers'));
      assert.deepEqual(copies, originals);
      for (const path of originals) {
        const [copy, original] = [
          join(root, 'backup_system/containers', path),
          join(root, '_system/containers', path),
        ];
        assert.ok(readFileSync(copy).equals(readFileSync(original)), path);
        assert.equal(lstatSync(copy).mode & 0o200, lstatSync(original).mode & 0o200, path);
      }
    });

    it('reports where each fact is from, and what nobody can know', async () => {
      const { recovery } = await tier1.bus.request('dr.report', {});
      const lines = readFileSync(recovery?.report ?? '', 'utf8')
        .trimEnd()
        .split('\n');
      const [head, ...rest] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.ok(Array.isArray(head?.unknowable) && head.unknowable.length > 3);
      const segments = rest.filter(({ kind }) => kind === 'segment');
      assert.equal(segments.length, truth.size);
      for (const { segment, facts } of segments) {
        const told = (facts as { fact: string; from: string; certainty: string }[]).map(({ fact }) => fact);
        assert.deepEqual(
          told,
          [
            'existence',
            'container',
            'length',
            'startOffset',
            'sealed',
            'coreAttributes',
            'extendedAttributes',
          ],
          String(segment),
        );
      }
    });

    it('changes nothing when it is done again', async () => {
      const state = async () => {
        const { entries } = await tier1.store.list('/salvor/segment');
        const kept = entries.filter(({ key }) => !key.startsWith('/salvor/segment-recoveries/'));
        const streams = await Promise.all(
          Array.from({ length: containerCount }, (_, n) => tier1.bus.logStreams.facts(segmentStream(n))),
        );
        return {
          keys: kept.map(({ key, revision }) => `${key} ${revision}`),
          streams: streams.map(({ lastSequence, messages }) => ({ lastSequence, messages })),
        };
      };
      const once = await state();
      const again = await tier1.recover({ root });
      assert.equal(again.already, truth.size);
      assert.equal(again.written, 0);
      assert.deepEqual(await state(), once);
    });
  });
}

/** Of all files of the tree, with their modes; without the backup. */
function fingerprint(root: string): string {
  const hash = createHash('sha256');
  for (const path of pathsBelow(root)) {
    if (path.startsWith('backup_system/')) continue;
    const { mode, mtimeMs } = lstatSync(join(root, path));
    hash.update(`${path} ${mode} ${mtimeMs} `).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
}
