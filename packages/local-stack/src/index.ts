export * from './engine-link.ts';
export * from './errors.ts';
export * from './free-port.ts';
export * from './managed-process.ts';
export * from './process-identity.ts';
export * from './process-record.ts';
export * from './servers.ts';
export type { PortSource, ServerOptions } from './start-on-ports.ts';
export * from './waiting.ts';
