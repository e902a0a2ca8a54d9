/** Whether a directory is of the installation that etcd, JetStream and the engines are of. Pure. */
import { installationKey, ownerKey } from '@salvor/config-store';
import { timeText } from './decide-key.ts';
import type { Tier1Sources } from './tier1-sources.ts';

/** Clocks of services differ by less. */
const CLOCKS_MS = 60_000;
const NAMED_MAX = 5;

/** What speaks against it. `owners`: it may be over in a moment, for servers let go of what their lost etcd had given them. */
export interface InstallationDoubt {
  readonly kind: 'name' | 'vdisks' | 'owners';
  /** A sentence: expected ..., found ... */
  readonly reason: string;
}

/** The id of an installation, out of the value of its key; the value itself where it has none. */
export function installationId(value: string): string {
  try {
    const found: unknown = JSON.parse(value);
    const id: unknown = typeof found === 'object' && found !== null ? Reflect.get(found, 'id') : null;
    return typeof id === 'string' ? id : value;
  } catch {
    return value;
  }
}

/**
 * An etcd with a name says it itself. One without was lost, and then what survived must know the directory: JetStream has logs or
 * events of vdisks of it, and no engine of it has an owner that a living etcd elsewhere gave the right to write.
 */
export function decideInstallation(sources: Tier1Sources): InstallationDoubt | null {
  const { configuration, etcd, archives, tails, events, engines } = sources;
  const kept = configuration?.entries.get(installationKey);
  const found = etcd.entries.get(installationKey)?.value;
  if (configuration === null || kept === undefined || kept === found) return null;
  const of = `of the installation ${installationId(kept)}, as the directory is`;
  if (found !== undefined)
    return { kind: 'name', reason: `expected etcd to be empty, or ${of}, found ${installationId(found)}` };
  const isKnown = (vdisk: string): boolean =>
    archives.has(vdisk) || configuration.entries.has(`${vdisk}:vdisk:conf:static`);
  const isYounger = (vdisk: string): boolean =>
    (events?.get(vdisk)?.created?.at ?? 0) > configuration.at - CLOCKS_MS;
  const isGone = (vdisk: string): boolean => {
    const { created, deletedAt } = events?.get(vdisk) ?? { created: null, deletedAt: null };
    return deletedAt !== null && deletedAt >= (created?.at ?? 0);
  };
  const survivors = [...new Set([...tails.keys(), ...(events?.keys() ?? [])])].filter(
    (vdisk) => !isYounger(vdisk) && !isGone(vdisk),
  );
  if (survivors.length > 0 && !survivors.some(isKnown))
    return {
      kind: 'vdisks',
      reason: `expected JetStream to be ${of}, found logs and events of ${named(survivors)}, and the directory knows none of them (its configuration is of ${timeText(configuration.at)})`,
    };
  const owned = engines.flatMap(({ address, owners = [] }) =>
    owners.filter((vdisk) => !etcd.entries.has(ownerKey(vdisk))).map((vdisk) => `${vdisk} on ${address}`),
  );
  if (owned.length > 0)
    return {
      kind: 'owners',
      reason: `expected no owner at the engines of a lost etcd, found those of ${named([...new Set(owned)])}: another etcd gave them the right to write, or it was lost just now`,
    };
  return null;
}

function named(all: readonly string[]): string {
  const more = all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : '';
  return `${all.slice(0, NAMED_MAX).join(', ')}${more}`;
}
