import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type TempDir, tempDir } from '@salvor/testkit';
import { zonesToRun } from '../src/commands/up-zones.ts';

describe('the zones of salvor up', () => {
  let dir: TempDir;
  before(() => {
    dir = tempDir('up-zones');
  });
  after(() => dir.remove());

  it('are none where none are named, and none were', () => {
    assert.deepEqual(zonesToRun(dir.join('nothing'), undefined, false), []);
  });

  it('are those that are named, and the next run goes on with them', () => {
    const path = dir.join('two');
    assert.deepEqual(zonesToRun(path, 'south,north', false), ['south', 'north']);
    for (const zone of ['north', 'south']) writeFileSync(`${path}/${zone}/stack.json`, '{}');
    assert.deepEqual(zonesToRun(path, undefined, false), ['north', 'south']);
    assert.throws(() => zonesToRun(path, 'north,east', false), /has the zones north, south; name all/);
    assert.throws(() => zonesToRun(path, undefined, true), /--tls and zones do not go together/);
  });

  it('are refused when they are no names, too few, or the folder holds something else', () => {
    for (const named of ['north', 'north,north', '', 'a,b,c,d,e'])
      assert.throws(() => zonesToRun(dir.join('x'), named, false), /2 to 4 different zones/, named);
    assert.throws(() => zonesToRun(dir.join('x'), 'north,../south', false), /found '\.\.\/south'/);
    mkdirSync(dir.join('one'));
    writeFileSync(dir.join('one/stack.json'), '{}');
    assert.throws(
      () => zonesToRun(dir.join('one'), 'north,south', false),
      /holds a Salvor without zones; name another folder/,
    );
  });
});
