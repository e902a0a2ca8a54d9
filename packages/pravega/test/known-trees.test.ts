import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { openTree } from '../src/index.ts';
import { knownTrees, removeFolders, sayWhatIsMissing } from './trees.ts';

sayWhatIsMissing();

describe('both layouts: what a tree is known to have', () => {
  after(removeFolders);

  for (const { name, layout, containerCount, truth, deleted, unknowable, unpack } of knownTrees()) {
    it(`${name}: every segment, with every fact`, async () => {
      const tree = await openTree(unpack());
      assert.equal(tree.layout, layout);
      assert.equal(tree.containerCount, containerCount);
      assert.deepEqual(tree.segments.map((segment) => segment.name).sort(), [...truth.keys()].sort());
      for (const segment of tree.segments) {
        const { uncertain, ...facts } = await tree.facts(segment);
        const expected = truth.get(segment.name);
        assert.ok(expected !== undefined);
        const { container, length, startOffset, sealed, extendedAttributes, sha256 } = expected;
        assert.deepEqual(
          { ...facts, coreAttributes: without(facts.coreAttributes, unknowable) },
          {
            ...{ name: segment.name, container, length, startOffset, sealed, extendedAttributes, sha256 },
            coreAttributes: without(expected.coreAttributes, unknowable),
          },
        );
        if (unknowable.size === 0) assert.deepEqual(uncertain, {}, segment.name);
      }
      assert.deepEqual(
        tree.findings.filter(({ severity }) => severity === 'damage'),
        [],
      );
      tree.close();
    });

    it(`${name}: every entry of every table`, async () => {
      const tree = await openTree(unpack());
      for (const segment of tree.segments) {
        const entries = tree.entries(segment);
        const expected = truth.get(segment.name)?.entries;
        assert.equal(entries === null, expected === undefined, segment.name);
        if (entries === null) continue;
        const found: { key: string; value: string; version: number }[] = [];
        for await (const { key, value, version } of entries)
          found.push({ key: key.toString(), value: value.toString(), version });
        assert.deepEqual(found.sort(byKey), [...(expected ?? [])].sort(byKey), segment.name);
      }
      assert.deepEqual(
        tree.findings.filter(({ severity }) => severity === 'damage'),
        [],
      );
      tree.close();
    });

    it(`${name}: nothing that was deleted comes back`, async () => {
      const tree = await openTree(unpack());
      const listed = new Set(tree.segments.map((segment) => segment.name));
      assert.deepEqual(
        deleted.filter((gone) => listed.has(gone)),
        [],
      );
      tree.close();
    });
  }
});

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

function without(attributes: Readonly<Record<string, string>>, unknowable: ReadonlySet<string>) {
  return Object.fromEntries(Object.entries(attributes).filter(([id]) => !unknowable.has(id)));
}
