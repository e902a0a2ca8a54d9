export * from './certificates.ts';
export * from './engine-link.ts';
export * from './errors.ts';
export * from './free-port.ts';
export * from './managed-process.ts';
export * from './process-identity.ts';
export * from './process-record.ts';
export * from './servers.ts';
export { NbdServerHandle } from './stack/nbd-server-handle.ts';
export { Stack, type StackPeer, startStack } from './stack/stack.ts';
export type { StackEngine, StackEngines } from './stack/stack-engines.ts';
export {
  type StackOptions,
  type StackServiceName,
  type StackServiceOptions,
  serviceMain,
} from './stack/stack-options.ts';
export { readStackFile, type StackFile } from './stack/stack-state.ts';
export type { PortSource, ServerOptions } from './start-on-ports.ts';
export * from './waiting.ts';
