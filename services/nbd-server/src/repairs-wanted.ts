import { type IncidentRecord, repairKey } from '@salvor/config-store';

/** A vdisk that is to be repaired, and the repairs of it that are not on record yet. */
export interface RepairWanted {
  readonly vdisk: string;
  readonly records: readonly {
    readonly incident: string;
    readonly attempt: number;
    readonly vdisk: string;
  }[];
}

export interface RepairsKnown {
  /** Incidents under repair. */
  readonly due: readonly Pick<IncidentRecord, 'id' | 'attempt' | 'cluster'>[];
  /** Vdisks by cluster. */
  readonly vdisks: ReadonlyMap<string, readonly string[]>;
  /** Keys of the repairs that are on record. */
  readonly recorded: ReadonlySet<string>;
  /** Servers that look at the same time begin at different places. */
  readonly server: string;
}

/** Every vdisk of which a repair is missing, once, with all that is missing of it. */
export function repairsWanted({ due, vdisks, recorded, server }: RepairsKnown): RepairWanted[] {
  const wanted = new Map<string, RepairWanted['records'][number][]>();
  for (const { id: incident, attempt, cluster } of due) {
    for (const vdisk of vdisks.get(cluster) ?? []) {
      if (recorded.has(repairKey(incident, attempt, vdisk))) continue;
      const records = wanted.get(vdisk) ?? [];
      records.push({ incident, attempt, vdisk });
      wanted.set(vdisk, records);
    }
  }
  const all = [...wanted].map(([vdisk, records]) => ({ vdisk, records }));
  const from = all.length === 0 ? 0 : numberOf(server) % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
}

function numberOf(server: string): number {
  let number = 0;
  for (const char of server) number = (number * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return number;
}
