/** What `salvor doctor` found about one thing. */
export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'problem';
  /** One sentence. */
  readonly found: string;
  /** What to do about it: a command line where there is one. */
  readonly fix?: string;
}

export const ok = (check: string, found: string): Finding => ({ check, level: 'ok', found });
export const warning = (check: string, found: string, fix: string): Finding => ({
  ...{ check, level: 'warning', found, fix },
});
export const problem = (check: string, found: string, fix: string): Finding => ({
  ...{ check, level: 'problem', found, fix },
});
