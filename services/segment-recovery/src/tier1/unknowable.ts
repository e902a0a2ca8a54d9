/** What no source can tell after a loss of Tier-1; each report says it. */
export const unknowableOfTier1: readonly string[] = [
  'what JetStream alone held: segments that were not archived and whose stream is gone leave no trace but on the engines',
  'what etcd alone held and changed after the configuration was stored: owners, leases, settings, engines that were replaced or taken out',
  'who mounted a vdisk last, where that owner wrote neither a segment nor an event and its engines cannot be asked',
  'whether an operation that was under way had ended: it is brought back paused, and only where a vdisk waits for it',
  'operations, incidents and hook runs that had ended: their records are not kept in Tier-2',
  'segments that were brought back from a Pravega directory: they come back from that directory',
];
