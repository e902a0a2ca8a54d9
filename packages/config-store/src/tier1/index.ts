export * from './kept-keys.ts';
export * from './tier1-records.ts';
