import { codeOf } from '@salvor/service-kit';

/** What trying again cannot mend. */
const finalCodes: ReadonlySet<string> = new Set([
  'compacted',
  'engines-needed',
  'future-revision',
  'invalid-revisions',
  'nothing-lost',
  'unknown-cluster',
  'unknown-vdisk',
  'unsupported-type',
]);

export function isFinal(error: unknown): boolean {
  return finalCodes.has(codeOf(error));
}
