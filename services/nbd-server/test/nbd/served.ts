import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type NbdServer, type NbdServerOptions, startNbdServer } from '../../src/nbd/server.ts';
import type { NbdLog } from '../../src/nbd/traffic.ts';
import { MemoryDevice, MemoryExports } from './memory-device.ts';

export const MiB = 1024 * 1024;

export interface Served {
  server: NbdServer;
  exports: MemoryExports;
  /** The export `d`. */
  device: MemoryDevice;
  unix: string;
  tcp: string;
  directory: string;
  logged: { level: string; msg: string; fields: Record<string, unknown> }[];
}

/** A server of its own for one test, with exports `d` and the read-only `ro`, on a unix socket and on TCP. */
export async function serve(t: TestContext, options: Partial<NbdServerOptions> = {}): Promise<Served> {
  const directory = await temporaryDirectory(t);
  const device = new MemoryDevice(8 * MiB);
  const exports = new MemoryExports({ d: device, ro: new MemoryDevice(1 * MiB, true) });
  const logged: Served['logged'] = [];
  const endpoints = [`unix:${directory}/nbd.sock`, 'tcp:127.0.0.1:0'];
  const server = await startNbdServer({ exports, endpoints, log: recorder(logged), ...options });
  t.after(() => server.close({ deadlineMs: 100 }));
  const [unix = '', tcp = ''] = server.endpoints;
  return { server, exports, device, unix, tcp, directory, logged };
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'salvor-nbd-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

function recorder(logged: Served['logged']): NbdLog {
  const at = (level: string) => (fields: Record<string, unknown>, msg: string) => {
    if (logged.length < 1000) logged.push({ level, msg, fields });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn') };
}
