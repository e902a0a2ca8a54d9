/** What an engine says to the password that this server has; `silent` says nothing about it. */
export type LoginAnswer = 'let-in' | 'refused' | 'silent';

/**
 * Whether it is this server's password that is wrong, and not an engine: it is refused, and nobody lets it in. One engine
 * that does proves the password, so whoever refuses it has another one.
 */
export function decideLockedOut(answers: readonly LoginAnswer[]): boolean {
  return answers.includes('refused') && !answers.includes('let-in');
}
