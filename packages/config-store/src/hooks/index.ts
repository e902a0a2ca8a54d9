export { HookLane, HookLaneLostError, hookRunPuts, intendHookRun } from './hook-claim.ts';
export * from './hook-run.ts';
