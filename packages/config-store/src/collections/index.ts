export * from './collection-records.ts';
