/** Whether a vdisk is brought back: nothing that was deleted may be. Pure. */
import { timeText } from './decide-key.ts';
import type { VdiskEvents } from './tier1-sources.ts';

export interface ExistenceSources {
  readonly vdisk: string;
  readonly inEtcd: boolean;
  readonly inConfiguration: boolean;
  readonly configurationAt: number | null;
  /** Null: no event tells of it, or the stream of events is gone. */
  readonly events: VdiskEvents | null;
  /** The stream of events survived. */
  readonly hasEvents: boolean;
  /** Operation in etcd that deleted it, behind the configuration. */
  readonly removal: string | null;
  /** Of the newest segment of its log, by the clock of its owner; null: there is none. */
  readonly loggedAt: number | null;
  /** Engines that hold anything under its name. */
  readonly engines: readonly string[];
}

/** `made-again`: from the event that told of its making. `gone`: it was deleted before, and nothing is to be said. */
export interface Existence {
  readonly outcome: 'there' | 'brought-back' | 'made-again' | 'deleted' | 'unknown' | 'gone';
  readonly reason: string;
  readonly doubts: readonly string[];
}

/** Clocks of services differ by less. */
const CLOCKS_MS = 60_000;

export function decideExistence(sources: ExistenceSources): Existence {
  const { vdisk, inEtcd, inConfiguration, configurationAt, events, hasEvents, removal, loggedAt, engines } =
    sources;
  if (inEtcd) return { outcome: 'there', reason: 'etcd has it', doubts: [] };
  const isYounger = (at: number): boolean => configurationAt === null || at > configurationAt - CLOCKS_MS;
  const isDeleted =
    events?.deletedAt != null && (events.created === null || events.created.at <= events.deletedAt);
  if (removal !== null) return { outcome: 'deleted', reason: `operation ${removal} deleted it`, doubts: [] };
  if (isDeleted && events?.deletedAt != null && (isYounger(events.deletedAt) || !inConfiguration))
    return {
      outcome: 'deleted',
      reason: `it was deleted at ${timeText(events.deletedAt)}, as an event tells`,
      doubts: [],
    };
  if (inConfiguration) {
    const doubts = isDeleted
      ? [
          `an event tells of its deletion at ${timeText(events?.deletedAt ?? 0)}, and it is in the younger configuration: it is taken for one that was made again under this name`,
        ]
      : hasEvents
        ? []
        : [
            `whether it was deleted after ${timeText(configurationAt ?? 0)} nobody can know: the stream of events is gone`,
          ];
    return {
      outcome: 'brought-back',
      reason: `the configuration of ${timeText(configurationAt ?? 0)} has it`,
      doubts,
    };
  }
  // An older event tells of one that the configuration does not have: it was deleted before that was stored.
  if (events?.created != null && isYounger(events.created.at))
    return {
      ...{ outcome: 'made-again', reason: `an event tells of its making at ${timeText(events.created.at)}` },
      doubts: ['what was changed of it since it was made is not known'],
    };
  if (loggedAt !== null && isYounger(loggedAt))
    return {
      outcome: 'unknown',
      reason: `its log was written to at ${timeText(loggedAt)}${configurationAt === null ? ', and there is no configuration' : ', behind the configuration'}: it was there then, and its size and its clusters are not known`,
      doubts: [
        `what is archived of vdisk ${vdisk} stays in Tier-2, and its blocks on the engines: nothing of it is touched`,
      ],
    };
  if (engines.length > 0)
    return {
      outcome: 'unknown',
      reason: `engines hold something under its name (${engines.slice(0, 4).join(', ')}), and no configuration has it: it was deleted, or it is younger than the configuration`,
      doubts: ["'salvor vdisk orphans' shows what they hold"],
    };
  return { outcome: 'gone', reason: 'it was deleted before the configuration was stored', doubts: [] };
}
