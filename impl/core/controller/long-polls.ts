/** Reads that wait for a record to come, at the owner of its topic, each until its time is up. */
import type { TopicId } from '../ids.ts';

/** Their ends are rounded up to that, so that thousands of them are looked at together. */
const ROUND_MS = 20;

interface Waiting {
  readonly untilMs: number;
  readonly goOn: () => void;
}

export class LongPolls {
  private readonly waiting = new Map<TopicId, Set<Waiting>>();
  private wakeAtMs = Infinity;

  /** `goOn` is called once: when there may be more to read of the topic, or at `untilMs`. */
  wait(topic: TopicId, untilMs: number, goOn: () => void): void {
    const each = { untilMs: Math.ceil(untilMs / ROUND_MS) * ROUND_MS, goOn };
    const ofTopic = this.waiting.get(topic);
    if (ofTopic === undefined) this.waiting.set(topic, new Set([each]));
    else ofTopic.add(each);
    this.wakeAtMs = Math.min(this.wakeAtMs, each.untilMs);
  }

  /** More of the topic may be read, or it has changed. */
  wake(topic: TopicId): void {
    const ofTopic = this.waiting.get(topic);
    if (ofTopic === undefined) return;
    this.waiting.delete(topic);
    for (const { goOn } of ofTopic) goOn();
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    const due: Waiting[] = [];
    this.wakeAtMs = Infinity;
    for (const [topic, ofTopic] of this.waiting) {
      for (const each of ofTopic) {
        if (each.untilMs > nowMs) {
          this.wakeAtMs = Math.min(this.wakeAtMs, each.untilMs);
          continue;
        }
        ofTopic.delete(each);
        due.push(each);
      }
      if (ofTopic.size === 0) this.waiting.delete(topic);
    }
    for (const { goOn } of due) goOn();
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }
}
