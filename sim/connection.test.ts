import { expect, test } from 'vitest';
import type { Reply } from '../impl/core/controller/operations.ts';
import { VirtualTime } from './clock.ts';
import type { Cluster, Machine } from './cluster.ts';
import { Connection } from './connection.ts';

const REGISTERED: Reply = { kind: 'registered' };

/** A node that answers when the test says so; undefined says that its process ends. */
function world(version: 1 | 2 = 1): {
  time: VirtualTime;
  connection: Connection;
  asked: ((reply: Reply | undefined) => void)[];
  run: () => void;
} {
  const time = new VirtualTime();
  const asked: ((reply: Reply | undefined) => void)[] = [];
  const requestAll: Cluster['requestAll'] = (_, all) =>
    asked.push(...all.map(({ answered }) => answered)) > 0;
  const connection = new Connection(
    { requestAll } as never as Cluster,
    time,
    {} as Machine,
    version,
  );
  const run = (): void => {
    while (time.pending > 0) time.step();
  };
  return { time, connection, asked, run };
}

/** The answers to questions a, b and c, as they come. */
function askForThree(connection: Connection): string[] {
  const heard: string[] = [];
  for (const topic of ['a', 'b', 'c']) {
    connection.ask({ kind: 'register', topic }, (reply) => heard.push(`${topic} ${reply?.kind}`));
  }
  return heard;
}

test('answers come in the order of the questions, whichever is ready first', () => {
  const { connection, asked, run } = world();
  const heard = askForThree(connection);
  run();
  asked[1]!(REGISTERED);
  run();
  expect(heard).toEqual([]);
  asked[0]!(REGISTERED);
  run();
  expect(heard).toEqual(['a registered', 'b registered']);
  expect(connection.underWay).toBe(1);
});

test('a process that ends takes along the answers that were ready behind a gap', () => {
  const { connection, asked, run } = world();
  const heard: (Reply | undefined)[] = [];
  for (const topic of ['a', 'b']) connection.ask({ kind: 'register', topic }, (r) => heard.push(r));
  run();
  asked[1]!(REGISTERED);
  asked[0]!(undefined);
  run();
  expect(heard).toEqual([undefined, undefined]);
  expect(connection.broken).toBe(true);
});

test('of version 2 each answer comes when it is ready', () => {
  const { connection, asked, run } = world(2);
  const heard = askForThree(connection);
  run();
  asked[1]!(REGISTERED);
  run();
  expect(heard).toEqual(['b registered']);
  asked[2]!(undefined);
  run();
  expect(heard).toEqual(['b registered', 'a undefined', 'c undefined']);
});
