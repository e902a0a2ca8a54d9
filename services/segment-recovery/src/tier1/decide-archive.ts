/** What the record of an archive is brought back as. Pure. */
import {
  archiveBroughtBack,
  archiveSchema,
  ConfigValueError,
  formatRecord,
  parseKey,
  parseRecord,
} from '@salvor/config-store';
import { deduced, type KeyDecision, writes } from './decide-key.ts';
import type { Tier1Sources } from './tier1-sources.ts';

const WHY =
  'what the archive was given later, and how its segments are numbered by now, is not known: it is compared with the volume, by hashes';

/** Others are left as they are; a record that makes no sense is too, and told: whoever reads it refuses it. */
export function decideArchiveKey(
  decision: KeyDecision,
  { configuration, etcd }: Pick<Tier1Sources, 'configuration' | 'etcd'>,
  doubts: string[],
): KeyDecision {
  const { key } = decision;
  const configured = configuration?.entries.get(key);
  if (parseKey(key)?.kind !== 'archive' || configuration === null || configured === undefined)
    return decision;
  try {
    const record = archiveBroughtBack(parseRecord(archiveSchema, key, configured), configuration.at);
    const value = formatRecord(archiveSchema, key, record);
    // A recovery that was cut off has brought it back already.
    if (etcd.entries.get(key)?.value === value) return { ...decision, action: 'there', value };
    return writes(decision) ? deduced(decision, value, ['configuration'], WHY) : decision;
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    doubts.push(`${key}: ${error.message}`);
    return decision;
  }
}
