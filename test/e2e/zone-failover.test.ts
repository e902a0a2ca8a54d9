/** A zone is given up in the middle of writes that are on their way to the other one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type NbdClient, until } from '@salvor/testkit';
import { TwoZones, VOLUME, type Zone } from './two-zones.ts';

const BLOCK = 4096;
const BLOCKS = 128;
const ROUNDS = 4;
let zones: TwoZones;

before(async () => {
  zones = await TwoZones.start({ isArchived: false });
  await zones.replicate();
});
after(async () => {
  await zones?.[Symbol.asyncDispose]();
});

/** Every write has a number, one more than the one before, and goes to the block after it. */
class Counting {
  /** The writes whose state a zone that is promoted goes on from. */
  first = 1;
  acked = 0;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  start(client: NbdClient): void {
    this.#stopped = false;
    this.#running = this.#write(client);
  }

  /** Until the write that is under way has ended, in whichever way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #write(client: NbdClient): Promise<void> {
    while (!this.#stopped) {
      const number = this.acked + 1;
      const data = Buffer.alloc(BLOCK);
      data.writeUInt32LE(number);
      try {
        await client.write((number % BLOCKS) * BLOCK, data, { fua: number % 16 === 0 });
      } catch {
        // The zone steps down: what was under way may be there or not.
        return;
      }
      this.acked = number;
    }
  }
}

/** The last write that a vdisk has, when it holds exactly what was written up to that one. */
async function lastWriteOf(client: NbdClient): Promise<number> {
  const found = await client.read(0, BLOCKS * BLOCK);
  const numbers = Array.from({ length: BLOCKS }, (_, block) => found.readUInt32LE(block * BLOCK));
  const last = Math.max(...numbers);
  for (const [block, number] of numbers.entries()) {
    const newest = last - ((((last - block) % BLOCKS) + BLOCKS) % BLOCKS);
    assert.equal(number, Math.max(0, newest), `block ${block} after write ${last}`);
  }
  return last;
}

async function untilLevel(secondary: Zone): Promise<void> {
  const since = Date.now() + 1_500;
  await secondary.until(
    'level',
    ({ status, lag }) => status === 'active - secondary' && (lag?.observedAt ?? 0) > since,
  );
}

async function failBack(): Promise<void> {
  const { north, south } = zones;
  const { phase } = await north.until(
    'compared',
    (each) => each.phase === 'split' || each.phase === 'following',
  );
  if (phase === 'split')
    await north.healing.bus.request('volume.resync', { volume: VOLUME, discard: 'north' });
  await north.untilStatus('active - secondary');
  await south.untilReleased();
  await south.healing.bus.request('volume.demote', { volume: VOLUME });
  await north.healing.bus.request('volume.promote', { volume: VOLUME });
  await north.untilStatus('active - primary');
  await south.untilStatus('active - secondary');
}

test('a forced promote under load, line cut or not, ends exactly in a state that the primary had, and in none from before it was level', async () => {
  const { north, south } = zones;
  const load = new Counting();
  const first = await north.connected();
  await south.untilStatus('active - secondary');
  await first.disconnect();
  for (let round = 0; round < ROUNDS; round++) {
    const there = await north.connected();
    load.start(there);
    const wanted = load.acked + 40 * (round + 1);
    await until(() => load.acked >= wanted, { what: `write ${wanted}`, timeoutMs: 60_000 });
    if (round % 2 === 0) zones.cut();
    await south.healing.bus.request('volume.promote', { volume: VOLUME, force: true });
    await south.untilStatus('active - primary');
    await load.stop();
    await there.disconnect().catch(() => undefined);
    const here = await south.connected();
    const last = await lastWriteOf(here);
    assert.ok(
      last >= load.first - 1 && last <= load.acked + 1,
      `write ${last} of ${load.first} to ${load.acked}`,
    );
    await here.disconnect();
    zones.mend();
    await failBack();
    await untilLevel(south);
    const back = await north.connected();
    assert.equal(await lastWriteOf(back), last, 'what the promoted zone had is what both have');
    await back.disconnect();
    load.acked = last;
    load.first = last + 1;
  }
});
