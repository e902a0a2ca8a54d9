/** Where events and commands go: the subject token of each event, the service behind each command. */
import type { CommandName, EventType } from './generated/types.ts';
import type { EventPayloads, ServiceName } from './types.ts';

/** The field of each event that is the last token of its subject, so that watchers can filter by it. */
export const tokenFields = {
  'cluster.status-changed': 'cluster',
  'engine.failure-reported': 'address',
  'engine.status-changed': 'address',
  'engine.verdict-given': 'incident',
  'incident.closed': 'incident',
  'incident.opened': 'incident',
  'log.line-rejected': 'source',
  'nbdserver.exited': 'server',
  'nbdserver.started': 'server',
  'operation.completed': 'operation',
  'operation.failed': 'operation',
  'operation.progress': 'operation',
  'repair.completed': 'vdisk',
  'repair.progress': 'vdisk',
  'vdisk.created': 'vdisk',
  'vdisk.data-unavailable': 'vdisk',
  'vdisk.deleted': 'vdisk',
  'vdisk.mounted': 'vdisk',
  'vdisk.released': 'vdisk',
} as const satisfies { readonly [T in EventType]: keyof EventPayloads[T] };

/** Who answers each command, and which of them change something. */
export const commandServices: Readonly<Record<CommandName, { service: ServiceName; mutating: boolean }>> = {
  'audit.list': { service: 'repair-coordinator', mutating: false },
  'cluster.add-spares': { service: 'repair-coordinator', mutating: true },
  'cluster.collect-garbage': { service: 'repair-coordinator', mutating: true },
  'cluster.create': { service: 'repair-coordinator', mutating: true },
  'cluster.get': { service: 'repair-coordinator', mutating: false },
  'cluster.list': { service: 'repair-coordinator', mutating: false },
  'engine.get': { service: 'repair-coordinator', mutating: false },
  'engine.list': { service: 'repair-coordinator', mutating: false },
  'engine.probe': { service: 'health-analyzer', mutating: false },
  'engine.report-failure': { service: 'repair-coordinator', mutating: true },
  'engine.set-verdict': { service: 'repair-coordinator', mutating: true },
  'hook.list': { service: 'repair-coordinator', mutating: false },
  'hook.test': { service: 'repair-coordinator', mutating: true },
  'incident.get': { service: 'repair-coordinator', mutating: false },
  'incident.list': { service: 'repair-coordinator', mutating: false },
  'nbdserver.status': { service: 'nbd-server', mutating: false },
  'operation.cancel': { service: 'repair-coordinator', mutating: true },
  'operation.get': { service: 'repair-coordinator', mutating: false },
  'operation.list': { service: 'repair-coordinator', mutating: false },
  'operation.pause': { service: 'repair-coordinator', mutating: true },
  'operation.resume': { service: 'repair-coordinator', mutating: true },
  'source.list': { service: 'log-watcher', mutating: false },
  'vdisk.clone': { service: 'repair-coordinator', mutating: true },
  'vdisk.create': { service: 'repair-coordinator', mutating: true },
  'vdisk.delete': { service: 'repair-coordinator', mutating: true },
  'vdisk.delete-orphan': { service: 'repair-coordinator', mutating: true },
  'vdisk.describe': { service: 'repair-coordinator', mutating: false },
  'vdisk.list': { service: 'repair-coordinator', mutating: false },
  'vdisk.orphans': { service: 'repair-coordinator', mutating: false },
  'vdisk.scrub': { service: 'repair-coordinator', mutating: true },
  'vdisk.resize': { service: 'repair-coordinator', mutating: true },
  'vdisk.takeover': { service: 'nbd-server', mutating: true },
};

export const READ_ONLY = 'Reads only: can be sent again at any time.';
export const IDEMPOTENT_BY_OPERATION =
  'The same operationId again changes nothing and gets the same answer; another id for what is already so answers already.';
