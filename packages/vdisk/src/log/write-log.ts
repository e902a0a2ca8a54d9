/** The transaction log as the data plane needs it; whoever mounts a vdisk brings it along. */

/** Why a log cannot be written any more by this owner: another one took it up, or Tier-1 lost what it had. */
export interface WriteLogFailure {
  readonly code: string;
  readonly message: string;
}

export interface WriteLogPlace {
  /** Of the last segment there is. */
  readonly number: number;
  /** Of the last record there is. */
  readonly sequence: number;
}

export interface WriteLogTail extends WriteLogPlace {
  /** Sequence at which the newest complete base begins; 0: there is none. */
  readonly base: number;
  /** By shard: the batch up to which everything is in the log. */
  readonly positions: ReadonlyMap<number, number>;
}

/** What a log that is taken up goes on with. */
export interface WriteLogBegin {
  readonly base: number;
  readonly keepsPositions: boolean;
}

export interface WriteLogLag {
  readonly bytes: number;
  readonly ms: number;
  /** Why it is not durable, when more than time is the reason. */
  readonly trouble: string | null;
}

/** A segment of a log, told from every other that has its number. */
export interface WriteLogCut {
  readonly number: number;
  readonly epoch: number;
  /** Its last record. */
  readonly last: number;
  /** When that was taken, Unix milliseconds. */
  readonly at: number;
  readonly base: number;
}

/** One vdisk's log under one epoch. Errors are told to whoever opened it as well. */
export interface WriteLog {
  readonly base: number;
  /** Of the last record appended. */
  readonly sequence: number;
  readonly lag: WriteLogLag;
  /** Resolves when no owner with a lower epoch can write it any more; asks until Tier-1 answers. */
  begin(
    archived: WriteLogPlace | null,
    decide: (tail: WriteLogTail | null, lost: string | null, place: WriteLogPlace) => WriteLogBegin,
  ): Promise<void>;
  /** Takes changes behind everything before them; null = zeros. Null, or what to wait for before more is appended. */
  append(blocks: ReadonlyMap<number, Buffer | null>, kind?: 'writes' | 'base'): Promise<void> | null;
  /** Everything of the shard up to this batch is in what was appended. */
  advance(shard: number, batch: number): void;
  room(): Promise<void> | null;
  /** Null, or resolves when all that was appended is durable. */
  flush(): Promise<void> | null;
  /** At once: the segment that ends with the last record that was appended. `durable` rejects where Tier-1 never has it. */
  cut(): { readonly place: WriteLogCut; readonly durable: Promise<void> };
  /** Resolves with the sequence of the record that follows it. */
  mark(kind: 'baseBegin' | 'baseComplete' | 'snapshot', base: number, name?: string): Promise<number>;
  /** Forgets what was not sent; nothing is taken until the next base begins. */
  breakOff(): void;
  /** Resolves when it is known what became of the last message. */
  settled(): Promise<void>;
  close(): void;
}

export interface OpenWriteLog {
  readonly vdisk: string;
  readonly epoch: number;
  readonly container: number;
  readonly blockSizeBytes: number;
  readonly shards: number;
  readonly failed: (failure: WriteLogFailure) => void;
}

/** What a server needs to bring to mount vdisks that have a log. */
export interface LogAccess {
  open(options: OpenWriteLog): WriteLog;
  /** The last segment of the vdisk that is archived; null: none. */
  archived(vdisk: string): Promise<WriteLogPlace | null>;
}

/** What a pair tells the log, and asks of it before it answers. */
export interface PairLog {
  /** A batch is on every member that must have it. Null, or what its answers wait for. Never throws. */
  applied(
    shard: number,
    batch: number,
    blocks: ReadonlyMap<number, Buffer | null> | null,
    isBrought: boolean,
  ): Promise<void> | null;
  /** The write history of the shard is known, and ends at this batch. */
  adopted(shard: number, batch: number): void;
}

/** What a device asks of the log for its clients. */
export interface ClientLog {
  /** Null, or what a write waits for before it begins. Rejects with VdiskIoError. */
  room(): Promise<void> | null;
  /** Null, or resolves when everything that was answered is in the log. Rejects with VdiskIoError. */
  flush(): Promise<void> | null;
}
