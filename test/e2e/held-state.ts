import { openStore } from '@salvor/config-store';
import { EngineLink, type Stack } from '@salvor/testkit';

/** All that etcd and the engines of a stack hold, one line a key: key, digest or value. */
export async function heldState(stack: Stack): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  const store = openStore({ endpoints: stack.etcdEndpoints });
  try {
    for (const { key, value } of (await store.list('')).entries) held.set(`etcd ${key}`, value);
  } finally {
    store.close();
  }
  for (const engine of [...stack.engines.primary, ...stack.engines.slave, ...stack.engines.spares]) {
    using link = await EngineLink.open(engine.port);
    for (const key of (await link.send('KEYS', '*')) as string[]) {
      const dump = await link.sendRaw('DUMP', key);
      held.set(`${engine.name} ${key}`, Buffer.isBuffer(dump) ? dump.toString('hex') : String(dump));
    }
  }
  return held;
}

/** Keys that came, went, or have another value, with both. */
export function differences(before: Map<string, string>, after: Map<string, string>): string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys]
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => `${key}: ${before.get(key)?.slice(0, 300)} -> ${after.get(key)?.slice(0, 300)}`);
}
