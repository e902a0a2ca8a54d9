/** Every event as one sentence. */
import type { EventPayloads, EventType } from '@salvor/contracts';
import { durationText } from './time.ts';
import { counted, printable } from './words.ts';

type Sentences = { readonly [T in EventType]: (payload: EventPayloads[T]) => string };

const sentences: Sentences = {
  'alert.cleared': ({ kind, message, durationMs }) =>
    `alert ${kind} is cleared after ${durationText(durationMs)}; it was: ${message}`,
  'alert.raised': ({ kind, message }) => `alert ${kind}: ${message}`,
  'cluster.status-changed': ({ cluster, from, to, reason }) =>
    `cluster ${cluster} went from ${from} to ${to}: ${reason}`,
  'engine.failure-reported': ({ address, reporter, vdisk, reason }) =>
    `${reporter} reports that engine ${address} fails${vdisk === undefined ? '' : ` for vdisk ${vdisk}`}: ${reason}`,
  'engine.status-changed': ({ address, cluster, shard, from, to, durationMs, replacement, reason }) => {
    const after = durationMs === undefined ? '' : ` after ${durationText(durationMs)}`;
    const spare = replacement === undefined ? '' : `, ${replacement} takes its place`;
    return `engine ${address} (${cluster} shard ${shard}) went from ${from} to ${to}${after}${spare}: ${reason}`;
  },
  'engine.verdict-given': ({ address, verdict, incident, by, reason, evidence }) =>
    `${by} judges the outage of ${address} ${verdict.replaceAll('_', '-')} (${incident}, ${evidence.length} pieces of evidence): ${reason}`,
  'incident.closed': ({ incident, address, outcome, durationMs }) =>
    `incident ${incident} of engine ${address} is over: ${outcome} after ${durationText(durationMs)}`,
  'incident.opened': ({ incident, address, cluster, shard, reporter, reason }) =>
    `incident ${incident} begins: engine ${address} (${cluster} shard ${shard}), reported by ${reporter}: ${reason}`,
  'instance.status-changed': ({ instance, from, to, reason }) =>
    `instance ${instance} went from ${from} to ${to}: ${reason}`,
  'log.line-rejected': ({ source, reason, line }) =>
    `a log line of ${source} was not understood: ${reason}; it is: ${line.toString('utf8').slice(0, MAX_QUOTED_CHARACTERS)}`,
  'nbdserver.exited': ({ server, code, signal, restartInMs }) => {
    const how = signal === undefined ? `code ${code ?? 'unknown'}` : `signal ${signal}`;
    const next =
      restartInMs === undefined ? 'it is not restarted' : `restart in ${durationText(restartInMs)}`;
    return `NBD server ${server} ended with ${how}; ${next}`;
  },
  'nbdserver.started': ({ server, pid }) => `NBD server ${server} runs as process ${pid}`,
  'operation.completed': ({ kind, operation, durationMs, message }) => {
    const after = durationMs === undefined ? '' : ` after ${durationText(durationMs)}`;
    return `${kind} (${operation}) is done${after}: ${message}`;
  },
  'operation.failed': ({ kind, operation, code, message }) =>
    `${kind} (${operation}) failed, ${code}: ${message}`,
  'operation.progress': ({ kind, operation, message, done, total }) => {
    const far = done === undefined ? '' : ` (${done} of ${total ?? 'unknown'})`;
    return `${kind} (${operation}) goes on: ${message}${far}`;
  },
  'plan.step-changed': ({ plan, act, subject, zone, to, reason }) =>
    `plan ${plan}: ${act}${subject === '' ? '' : ` ${subject}`} in zone ${zone} is ${to}${reason === '' ? '' : `: ${reason}`}`,
  'recovery.status-changed': ({ recovery, cluster, to, reason, by }) =>
    `recovery ${recovery} of cluster ${cluster} is ${to}, by ${by}: ${reason}`,
  'repair.completed': ({ vdisk, address, server, kind, copiedBlocks, repairMs }) => {
    const blocks = copiedBlocks === undefined ? '' : `, ${counted(copiedBlocks, 'block')}`;
    const time = repairMs === undefined ? '' : ` in ${durationText(repairMs)}`;
    return `${server} has repaired vdisk ${vdisk} for engine ${address} (${kind}${blocks}${time})`;
  },
  'repair.progress': ({ vdisk, address, doneBlocks, totalBlocks }) =>
    `the repair of vdisk ${vdisk} onto engine ${address} has ${doneBlocks} of ${counted(totalBlocks, 'block')}`,
  'vdisk.created': ({ vdisk, sizeGiB, type, cluster, slaveCluster, by }) => {
    const where =
      slaveCluster === undefined ? `${cluster}, without a slave` : `${cluster} and ${slaveCluster}`;
    return `vdisk ${vdisk} (${type}, ${sizeGiB} GiB) was created on ${where} by ${by}`;
  },
  'vdisk.data-available': ({ vdisk, cluster, shard, reason, server, since, at }) => {
    const after = since === undefined ? '' : ` after ${durationText(at - since)}`;
    return `part of vdisk ${vdisk} is available again${after}, says ${server}: ${cluster} shard ${shard}: ${reason}`;
  },
  'vdisk.data-unavailable': ({ vdisk, cluster, shard, reason, server, detail }) =>
    `part of vdisk ${vdisk} is unavailable, says ${server}: ${cluster} shard ${shard}: ${reason}${detail === undefined ? '' : `; ${detail}`}`,
  'vdisk.deleted': ({ vdisk, by }) => `vdisk ${vdisk} was deleted by ${by}`,
  'vdisk.mounted': ({ vdisk, server, epoch }) => `${server} owns vdisk ${vdisk} now, epoch ${epoch}`,
  'vdisk.released': ({ vdisk, server, epoch }) => `${server} has given vdisk ${vdisk} back, epoch ${epoch}`,
  'volume.status-changed': ({ volume, zone, to, role, generation, reason }) =>
    `volume ${volume} in zone ${zone} is ${to === '' ? 'none any more' : `${role}, ${to}, generation ${generation}`}: ${reason}`,
};

const MAX_QUOTED_CHARACTERS = 200;

/** On one line, whatever the event says. */
export function eventSentence<T extends EventType>(type: T, payload: EventPayloads[T]): string {
  return printable(sentences[type](payload));
}

const alarming: ReadonlySet<EventType> = new Set<EventType>([
  'alert.raised',
  'engine.failure-reported',
  'incident.opened',
  'log.line-rejected',
  'nbdserver.exited',
  'operation.failed',
  'vdisk.data-unavailable',
]);

/** Whether somebody should look. */
export function isAlarming(type: EventType): boolean {
  return alarming.has(type);
}
