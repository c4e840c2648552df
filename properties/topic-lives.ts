/**
 * Tells apart, in what clients saw, the topics that had one name after the other. Every record is unique, so a record that was
 * read or acknowledged says which of them it was. All other checks then look at each topic by itself.
 */
import type { Operation } from '../impl/core/controller/operations.ts';
import { type Call, type Contents, identity } from './history.ts';
import { demand } from './violation.ts';

/** A topic that was deleted. */
export interface Past {
  readonly name: string;
  readonly id: number;
  readonly records: readonly Uint8Array[];
}

export interface ToldApart {
  readonly history: readonly Call[];
  readonly contents: Contents;
}

/** The topics of the past get names of their own; what is of none that is known stays with the present one. */
export function tellApart(
  history: readonly Call[],
  present: Contents,
  past: readonly Past[],
): ToldApart {
  if (past.length === 0) return { history, contents: present };
  const contents = new Map(present);
  const lives = new Map<string, string>();
  for (const { name, id, records } of past) {
    const life = `${name} (${id})`;
    contents.set(life, records);
    for (const record of records) lives.set(identity(name, record), life);
  }
  const lifeOf = ({ operation, reply }: Call): string => {
    const { topic } = operation;
    const record =
      reply?.kind === 'record'
        ? reply.record
        : reply?.kind === 'records'
          ? reply.records[0]
          : undefined;
    const put = operation.kind === 'put' ? operation.records[0] : undefined;
    const known = record ?? put;
    return (known && lives.get(identity(topic, known))) ?? topic;
  };
  return {
    contents,
    history: history.map((call) => {
      const operation: Operation = { ...call.operation, topic: lifeOf(call) };
      return { ...call, operation };
    }),
  };
}

/**
 * Nobody who asks after a deletion was answered takes or puts a record in a topic that was there before that was asked for, nor
 * in one after a record of a later one was taken or put. A `FETCH` may: a node that is behind answers it as of a time before.
 */
export function DeletedStaysDeletedProp(
  history: readonly Call[],
  { history: apart }: ToldApart,
): void {
  const deletions = history.filter(({ reply }) => reply?.kind === 'deleted');
  if (deletions.length === 0) return;
  const firstSeenMs = new Map<string, number>();
  const effects = apart.filter(
    ({ operation: { kind }, reply }) =>
      (kind === 'put' && reply?.kind === 'appended') ||
      (kind === 'get' && reply?.kind === 'record'),
  );
  for (const { operation, repliedMs } of effects) {
    const { topic } = operation;
    firstSeenMs.set(topic, Math.min(repliedMs, firstSeenMs.get(topic) ?? Infinity));
  }
  const names = new Map(history.map(({ id, operation }) => [id, operation.topic]));
  for (const { id, operation, invokedMs } of effects) {
    const seenMs = firstSeenMs.get(operation.topic)!;
    for (const deletion of deletions) {
      demand(
        deletion.operation.topic !== names.get(id) ||
          deletion.repliedMs >= invokedMs ||
          seenMs >= deletion.invokedMs,
        'DeletedStaysDeletedProp',
        () =>
          `call ${id} took or put a record of ${operation.topic}, which call ${deletion.id} had deleted`,
      );
    }
  }
}
