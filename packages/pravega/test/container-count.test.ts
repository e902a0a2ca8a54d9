import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerOfSegment } from '../src/naming/container-mapping.ts';
import { decideContainerCount } from '../src/naming/decide-container-count.ts';

const names = (count: number) => Array.from({ length: count }, (_, n) => `farm/stream${n}/0.#epoch.0`);

/** Names by the container that a cluster of so many puts them into; containers without any are there, too. */
function rowsOf(containers: number, all: readonly string[]): Map<number, string[]> {
  const rows = new Map(Array.from({ length: containers }, (_, container) => [container, [] as string[]]));
  for (const name of all) rows.get(containerOfSegment(name, containers))?.push(name);
  return rows;
}

describe('how many containers there were', () => {
  for (const containers of [1, 2, 3, 4, 7, 16, 64, 200])
    it(`${containers}: every row fits`, () => {
      const { count, doubt } = decideContainerCount(rowsOf(containers, names(600)));
      assert.deepEqual([count, doubt], [containers, null]);
    });

  it('few names fit several counts: the one of which there are files is taken, and that is said', () => {
    const { count, doubt, remark } = decideContainerCount(rowsOf(5, names(2)));
    assert.deepEqual([count, doubt], [5, null]);
    assert.match(remark ?? '', /the few names that there are fit up to \d+ as well/);
  });

  it('no file of the last containers is left: the names that are there tell', () => {
    const rows = rowsOf(6, names(400));
    rows.delete(5);
    const { count, doubt } = decideContainerCount(rows);
    assert.equal(count, 6);
    assert.match(doubt ?? '', /^no file of the containers from 5 on is there/);
  });

  it('a row in a wrong container does not change what the others tell', () => {
    const rows = rowsOf(8, names(200));
    rows.get(2)?.push(...names(200).slice(0, 3));
    const { count, doubt } = decideContainerCount(rows);
    assert.equal(count, 8);
    assert.match(doubt ?? '', /^no number fits every row; with this one [1-3] of \d+ do not$/);
  });

  it('a foreign file that is named like one of a container that never was', () => {
    const rows = rowsOf(4, names(200));
    rows.set(99_999, []);
    const { count, doubt } = decideContainerCount(rows);
    assert.equal(count, 4);
    assert.match(doubt ?? '', /^files tell of container 99999/);
  });

  it('nothing tells', () => {
    assert.deepEqual(decideContainerCount(new Map()).count, 1);
    assert.match(decideContainerCount(new Map([[3, []]])).doubt ?? '', /^no row tells/);
  });

  it('a cluster without a segment: the containers that there are', () => {
    const rows = new Map(
      [0, 1, 2].map((container) => [container, [`_system/containers/metadata_${container}`]]),
    );
    const { count, doubt, remark } = decideContainerCount(rows);
    assert.deepEqual([count, doubt], [3, null]);
    assert.match(remark ?? '', /no row tells/);
  });
});
