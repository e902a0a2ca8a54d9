/** The zones that `salvor up` runs: those that are named, or those that the folder has. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { usageError } from '../failure.ts';

const MAX_ZONES = 4;
const ZONE = /^[A-Za-z0-9_-]{1,64}$/;
const STACK_FILE = 'stack.json';

/** None: one Salvor without zones. Makes the folders of zones that are named. @throws usage errors */
export function zonesToRun(dir: string, named: string | undefined, isTls: boolean): string[] {
  const there = zonesIn(dir);
  if (named === undefined) return withoutTls(there, isTls);
  const zones = named.split(',').map((zone) => zone.trim());
  if (zones.length < 2 || zones.length > MAX_ZONES || new Set(zones).size < zones.length)
    throw usageError(
      `up: expected --zones to name 2 to ${MAX_ZONES} different zones, such as north,south, found '${named}'`,
    );
  const wrong = zones.find((zone) => !ZONE.test(zone));
  if (wrong !== undefined)
    throw usageError(`up: expected a zone to be letters, digits, - or _, at most 64, found '${wrong}'`);
  if (existsSync(join(dir, STACK_FILE)))
    throw usageError(`up: ${dir} holds a Salvor without zones; name another folder with --dir`);
  const others = there.filter((zone) => !zones.includes(zone));
  if (others.length > 0)
    throw usageError(
      `up: ${dir} has the zones ${there.join(', ')}; name all of them, or another folder with --dir`,
    );
  for (const zone of withoutTls(zones, isTls)) mkdirSync(join(dir, zone), { recursive: true });
  return zones;
}

function withoutTls(zones: string[], isTls: boolean): string[] {
  if (isTls && zones.length > 0) throw usageError('up: --tls and zones do not go together');
  return zones;
}

/** Folders that hold a Salvor each, in a folder that holds none itself. */
function zonesIn(dir: string): string[] {
  if (!existsSync(dir) || existsSync(join(dir, STACK_FILE))) return [];
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(dir, entry.name, STACK_FILE)))
    .map(({ name }) => name)
    .sort();
}
