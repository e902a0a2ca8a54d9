/** Every command, in the order help shows them. */
import type { Command } from '../command.ts';
import { alertCommands } from './alert.ts';
import { archiveCommands } from './archive.ts';
import { busCommands } from './bus.ts';
import { certificatesCommand } from './certificates.ts';
import { clusterCommands } from './cluster.ts';
import { completionCommand } from './completion.ts';
import { configCommands } from './config.ts';
import { decodeCommand } from './decode.ts';
import { doctorCommand } from './doctor.ts';
import { drCommands } from './dr.ts';
import { engineCommands } from './engine.ts';
import { engineOrderCommands } from './engine-orders.ts';
import { engineUsersCommand } from './engine-users.ts';
import { eventsCommand } from './events.ts';
import { exportCommands } from './export.ts';
import { downtimeCommands, healingCommands } from './healing.ts';
import { hookCommands } from './hook.ts';
import { incidentCommands } from './incident.ts';
import { instanceCommands } from './instance.ts';
import { operationCommands } from './operation.ts';
import { planCommands } from './plan.ts';
import { recoverCommands } from './recover.ts';
import { repairCommands } from './repair.ts';
import { segmentCommands } from './segment.ts';
import { segmentTableCommands } from './segment-table.ts';
import { serverCommands } from './server.ts';
import { rollbackCommand, snapshotCommands } from './snapshot.ts';
import { sourceCommands } from './source.ts';
import { statusCommand } from './status.ts';
import { storageCommands } from './storage.ts';
import { tlogCommands } from './tlog.ts';
import { upCommand } from './up.ts';
import { vdiskCommands } from './vdisk.ts';
import { verifyCommands } from './verify.ts';
import { volumeCommands } from './volume.ts';

export const allCommands: readonly Command[] = [
  upCommand,
  statusCommand,
  doctorCommand,
  certificatesCommand,
  eventsCommand,
  ...vdiskCommands,
  rollbackCommand,
  ...exportCommands,
  ...snapshotCommands,
  ...engineCommands,
  ...engineOrderCommands,
  engineUsersCommand,
  ...incidentCommands,
  ...repairCommands,
  ...healingCommands,
  ...downtimeCommands,
  ...clusterCommands,
  ...drCommands,
  ...recoverCommands,
  ...verifyCommands,
  ...tlogCommands,
  ...storageCommands,
  ...segmentCommands,
  ...segmentTableCommands,
  ...operationCommands,
  ...instanceCommands,
  ...volumeCommands,
  ...archiveCommands,
  ...planCommands,
  ...alertCommands,
  ...hookCommands,
  ...serverCommands,
  ...sourceCommands,
  ...busCommands,
  ...configCommands,
  decodeCommand,
  completionCommand(() => allCommands),
];

/** `vdisk` -> its commands; `status` -> itself. */
export const commandGroups: ReadonlyMap<string, readonly Command[]> = grouped(allCommands);

/** The command that the first words name. */
export function findCommand(words: readonly string[]): Command | undefined {
  const [first, second, third] = words;
  return allCommands.find(
    ({ name }) => name === first || name === `${first} ${second}` || name === `${first} ${second} ${third}`,
  );
}

function grouped(list: readonly Command[]): Map<string, Command[]> {
  const groups = new Map<string, Command[]>();
  for (const command of list) {
    const [group = ''] = command.name.split(' ');
    groups.set(group, [...(groups.get(group) ?? []), command]);
  }
  return groups;
}
