/** The durable cursor that all readers of one group share in one topic. */
import { ByteReader, ByteWriter } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import type { Store } from '../core/storage/store.ts';
import { CURSOR_PREFIX, cursorKey, parseCursorKey } from '../runtime/library-names.ts';
import { setImmediate } from '../runtime/timers.ts';
import type { CommitGroups } from './commit-groups.ts';
import type { Consumer, Topic } from './topic.ts';
import { type Advance, TopicReader } from './topic-reader.ts';

/** The group of reads that name none. */
export const DEFAULT_GROUP = '';
/** What moving a cursor takes in the log, at most and but for the names. */
const MOVE_BYTES = 128;

export interface CursorSettings {
  readonly persistEvery: number;
  readonly strict: boolean;
  readonly reclaimsConsumed: boolean;
}

type Settle = (error: WalrusError | undefined) => void;

export class GroupCursor implements Consumer {
  readonly topic: Topic;
  isDurable: boolean;
  persisted: number;
  readonly #key: string;
  readonly #commits: CommitGroups;
  readonly #settings: CursorSettings;
  #reader: TopicReader | undefined;

  constructor(topic: Topic, group: string, commits: CommitGroups, settings: CursorSettings) {
    this.topic = topic;
    this.#key = cursorKey(topic.name, group);
    this.#commits = commits;
    this.#settings = settings;
    const stored = topic.store.get(this.#key);
    this.isDurable = stored !== undefined;
    this.persisted = stored === undefined ? topic.start : new ByteReader(stored).whole();
    topic.addConsumer(this);
  }

  get reader(): TopicReader {
    this.#reader ??= new TopicReader(this.topic, this.persisted, {
      // Strictly at once: the log knows before anybody does. The next may be read at once, and is given out after this one.
      advance: (from, to, settle, release) =>
        this.#settings.strict
          ? this.#persist(to, to, settle, release)
          : this.#advanceBehind(from, to, settle, release),
      entriesMax: this.#settings.strict ? Number.POSITIVE_INFINITY : this.#repeatedMax,
    });
    return this.#reader;
  }

  /** Everything before this offset has been given out. */
  get position(): number {
    return this.#reader?.position ?? Math.max(this.persisted, this.topic.start);
  }

  /** Entries that may be out while the log does not know of it. */
  get #repeatedMax(): number {
    return Math.max(1, this.#settings.persistEvery - 1);
  }

  /**
   * Puts the cursor at `to` and the new place in the log, when the reads asked for before are over. With `onlyForward`
   * it stays where it is if it is there or further already.
   */
  move(to: number, onlyForward: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle: Settle = (error) => (error ? reject(error) : resolve());
      this.reader.inTurn({
        run: (release) => {
          if (onlyForward && to <= this.persisted && this.isDurable) {
            // What brought it there may still be on its way to the disk.
            this.#commits.current(0).onSettled(settle);
            release();
            return;
          }
          const position = onlyForward ? Math.max(to, this.position) : to;
          this.#persist(to, position, settle, release);
        },
        refuse: reject,
      });
    });
  }

  /** Does the work when the reads asked for before are over, before those asked for later. */
  inTurn(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.reader.inTurn({
        run: (release) => void work().finally(release).then(resolve, reject),
        refuse: reject,
      });
    });
  }

  /** Stages the position that `AtLeastOnce` has not yet put in the log. */
  persistNow(): void {
    if (this.isDurable && this.position !== this.persisted) this.#stage(this.position);
  }

  /** Stages its removal: it keeps no record any more, and begins again at the earliest. */
  remove(): void {
    if (this.isDurable) this.topic.store.put(this.#key, undefined);
    this.isDurable = false;
    this.persisted = this.topic.start;
    if (this.#reader) this.#reader.position = this.topic.start;
  }

  /**
   * At least once: what the log knows is behind what was given out, never before it. So before more are out than may
   * be repeated, it is told of those that are: they were given out in an earlier turn, so that whoever waited for them has them.
   */
  #advanceBehind(...[from, to, settle, release]: Parameters<Advance>): void {
    const give: Settle = (error) => {
      if (error === undefined) this.reader.position = to;
      settle(error);
      release();
    };
    if (this.isDurable && to - this.persisted <= this.#repeatedMax) give(undefined);
    else setImmediate(() => this.#persist(from, from, give, () => {}));
  }

  /** Calls `onStaged` when the next read may see the new place, and `settle` when the log knows of it, or why not. */
  #persist(to: number, position: number, settle: Settle, onStaged: () => void): void {
    const refuse = (error: WalrusError): void => {
      settle(error);
      onStaged();
    };
    const run = (): void => {
      if (this.topic.deleted) {
        refuse(new WalrusError('UnknownTopic', 'the topic was deleted'));
        return;
      }
      const group = this.#commits.current(bytes);
      this.#stage(to);
      this.reader.position = position;
      group.onSettled(settle);
      onStaged();
    };
    const bytes = MOVE_BYTES + this.#key.length * 3;
    this.#commits.admit({ bytes, purpose: 'control', run, refuse });
  }

  #stage(to: number): void {
    this.persisted = to;
    this.isDurable = true;
    this.topic.store.put(this.#key, new ByteWriter().whole(to).finish());
    if (this.#settings.reclaimsConsumed) {
      // Where there is no room for records, any that goes counts.
      this.topic.reclaimConsumed(!this.#commits.hasRoom(0));
    }
  }
}

/** The cursors of a log that are known. */
export class GroupCursors {
  readonly #commits: CommitGroups;
  readonly #settings: CursorSettings;
  readonly #byTopic = new Map<Topic, Map<string, GroupCursor>>();

  constructor(commits: CommitGroups, settings: CursorSettings) {
    this.#commits = commits;
    this.#settings = settings;
  }

  find(topic: Topic, group: string): GroupCursor | undefined {
    return this.#byTopic.get(topic)?.get(group);
  }

  /** Found, or made. */
  get(topic: Topic, group: string): GroupCursor {
    let groups = this.#byTopic.get(topic);
    if (groups === undefined) {
      groups = new Map();
      this.#byTopic.set(topic, groups);
    }
    let cursor = groups.get(group);
    if (cursor === undefined) {
      cursor = new GroupCursor(topic, group, this.#commits, this.#settings);
      groups.set(group, cursor);
    }
    return cursor;
  }

  /** The cursor was removed: who asks for the group again gets another, unless somebody waits for this one. */
  forget(topic: Topic, group: string): void {
    const groups = this.#byTopic.get(topic);
    const cursor = groups?.get(group);
    if (cursor === undefined || cursor.isDurable || !cursor.reader.isIdle) return;
    topic.removeConsumer(cursor);
    groups!.delete(group);
    if (groups!.size === 0) this.#byTopic.delete(topic);
  }

  of(topic: Topic): Iterable<GroupCursor> {
    return this.#byTopic.get(topic)?.values() ?? [];
  }

  /** The topic is gone, and its cursors with it. */
  remove(topic: Topic): void {
    for (const cursor of this.of(topic)) cursor.remove();
    this.#byTopic.delete(topic);
  }
}

/** The groups that have a durable cursor, by topic. */
export function storedCursors(store: Store): { topic: string; group: string }[] {
  return store.keys(CURSOR_PREFIX).map((key) => parseCursorKey(key)!);
}
