/** Keys of the modelled etcd: short names for those of the product. */
export const storageKey = (cluster: string): string => `S/${cluster}`;
export const recordKey = (cluster: string): string => `C/${cluster}`;
export const incidentsPrefix = (cluster: string): string => `I/${cluster}/`;
export const incidentKey = (cluster: string, shard: number): string => `I/${cluster}/${shard}`;
export const closedKey = (incident: string): string => `X/${incident}`;
export const operationKey = (operation: string): string => `O/${operation}`;
export const ownerKey = (vdisk: number): string => `W/${vdisk}`;
export const vdiskKey = (vdisk: number): string => `V/${vdisk}`;
export const repairKey = (incident: string, attempt: number, vdisk: number | string): string =>
  `${repairsPrefix(incident)}${attempt}/${vdisk}`;
export const repairsPrefix = (incident: string): string => `R/${incident}/`;

/** What operators hold back on a cluster, null for everywhere. */
export const controlKey = (cluster: string | null): string => `H/${cluster ?? '*'}`;

export const CONTROLS = 'H/';
export const INCIDENTS = 'I/';
export const RECORDS = 'C/';
export const REPAIRS = 'R/';
export const VDISKS = 'V/';
