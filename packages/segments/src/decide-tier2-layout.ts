import { SalvorError } from '@salvor/service-kit';

export type Tier2Layout = 'salvor' | 'pravega';

/** What was found below a directory of Tier-2. */
export interface Tier2Traces {
  readonly root: string;
  /** What Salvor archives: configurations, chunks of logs. */
  readonly hasArchive: boolean;
  readonly hasPravegaFiles: boolean;
}

/** Whose directory it is. Throws `both-layouts`, or `unknown-layout` where it has nothing of either. */
export function decideTier2Layout({ root, hasArchive, hasPravegaFiles }: Tier2Traces): Tier2Layout {
  if (hasArchive && hasPravegaFiles)
    throw new SalvorError(
      'both-layouts',
      `${root} has what Salvor archives and files of Pravega: say which to read, --layout salvor or --layout pravega`,
    );
  if (hasArchive) return 'salvor';
  if (hasPravegaFiles) return 'pravega';
  throw new SalvorError(
    'unknown-layout',
    `${root}: expected what Salvor archives (_system/configuration/, tlog/) or files of Pravega (<segment>$header, <segment>.E-<n>-O-<n>.<uuid>), found neither; is this the root of Tier-2?`,
  );
}
