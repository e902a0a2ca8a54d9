import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { StackError } from './errors.ts';
import { identifyProcess, isSameProcessAlive, type ProcessIdentity } from './process-identity.ts';

// Below the kernel's ephemeral range (32768 up): an outgoing connection cannot take the port while its server is down.
const FIRST_PORT = 15_000;
const LAST_PORT = 31_999;
const MAX_TRIES = 500;

const held = new Set<number>();
let releasesAtExit = false;

/**
 * A TCP port of 127.0.0.1 that nobody listens on. It stays reserved for this process until `releasePort` or the end
 * of the process, against every other process that asks here: a killed server gets its own port back.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
    if (held.has(port) || !reserve(port)) continue;
    if (await canListen(port)) return port;
    releasePort(port);
  }
  throw new StackError(
    'no-free-port',
    `found no free port between ${FIRST_PORT} and ${LAST_PORT} in ${MAX_TRIES} tries; end servers that are no longer needed`,
  );
}

/** Reserves a port known from an earlier run. False when another process holds it or listens on it. */
export async function claimPort(port: number): Promise<boolean> {
  if (held.has(port)) return false;
  if (!reserve(port)) return false;
  if (await canListen(port)) return true;
  releasePort(port);
  return false;
}

export function releasePort(port: number): void {
  if (held.delete(port)) rmSync(reservationFile(port), { force: true });
}

function reserve(port: number): boolean {
  const file = reservationFile(port);
  const self = identifyProcess(process.pid) ?? { pid: process.pid, startTicks: '' };
  for (let tries = 0; tries < 2; tries++) {
    try {
      mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
      writeFileSync(file, JSON.stringify(self), { flag: 'wx' });
      if (!releasesAtExit) process.once('exit', releaseAll);
      releasesAtExit = true;
      held.add(port);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (holderLives(file)) return false;
      rmSync(file, { force: true });
    }
  }
  return false;
}

function holderLives(file: string): boolean {
  try {
    return isSameProcessAlive(JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity);
  } catch (error) {
    // Being written this very moment: leave it to its writer. Vanished: the next try gets it.
    return error instanceof SyntaxError;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function releaseAll(): void {
  for (const port of held) releasePort(port);
}

function reservationFile(port: number): string {
  return join(tmpdir(), `salvor-ports-${userInfo().uid}`, String(port));
}
