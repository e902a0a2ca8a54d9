/** The keys of a log that follow from its segments. Pure. */
import {
  type ArchivedRecord,
  archivedSchema,
  ConfigValueError,
  formatRecord,
  parseRecord,
  tlogArchivedKey,
  tlogStateKey,
  tlogStateSchema,
} from '@salvor/config-store';
import type { KeyDecision } from './decide-key.ts';
import type { LogDecision } from './decide-log.ts';
import type { ArchiveTrace } from './tier1-sources.ts';
import { digest } from './value-digest.ts';

/** Of one key: as etcd has it, and as the configuration has. */
export type ValuesOf = (key: string) => {
  readonly etcd: string | null;
  readonly configuration: string | null;
};

/** Where a later log of this name goes on, of a vdisk that has none now. */
export function placeKey(
  vdisk: string,
  archives: readonly ArchiveTrace[],
  valuesOf: ValuesOf,
): KeyDecision[] {
  const key = tlogArchivedKey(vdisk);
  try {
    const { etcd, configuration } = both(
      key,
      valuesOf,
      (at, value): ArchivedRecord => parseRecord(archivedSchema, at, value),
    );
    const known = etcd ?? configuration;
    const number = Math.max(known?.number ?? 0, ...archives.map(({ to }) => to));
    const sequence = Math.max(known?.sequence ?? 0, ...archives.map(({ last }) => last));
    if (number === 0 || (etcd !== null && etcd.number >= number && etcd.sequence >= sequence)) return [];
    const { trouble: _, ...kept } = known ?? {
      chunks: archives[0]?.chunks ?? 0,
      bytes: archives[0]?.bytes ?? 0,
      at: archives[0]?.newest?.lastAt ?? 0,
    };
    return [derivedKey(key, valuesOf, formatRecord(archivedSchema, key, { ...kept, number, sequence }))];
  } catch (error) {
    if (error instanceof ConfigValueError) return [];
    throw error;
  }
}

/** @throws what `parse` throws */
export function both<T>(
  key: string,
  valuesOf: ValuesOf,
  parse: (key: string, value: string) => T,
): { etcd: T | null; configuration: T | null } {
  const { etcd, configuration } = valuesOf(key);
  return {
    etcd: etcd === null ? null : parse(key, etcd),
    configuration: configuration === null ? null : parse(key, configuration),
  };
}

/** What follows from the segments is written where etcd does not say the same. */
export function logKeysOf(
  vdisk: string,
  { state, archived }: LogDecision,
  valuesOf: ValuesOf,
): KeyDecision[] {
  const stateKey = tlogStateKey(vdisk);
  const archivedKey = tlogArchivedKey(vdisk);
  return [
    derivedKey(
      stateKey,
      valuesOf,
      unless(valuesOf(stateKey).etcd, state, (value) => formatRecord(tlogStateSchema, stateKey, value)),
    ),
    ...(archived === null
      ? []
      : [
          derivedKey(
            archivedKey,
            valuesOf,
            unless(valuesOf(archivedKey).etcd, archived, (value) =>
              formatRecord(archivedSchema, archivedKey, value),
            ),
          ),
        ]),
  ];
}

function derivedKey(key: string, valuesOf: ValuesOf, value: string): KeyDecision {
  const { etcd } = valuesOf(key);
  const from = ['chunks', 'stream'] as const;
  const why = 'it follows from the segments';
  if (etcd === value)
    return {
      key,
      action: 'there',
      value,
      found: null,
      fact: { fact: key, value: digest(value), from: ['etcd', ...from], certainty: 'certain' },
    };
  return {
    key,
    action: etcd === null ? 'put' : 'replaced',
    value,
    found: null,
    fact: {
      fact: key,
      value: digest(value),
      from,
      certainty: 'deduced',
      why,
      ...(etcd === null ? {} : { others: [{ from: 'etcd', value: digest(etcd) }] }),
    },
  };
}

/** The very text of etcd where it says the same. */
function unless<T>(etcd: string | null, value: T, format: (value: T) => string): string {
  const text = format(value);
  if (etcd === null) return text;
  return isSameJson(etcd, text) ? etcd : text;
}

function isSameJson(a: string, b: string): boolean {
  const sorted = (text: string): string =>
    JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)))
        : value,
    );
  return sorted(a) === sorted(b);
}
