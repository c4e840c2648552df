/** What the embedded library calls its streams and keys in the store. */

const TOPIC_PREFIX = 'topic ';
export const CURSOR_PREFIX = 'cursor ';
const MARK_PREFIX = 'mark ';

/** The stream of a topic. */
export function topicStream(topic: string): string {
  return `${TOPIC_PREFIX}${topic}`;
}

/** Whose stream it is; undefined if it is no topic's. */
export function topicOfStream(stream: string): string | undefined {
  return stream.startsWith(TOPIC_PREFIX) ? stream.slice(TOPIC_PREFIX.length) : undefined;
}

/** Of a group's durable place in a topic. Injective. */
export function cursorKey(topic: string, group: string): string {
  return `${CURSOR_PREFIX}[${JSON.stringify(topic)},${JSON.stringify(group)}]`;
}

export function parseCursorKey(key: string): { topic: string; group: string } | undefined {
  if (!key.startsWith(CURSOR_PREFIX)) return undefined;
  const [topic, group] = JSON.parse(key.slice(CURSOR_PREFIX.length)) as [string, string];
  return { topic, group };
}

/** Of the mark that tells whether a topic is clean. */
export function markKey(topic: string): string {
  return `${MARK_PREFIX}${topic}`;
}

export function isLibraryKey(key: string): boolean {
  return key.startsWith(CURSOR_PREFIX) || key.startsWith(MARK_PREFIX);
}
