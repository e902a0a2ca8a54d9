/** What a client and the server agreed on while they haggled over options. */
export interface Session {
  /** READ and BLOCK_STATUS are answered in chunks (proto.md, "Structured reply chunk message"). */
  readonly structuredReplies: boolean;
  /** The client may ask which parts of the export are allocated: BLOCK_STATUS in the context `base:allocation`. */
  readonly allocation: boolean;
}

/** Before any option, and again after TLS has started. */
export const plainSession: Session = { structuredReplies: false, allocation: false };
