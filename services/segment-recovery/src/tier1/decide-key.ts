/** Which value a key of etcd gets. Pure. */
import type { StoreEntry } from '@salvor/config-store';
import type { Fact, KeptConfiguration } from './tier1-sources.ts';
import { digest } from './value-digest.ts';

/**
 * `put`: etcd has nothing; `replaced`: it has it otherwise, and gives way; `there`: it has it so; `kept`: it has it otherwise;
 * `withheld`: it has nothing, and gets nothing.
 */
export type KeyAction = 'put' | 'replaced' | 'there' | 'kept' | 'withheld';

export interface KeyDecision {
  readonly key: string;
  readonly action: KeyAction;
  /** To be written, of `put` and `replaced`; else what etcd has. */
  readonly value: string | null;
  /** Last change in etcd; null: it has none. */
  readonly found: string | null;
  readonly fact: Fact;
}

export interface KeySources {
  readonly key: string;
  readonly configured: string | undefined;
  readonly found: StoreEntry | undefined;
  readonly configuration: Pick<KeptConfiguration, 'revision' | 'at'> | null;
  /** The present etcd is the one that the configuration was read from: its revisions can be compared. */
  readonly isSameHistory: boolean;
  readonly replace: boolean;
}

export function decideKey(sources: KeySources): KeyDecision | null {
  const { key, configured, found, configuration, isSameHistory, replace } = sources;
  const asOf =
    configuration === null ? '' : `as of ${timeText(configuration.at)}, revision ${configuration.revision}`;
  if (found === undefined) {
    if (configured === undefined) return null;
    const why = isSameHistory
      ? `etcd has lost it, or it was deleted since; ${asOf}`
      : `${asOf}; what changed later was in etcd alone`;
    return {
      key,
      action: 'put',
      value: configured,
      found: null,
      fact: fact(key, configured, ['configuration'], 'deduced', why),
    };
  }
  const there = (action: KeyAction, known: Fact): KeyDecision => ({
    key,
    action,
    value: found.value,
    found: found.revision,
    fact: known,
  });
  // In one history a key that has not changed since would be the same in the configuration.
  const isOlder = isSameHistory && configuration !== null && BigInt(found.revision) <= configuration.revision;
  const backup = `etcd has it since its revision ${found.revision}: was this etcd restored from an older backup?`;
  if (configured === undefined && isOlder) {
    const why = `${backup} It may have been deleted: the configuration does not have it; ${asOf}`;
    return there('kept', fact(key, found.value, ['etcd'], 'unknown', why));
  }
  if (configured === undefined) {
    const why = configuration === null ? undefined : `it is younger than the configuration ${asOf}`;
    return there('there', fact(key, found.value, ['etcd'], 'certain', why));
  }
  if (configured === found.value)
    return there('there', fact(key, configured, ['etcd', 'configuration'], 'certain'));
  const others = [{ from: 'configuration' as const, value: digest(configured) }];
  if (isSameHistory && configuration !== null && BigInt(found.revision) > configuration.revision)
    return there('kept', {
      ...fact(
        key,
        found.value,
        ['etcd'],
        'certain',
        `changed at revision ${found.revision}, behind the configuration ${asOf}`,
      ),
      others,
    });
  if (replace)
    return {
      ...{ key, action: 'replaced', value: configured, found: found.revision },
      fact: {
        ...fact(
          key,
          configured,
          ['configuration'],
          'deduced',
          `etcd had it otherwise, and gave way as it was asked to; ${asOf}`,
        ),
        others: [{ from: 'etcd', value: digest(found.value) }],
      },
    };
  const why = isOlder
    ? `${backup} The configuration has it otherwise, ${asOf}; --replace takes that`
    : `etcd has it otherwise since its revision ${found.revision}, and nothing tells which is right; --replace takes the configuration ${asOf}`;
  return there('kept', { ...fact(key, found.value, ['etcd'], 'unknown', why), others });
}

/** The key is not to be brought back. */
export function withheld(decision: KeyDecision, why: string): KeyDecision {
  if (decision.action !== 'put') return decision;
  return {
    ...decision,
    action: 'withheld',
    value: null,
    fact: { ...decision.fact, value: null, certainty: 'deduced', why },
  };
}

/** The key gets another value than any source has, which follows from several. */
export function deduced(decision: KeyDecision, value: string, from: Fact['from'], why: string): KeyDecision {
  if (decision.value === value) return decision;
  const action = decision.found === null ? 'put' : 'replaced';
  return {
    ...decision,
    action,
    value,
    fact: {
      ...fact(decision.key, value, from, 'deduced', why),
      others: decision.value === null ? [] : [{ from: 'configuration', value: digest(decision.value) }],
    },
  };
}

export function writes(decision: KeyDecision): boolean {
  return decision.action === 'put' || decision.action === 'replaced';
}

export function timeText(at: number): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? `time ${at}` : time.toISOString();
}

function fact(
  name: string,
  value: string,
  from: Fact['from'],
  certainty: Fact['certainty'],
  why?: string,
): Fact {
  return { fact: name, value: digest(value), from, certainty, ...(why === undefined ? {} : { why }) };
}
