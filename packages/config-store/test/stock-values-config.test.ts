import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  ConfigValueError,
  formatClusterStorage,
  formatServerVdisks,
  formatVdiskNbd,
  formatVdiskStatic,
  formatVdiskTlog,
  parseClusterStorage,
  parseServerVdisks,
  parseTlogCluster,
  parseVdiskNbd,
  parseVdiskStatic,
  parseVdiskTlog,
  parseZerostorCluster,
} from '../src/index.ts';

interface Vector {
  keySuffix: string;
  note: string;
  yaml: string;
  accepted: boolean;
  parsed: unknown;
}

const projectRoot = join(import.meta.dirname, '../../..');
const stockVectors = join(projectRoot, '../shared/fixtures/0disk/config.json');
const ownVectors = join(import.meta.dirname, 'vectors/stock-values.json');
const reduced = !existsSync(stockVectors);
if (reduced) process.stderr.write('note: 0-Disk value vectors not found; this suite ran on reduced data\n');
const vectors = [
  ...(JSON.parse(readFileSync(ownVectors, 'utf8')) as Vector[]),
  ...(reduced ? [] : (JSON.parse(readFileSync(stockVectors, 'utf8')) as Vector[])),
];

const readers: Record<string, (value: string) => unknown> = {
  ':vdisk:conf:static': parseVdiskStatic,
  ':vdisk:conf:storage:nbd': parseVdiskNbd,
  ':vdisk:conf:storage:tlog': parseVdiskTlog,
  ':cluster:conf:storage': parseClusterStorage,
  ':cluster:conf:zerostor': parseZerostorCluster,
  ':cluster:conf:tlog': parseTlogCluster,
  ':nbdserver:conf:vdisks': parseServerVdisks,
};

const rewriters: Record<string, (value: string) => string> = {
  ':vdisk:conf:static': (value) => formatVdiskStatic(parseVdiskStatic(value)),
  ':vdisk:conf:storage:nbd': (value) => formatVdiskNbd(parseVdiskNbd(value)),
  ':vdisk:conf:storage:tlog': (value) => formatVdiskTlog(parseVdiskTlog(value)),
  ':cluster:conf:storage': (value) => formatClusterStorage(parseClusterStorage(value)),
  ':nbdserver:conf:vdisks': (value) => formatServerVdisks(parseServerVdisks(value)),
};

/** Only the members that the stock reader knows, so that Salvor's further ones do not matter. */
function only(expected: unknown, found: unknown): unknown {
  if (Array.isArray(expected) && Array.isArray(found)) {
    return found.map((item, index) => only(expected[index], item));
  }
  if (typeof expected === 'object' && expected !== null && typeof found === 'object' && found !== null) {
    const members = found as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(expected).map(([name, value]) => [name, only(value, members[name])]),
    );
  }
  return found;
}

describe('a stored value is read as the stock reader reads it', () => {
  for (const { keySuffix, note, yaml, accepted, parsed } of vectors) {
    it(`${keySuffix} ${note}: ${accepted ? 'accepted' : 'refused'}`, () => {
      const read = readers[keySuffix];
      assert.ok(read, `no reader for ${keySuffix}`);
      if (accepted) {
        assert.deepEqual(only(parsed, read(yaml)), parsed);
        return;
      }
      assert.throws(
        () => read(yaml),
        (error) =>
          error instanceof ConfigValueError &&
          error.details.every((one) => one.found !== '' && one.expected !== ''),
      );
    });
  }
});

describe('an accepted value that is rewritten means the same', () => {
  for (const { keySuffix, note, yaml, accepted, parsed } of vectors) {
    const rewrite = rewriters[keySuffix];
    const read = readers[keySuffix];
    if (!accepted || rewrite === undefined || read === undefined) continue;
    it(`${keySuffix} ${note}`, () => {
      const rewritten = rewrite(yaml);
      assert.deepEqual(read(rewritten), read(yaml));
      assert.deepEqual(only(parsed, read(rewritten)), parsed);
      assert.equal(rewrite(rewritten), rewritten);
    });
  }
});
