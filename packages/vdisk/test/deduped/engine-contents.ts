import type { RedisHandle } from '@salvor/testkit';
import { EngineLink } from '@salvor/testkit';

/** Keys of content on an engine, as hex; a key of 32 bytes that is readable text is Salvor's or 0-Disk's own. */
export async function contentOn(engine: RedisHandle): Promise<Map<string, Buffer>> {
  using link = await EngineLink.open(engine.port);
  const keys = await link.sendRaw('KEYS', '?'.repeat(32));
  const contents = new Map<string, Buffer>();
  for (const key of Array.isArray(keys) ? keys : []) {
    if (!Buffer.isBuffer(key) || key.length !== 32 || /^[\x20-\x7e]*$/.test(key.toString('latin1'))) continue;
    const value = await link.sendRaw('GET', key);
    if (Buffer.isBuffer(value)) contents.set(key.toString('hex'), value);
  }
  return contents;
}

/** The sectors of a vdisk on an engine, by number. */
export async function sectorsOn(engine: RedisHandle, vdisk: string): Promise<Map<number, Buffer>> {
  using link = await EngineLink.open(engine.port);
  const reply = await link.sendRaw('HGETALL', `lba:${vdisk}`);
  const sectors = new Map<number, Buffer>();
  const list = Array.isArray(reply) ? reply : [];
  for (let i = 0; i + 1 < list.length; i += 2) {
    const content = list[i + 1];
    if (Buffer.isBuffer(content)) sectors.set(Number(String(list[i])), content);
  }
  return sectors;
}

export async function wipe(engine: RedisHandle, keys: readonly Buffer[]): Promise<void> {
  using link = await EngineLink.open(engine.port);
  for (const key of keys) await link.send('DEL', key);
}
