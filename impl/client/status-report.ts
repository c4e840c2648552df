/** What a node says of itself and of the cluster as it sees it: the answer to `GET /status` on its HTTP port, as JSON. */
export interface NodeReport {
  readonly node: number;
  readonly status: 'starting' | 'running' | 'amnesiac' | 'stopped';
  /** Why this node cannot serve, in words; empty if it can. */
  readonly reasons: readonly string[];
  /** This life of its process, as 16 hexadecimal digits or fewer. */
  readonly boot: string;
  /** Seconds that the process is alive. */
  readonly upSeconds: number;
  readonly raft: {
    readonly role: string;
    readonly term: number;
    /** 0 if none is known. */
    readonly leader: number;
  };
  readonly disk: {
    readonly directory: string;
    readonly full: boolean;
    /** Of the file system; null if the system does not say. */
    readonly freeBytes: number | null;
    /** Bytes of the log's files that something is needed of. */
    readonly logFiles: number;
    /** What the log's files take on the disk. */
    readonly logBytes: number;
    /** How much of that is needed, as cleaning found it last; null before, and where it is off. */
    readonly liveBytes: number | null;
    readonly damagedRecords: number;
  };
  readonly members: readonly MemberReport[];
  readonly topics: readonly TopicReport[];
  /** Of all topics; `topics` has those that something is wrong with first, and no more than a thousand. */
  readonly topicCount: number;
  /** Oldest first. */
  readonly events: readonly EventReport[];
}

/** A member of the cluster, as the node that reports sees it. */
export interface MemberReport {
  readonly node: number;
  readonly voter: boolean;
  /** Whether it was heard lately. */
  readonly live: boolean;
  readonly hasRoom: boolean;
  /** Empty until it has registered. */
  readonly clientAddress: string;
  readonly raftAddress: string;
  /** Topics whose open segment it owns. */
  readonly owns: number;
}

export interface TopicReport {
  readonly topic: string;
  readonly owner: number;
  /** `recovering`: the owner is gone and its successor is being found. `stuck`: too few copies are alive for that, or for writing. */
  readonly state: 'open' | 'recovering' | 'stuck';
  /** It is to be deleted, and takes no more records. */
  readonly deleting: boolean;
  readonly segments: number;
  /** Records; null if the node that reports holds no copy of the open segment. */
  readonly records: number | null;
  /** Segments of which a copy is missing or on a node that is away. */
  readonly shortSegments: number;
  readonly groups: readonly { readonly group: string; readonly offset: number }[];
}

export interface EventReport {
  /** ISO 8601. */
  readonly time: string;
  readonly node: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
}
