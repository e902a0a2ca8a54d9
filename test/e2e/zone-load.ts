import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type NbdClient, until } from '@salvor/testkit';
import { VOLUME, type Zone } from './two-zones.ts';

const BLOCK = 4096;
const BLOCKS = 128;
/** Of them one in each MiB: a copy takes a while to come by all of them. */
const STRIDE_BYTES: number = 1024 * 1024;
const WAIT_MS = 120_000;

/** Every write has a number, one more than the one before, and goes to the block after it. */
export class Counting {
  /** The writes whose state a zone that is promoted goes on from. */
  first = 1;
  acked = 0;
  /** Is in each write beside its number. */
  tag = 0;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  start(client: NbdClient): void {
    this.#stopped = false;
    this.#running = this.#write(client);
  }

  /** Until so many more writes were acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acked + count;
    await until(() => this.acked >= wanted, { what: `write ${wanted}`, timeoutMs: WAIT_MS });
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
      data.writeUInt32LE(this.tag, 4);
      try {
        await client.write((number % BLOCKS) * STRIDE_BYTES, data, { fua: number % 16 === 0 });
      } catch {
        // The zone steps down: what was under way may be there or not.
        return;
      }
      this.acked = number;
    }
  }
}

/** The last write that a vdisk has, when it holds exactly what was written up to that one; those behind `since` have this tag. */
export async function lastWriteOf(
  client: NbdClient,
  own: { readonly since: number; readonly tag: number } | null = null,
): Promise<number> {
  const found: { number: number; tag: number }[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    const data = await client.read(block * STRIDE_BYTES, BLOCK);
    found.push({ number: data.readUInt32LE(), tag: data.readUInt32LE(4) });
  }
  const last = Math.max(...found.map(({ number }) => number));
  for (const [block, { number, tag }] of found.entries()) {
    const newest = last - ((((last - block) % BLOCKS) + BLOCKS) % BLOCKS);
    assert.equal(number, Math.max(0, newest), `block ${block} after write ${last}`);
    if (own !== null && number > own.since)
      assert.equal(tag, own.tag, `write ${number} in block ${block} is of the other side`);
  }
  return last;
}

/** SHA-256 of all that is written to. */
export async function hashOf(client: NbdClient): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < BLOCKS * STRIDE_BYTES; at += STRIDE_BYTES)
    hash.update(await client.read(at, STRIDE_BYTES));
  return hash.digest('hex');
}

/** Until the secondary has at least what the primary's vdisk had when this was called, and knows it. */
export async function untilLevel(secondary: Zone): Promise<void> {
  const since = Date.now() + 1_500;
  await secondary.until(
    'level',
    ({ status, lag }) => status === 'active - secondary' && (lag?.observedAt ?? 0) > since,
  );
}

/** A zone that was primary follows the one that was promoted over it; what it wrote past the fork is given up. */
export async function follows(zone: Zone): Promise<void> {
  const { phase } = await zone.until(
    'compared',
    (each) => each.phase === 'split' || each.phase === 'following',
  );
  if (phase === 'split')
    await zone.healing.bus.request('volume.resync', { volume: VOLUME, discard: zone.name });
  await zone.untilStatus('active - secondary');
  await untilLevel(zone);
}

/** How often, from the environment. */
export function countFrom(name: string, otherwise: number): number {
  const count = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(count) || count < 1) throw new Error(`${name} must be a whole number above 0`);
  return count;
}
