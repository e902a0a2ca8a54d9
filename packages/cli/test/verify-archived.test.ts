import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { TlogSegment } from '@salvor/contracts';
import { ChunkBuilder, openDirectoryStore, putConfiguration, VdiskChunks } from '@salvor/tlog';
import { runInProcess } from './fake-terminal.ts';

/** A mark: a segment without records. */
function mark(number: number): TlogSegment {
  return {
    ...{ vdisk: 'v1', number, epoch: 1, generation: 0, first: 1, base: 1, blockSize: 4096, kind: 'begin' },
    ...{ name: '', firstAt: number, lastAt: number, positions: [], records: [], data: Buffer.alloc(0) },
  };
}

describe('salvor dr verify of a directory of either kind', () => {
  let dir = '';
  let root = '';
  let chunk = '';
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'salvor-verify-'));
    root = join(dir, 'tier2');
    const store = await openDirectoryStore({ root });
    const builder = new ChunkBuilder('v1', 1);
    for (const number of [1, 2, 3]) builder.add(mark(number));
    chunk = (await new VdiskChunks(store, 0, 'v1').write(builder.finish())).path;
    await putConfiguration(store, { revision: '12', at: 0, entries: [['/salvor/x', '1']] }, true);
    await store.close();
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const verify = (...args: string[]) => runInProcess(['dr', 'verify', ...args]);

  test('what Salvor archived is known by its files, and all of it is whole', async () => {
    const { code, stdout } = await verify(root);
    assert.match(stdout, /^layout +salvor$/m);
    assert.match(stdout, /^logs +1, with 1 chunk and 3 segments, proved to their checksums$/m);
    assert.match(stdout, /^configurations +2, the newest of revision 12/m);
    assert.match(stdout, /^verdict +clean$/m);
    assert.equal(code, 0);
    const { logs, verdict } = JSON.parse((await verify(root, '--layout', 'salvor', '--json')).stdout);
    assert.deepEqual([logs[0].vdisk, logs[0].segments, verdict], ['v1', 3, 'clean']);
  });

  test('options of Pravega directories, and a directory of neither, end with 2', async () => {
    for (const option of [['--tier1'], ['--containers', '3']]) {
      const { code, stderr } = await verify(root, ...option);
      assert.equal(code, 2);
      assert.match(stderr, /for Pravega directories/);
    }
    const empty = join(dir, 'empty');
    mkdirSync(empty);
    const { code, stderr } = await verify(empty);
    assert.equal(code, 2);
    assert.match(stderr, /found neither; is this the root of Tier-2\?/);
  });

  test('a directory with files of both is not guessed', async () => {
    const header = join(root, 'farm/orders/0.#epoch.0$header');
    mkdirSync(join(root, 'farm/orders'), { recursive: true });
    writeFileSync(header, 'maxsize=4&');
    const { code, stderr } = await verify(root);
    assert.equal(code, 2);
    assert.match(stderr, /say which to read, --layout salvor or --layout pravega/);
    assert.match((await verify(root, '--layout', 'salvor')).stdout, /verdict +clean/);
    assert.match((await verify(root, '--layout', 'pravega')).stdout, /layout +legacy/);
    rmSync(join(root, 'farm'), { recursive: true });
  });

  test('a chunk that is cut off ends with 1, and is named', async () => {
    truncateSync(join(root, chunk), 40);
    const { code, stderr } = await verify(root);
    assert.equal(code, 1);
    assert.match(stderr, /^salvor: lost-segments: .*\(vdisk v1 in container 0, segments 1 to 3\)$/m);
  });
});
