/** The durable cursor that all readers of one group share in one topic. */
import { ByteReader, ByteWriter } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import type { Store } from '../core/storage/store.ts';
import type { CommitGroups } from './commit-groups.ts';
import type { Topic } from './topic.ts';
import { TopicReader } from './topic-reader.ts';

/** The group of reads that name none. */
export const DEFAULT_GROUP = '';
const KEY_PREFIX = 'cursor ';
/** What moving a cursor takes in the log, at most and but for the names. */
const MOVE_BYTES = 128;
/** To consume is the way out of a full disk, so it may use the reserve, but for what the trims need in the end. */
const KEPT_SHARE = 0.5;

export interface CursorSettings {
  readonly persistEvery: number;
  readonly strict: boolean;
  readonly reclaimsConsumed: boolean;
}

export class GroupCursor {
  readonly topic: Topic;
  readonly reader: TopicReader;
  /** Whether the log knows of it. Until then it keeps no record from being reclaimed. */
  isDurable: boolean;
  /** The offset that the log knows, or will with the next commit. */
  persisted: number;
  readonly #key: string;
  readonly #commits: CommitGroups;
  readonly #settings: CursorSettings;

  constructor(topic: Topic, group: string, commits: CommitGroups, settings: CursorSettings) {
    this.topic = topic;
    this.#key = cursorKey(topic.name, group);
    this.#commits = commits;
    this.#settings = settings;
    const stored = topic.store.get(this.#key);
    this.isDurable = stored !== undefined;
    this.persisted = stored === undefined ? topic.start : new ByteReader(stored).whole();
    this.reader = new TopicReader(topic, this.persisted, (to, settle, release) =>
      this.#advance(to, settle, release),
    );
  }

  /** Everything before this offset has been given out. */
  get position(): number {
    return Math.max(this.reader.position, this.topic.start);
  }

  /**
   * Puts the cursor at `to` and the new place in the log, when the reads asked for before are over. With `onlyForward`
   * it stays where it is if it is there or further already.
   */
  move(to: number, onlyForward: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.reader.inTurn((release) => {
        if (onlyForward && to <= this.reader.position && this.isDurable) {
          // What brought it there may still be on its way to the disk.
          this.#commits.current(0).onSettled((error) => (error ? reject(error) : resolve()));
          release();
          return;
        }
        const settle = (error: WalrusError | undefined): void =>
          error ? reject(error) : resolve();
        this.#persist(to, settle, release, undefined);
      });
    });
  }

  /** Stages the position that `AtLeastOnce` has not yet put in the log. */
  persistNow(): void {
    if (this.reader.position !== this.persisted) this.#stage(this.reader.position);
  }

  /** Stages its removal: it keeps no record any more. */
  remove(): void {
    this.topic.store.put(this.#key, undefined);
    this.isDurable = false;
  }

  #advance(
    to: number,
    settle: (error: WalrusError | undefined) => void,
    release: () => void,
  ): void {
    const { strict, persistEvery } = this.#settings;
    if (!strict && to - this.persisted < persistEvery) {
      this.reader.position = to;
      settle(undefined);
      release();
    } else if (strict) {
      // The next entry may be read at once: it is given out after this one, with its own commit.
      this.#persist(to, settle, release, undefined);
    } else {
      // Fewer than `persistEvery` may ever be out and not in the log, so the next waits.
      this.#persist(to, settle, undefined, release);
    }
  }

  #persist(
    to: number,
    settle: (error: WalrusError | undefined) => void,
    onStaged: (() => void) | undefined,
    onSettled: (() => void) | undefined,
  ): void {
    const refuse = (error: WalrusError): void => {
      settle(error);
      onStaged?.();
      onSettled?.();
    };
    const bytes = MOVE_BYTES + this.#key.length * 3;
    const run = (): void => {
      if (this.topic.deleted) {
        refuse(new WalrusError('UnknownTopic', 'the topic was deleted'));
        return;
      }
      const group = this.#commits.current(bytes);
      this.#stage(to);
      group.onSettled((error) => {
        settle(error);
        onSettled?.();
      });
      onStaged?.();
    };
    if (this.#commits.hasRoom(bytes, KEPT_SHARE)) run();
    else this.#commits.whenRoom(bytes, run, refuse, KEPT_SHARE);
  }

  #stage(to: number): void {
    this.reader.position = to;
    this.persisted = to;
    this.isDurable = true;
    this.topic.store.put(this.#key, new ByteWriter().whole(to).finish());
    if (this.#settings.reclaimsConsumed) {
      // Where there is no room for records, any that goes counts.
      this.topic.reclaimConsumed(!this.#commits.hasRoom(0));
    }
  }
}

/** Injective, and all cursors of a topic share the key's beginning. */
function cursorKey(topic: string, group: string): string {
  return `${cursorKeys(topic)}${JSON.stringify(group)}]`;
}

function cursorKeys(topic: string): string {
  return `${KEY_PREFIX}[${JSON.stringify(topic)},`;
}

/** The groups that have a durable cursor, by topic. */
export function storedCursors(store: Store): { topic: string; group: string }[] {
  return store.keys(KEY_PREFIX).map((key) => {
    const [topic, group] = JSON.parse(key.slice(KEY_PREFIX.length)) as [string, string];
    return { topic, group };
  });
}
