/** The demo did not go as it must. */
export class DemoError extends Error {}
