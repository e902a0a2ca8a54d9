export * from './cluster-storage.ts';
export * from './errors.ts';
export * from './healing/index.ts';
export * from './keys.ts';
export { openStore } from './store.ts';
export * from './tlog-clusters.ts';
export * from './types.ts';
export * from './vdisk-config.ts';
export * from './vdisk-directory.ts';
