import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { TestkitError } from '../errors.ts';

/** Redis 7 keeps its append-only log in parts: a base, and an increment that only grows, named by a manifest. */
const FOLDER = 'appendonlydir';
const MANIFEST = 'appendonly.aof.manifest';
const COPY_TRIES = 20;

export interface AofCut {
  removedCommands: number;
  removedBytes: number;
}

/** How much of the end of the log to lose: at least that many bytes, or exactly that many commands. */
export type AofTail = { commands: number } | { bytes: number };

/**
 * Cuts the end of the log of an engine that does not run, between two commands and never within MULTI … EXEC: what a
 * crash of the machine leaves of a lazily synced log. Errors: `aof-missing`, `aof-broken`, `aof-too-short`.
 */
export function cutAofTail(dataDir: string, tail: AofTail): AofCut {
  const file = incrementFile(dataDir);
  const bytes = readFileSync(file);
  const ends = unitEnds(bytes);
  const total = ends.at(-1)?.commands ?? 0;
  const keep =
    'commands' in tail
      ? ends.findLast((end) => end.commands <= total - tail.commands)
      : ends.findLast((end) => end.at <= bytes.length - tail.bytes);
  const wanted = 'commands' in tail ? `${tail.commands} commands` : `${tail.bytes} bytes`;
  if (keep === undefined && ('commands' in tail ? total < tail.commands : bytes.length < tail.bytes)) {
    throw new TestkitError(
      'aof-too-short',
      `cannot cut ${wanted} from ${file}: it holds ${total} commands in ${bytes.length} bytes`,
    );
  }
  truncateSync(file, keep?.at ?? 0);
  return { removedCommands: total - (keep?.commands ?? 0), removedBytes: bytes.length - (keep?.at ?? 0) };
}

/** How many commands the increment holds; a transaction counts as each of its commands, MULTI and EXEC included. */
export function countAofCommands(dataDir: string): number {
  return unitEnds(readFileSync(incrementFile(dataDir))).at(-1)?.commands ?? 0;
}

/** Copies the log as it is now, of a running engine as well: everything it has answered so far is in it. */
export function snapshotAof(dataDir: string, to: string): void {
  for (let tries = 0; tries < COPY_TRIES; tries++) {
    const before = manifest(dataDir);
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to, { recursive: true });
    cpSync(join(dataDir, FOLDER), join(to, FOLDER), { recursive: true });
    // A rewrite in between replaces the parts; then the copy may be of two logs.
    if (manifest(dataDir) === before && manifest(to) === before) {
      cutAofTail(to, { bytes: 0 });
      return;
    }
  }
  throw new TestkitError('aof-busy', `${dataDir}: the log was rewritten during each of ${COPY_TRIES} copies`);
}

/** Puts a snapshot in the place of the log of an engine that does not run. The snapshot stays usable. */
export function restoreAof(dataDir: string, snapshot: string): void {
  const incoming = join(dataDir, `${FOLDER}.incoming`);
  rmSync(incoming, { recursive: true, force: true });
  cpSync(join(snapshot, FOLDER), incoming, { recursive: true });
  rmSync(join(dataDir, FOLDER), { recursive: true, force: true });
  renameSync(incoming, join(dataDir, FOLDER));
}

/** Removes everything an engine that does not run has stored. */
export function wipeData(dataDir: string): void {
  for (const entry of readdirSync(dataDir)) rmSync(join(dataDir, entry), { recursive: true, force: true });
}

function manifest(dataDir: string): string {
  try {
    return readFileSync(join(dataDir, FOLDER, MANIFEST), 'utf8');
  } catch (error) {
    throw new TestkitError(
      'aof-missing',
      `${dataDir} has no append-only log (${FOLDER}/${MANIFEST}); start the engine with appendonly`,
      { cause: error },
    );
  }
}

/** The part that grows: the last of type 'i' in the manifest. */
function incrementFile(dataDir: string): string {
  const names = [...manifest(dataDir).matchAll(/^file (\S+) seq \d+ type i$/gm)].map((match) => match[1]);
  const name = names.at(-1);
  if (name === undefined)
    throw new TestkitError('aof-missing', `${dataDir}: the manifest names no increment`);
  const file = join(dataDir, FOLDER, name);
  statSync(file);
  return file;
}

interface UnitEnd {
  at: number;
  commands: number;
}

/** Where each command ends that stands alone, and each transaction. A torn command at the end is not counted. */
function unitEnds(bytes: Buffer): UnitEnd[] {
  const ends: UnitEnd[] = [];
  let at = 0;
  let commands = 0;
  let inTransaction = false;
  while (at < bytes.length) {
    if (bytes[at] === 0x23) {
      // '#TS:…' annotations
      const lineEnd = bytes.indexOf('\r\n', at);
      if (lineEnd < 0) break;
      at = lineEnd + 2;
      continue;
    }
    const command = parseCommand(bytes, at);
    if (command === null) break;
    at = command.next;
    commands++;
    if (command.name === 'MULTI') inTransaction = true;
    if (command.name === 'EXEC') inTransaction = false;
    if (!inTransaction) ends.push({ at, commands });
  }
  return ends;
}

/** Null when the command is cut short. */
function parseCommand(bytes: Buffer, at: number): { name: string; next: number } | null {
  const count = parseLength(bytes, at, 0x2a);
  if (count === null) return null;
  let next = count.next;
  let name = '';
  for (let index = 0; index < count.value; index++) {
    const length = parseLength(bytes, next, 0x24);
    if (length === null || bytes.length < length.next + length.value + 2) return null;
    if (index === 0) name = bytes.toString('latin1', length.next, length.next + length.value).toUpperCase();
    next = length.next + length.value + 2;
  }
  return { name, next };
}

function parseLength(bytes: Buffer, at: number, marker: number): { value: number; next: number } | null {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const value = Number(bytes.toString('latin1', at + 1, lineEnd));
  if (bytes[at] !== marker || !Number.isInteger(value) || value < 0) {
    throw new TestkitError('aof-broken', `expected a command at byte ${at} of the log, found ${bytes[at]}`);
  }
  return { value, next: lineEnd + 2 };
}
