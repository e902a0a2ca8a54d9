import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as records from '@salvor/config-store';
import { formatRecord, parseRecord } from '@salvor/config-store';
import { z } from 'zod';
import { sampleOf, UNKNOWN } from './sample-record.ts';

/** Not in etcd by themselves, or made into something else when they are read. */
const OTHERS = new Set(['planDocumentSchema']);

function schemas(): [string, z.ZodType][] {
  return Object.entries(records).flatMap(([name, value]): [string, z.ZodType][] =>
    name.endsWith('Schema') && value instanceof z.ZodType && !OTHERS.has(name) ? [[name, value]] : [],
  );
}

/** How often a value holds what this version does not know. */
function unknowns(value: unknown): number {
  return JSON.stringify(value).split('"fromNewerVersion"').length - 1;
}

test('every record of etcd keeps what a newer version wrote into it, at any depth', () => {
  const found = schemas();
  assert.ok(found.length > 60, `expected many records, found ${found.length}`);
  for (const [name, schema] of found) {
    const newer = sampleOf(schema, UNKNOWN);
    const rewritten: unknown = JSON.parse(
      formatRecord(schema, name, parseRecord(schema, name, JSON.stringify(newer))),
    );
    assert.equal(unknowns(rewritten), unknowns(newer), name);
    const isRecord = typeof newer === 'object' && newer !== null && !Array.isArray(newer);
    if (isRecord) assert.ok(unknowns(newer) > 0, `${name} refuses what it does not know`);
  }
});
