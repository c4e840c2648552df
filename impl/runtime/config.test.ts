import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WalrusError } from '../core/errors.ts';
import { readConfig } from './config.ts';
import { FLAG_DEFAULTS } from './flag-defaults.ts';

test("without flags it is upstream's node 1, which founds a cluster", () => {
  const config = readConfig({}, {});
  expect(config).toMatchObject({
    directory: 'data/node_1',
    disk: 'auto',
    raft: { host: '127.0.0.1', port: 6000 },
    client: { host: '127.0.0.1', port: 9091 },
    http: { host: '127.0.0.1', port: 9191, isAsked: false },
  });
  expect(config.node).toMatchObject({
    id: 1,
    bootstrap: true,
    join: [],
    raftAddress: '127.0.0.1:6000',
    clientAddress: '127.0.0.1:9091',
    maxSegmentEntries: 1_000_000,
    monitorCheckMs: 10_000,
  });
});

test('any node with --join asks to be let in', () => {
  const { node } = readConfig({ nodeId: '1', join: ['walrus-2:6002'] }, {});
  expect(node).toMatchObject({ bootstrap: false, join: ['walrus-2:6002'] });
});

test('initial peers are more nodes to ask, except for the founder', () => {
  const initialPeer = ['10.0.0.1:6001', '10.0.0.3:6003'];
  expect(readConfig({ nodeId: 2, initialPeer }, {}).node.join).toEqual(initialPeer);
  expect(readConfig({ nodeId: 1, initialPeer }, {}).node).toMatchObject({
    bootstrap: true,
    join: [],
  });
});

test('addresses told to others may differ from those listened on', () => {
  const given = {
    raftHost: '0.0.0.0',
    raftPort: '6001',
    raftAdvertiseHost: 'walrus-1',
    clientHost: '0.0.0.0',
    clientPort: '9091',
    clientAdvertiseHost: 'example.org',
  };
  const { node, raft } = readConfig(given, {});
  expect(raft).toEqual({ host: '0.0.0.0', port: 6001 });
  expect(node.raftAddress).toBe('walrus-1:6001');
  expect(node.clientAddress).toBe('example.org:9091');
});

test('clients of a node that listens everywhere find it where the other nodes do', () => {
  const given = { raftHost: '10.0.0.1', clientHost: '0.0.0.0' };
  expect(readConfig(given, {}).node.clientAddress).toBe('10.0.0.1:9091');
});

test.each<[Record<string, unknown>, unknown]>([
  [{ clientPort: '9093' }, { port: 9193, isAsked: false }],
  [{ clientPort: '65500' }, { port: 65_400, isAsked: false }],
  [{ clientPort: '0' }, { port: 0, isAsked: false }],
  [
    { httpPort: '9100', httpHost: '0.0.0.0' },
    { host: '0.0.0.0', port: 9100, isAsked: true },
  ],
])('the HTTP port of %j', (given, expected) => {
  expect(readConfig(given, {}).http).toMatchObject(expected as object);
});

test('there is no HTTP port if it is off', () => {
  expect(readConfig({ httpPort: 'off' }, {}).http).toBeUndefined();
});

describe('what is refused', () => {
  test.each([
    ['WALRUS_MAX_SEGMENT_ENTRIES', '0', 'at least 1'],
    ['WALRUS_MONITOR_CHECK_MS', '9', 'at least 10'],
    ['WALRUS_MONITOR_CHECK_MS', '-1', 'a whole number'],
  ])('%s=%s', (name, text, reason) => {
    expect(() => readConfig({}, { [name]: text })).toThrow(new RegExp(`${name}: .*${reason}`));
  });

  test.each<[Record<string, unknown>, RegExp]>([
    [{ nodeId: '0' }, /--node-id/],
    [{ raftHost: '0.0.0.0' }, /--raft-advertise-host: .*name the one where other nodes find/],
    [{ raftHost: '::' }, /--raft-advertise-host/],
    [{ raftAdvertiseHost: '0.0.0.0' }, /--raft-advertise-host/],
    [{ clientAdvertiseHost: '0.0.0.0' }, /--client-advertise-host/],
    [{ nodeId: 'one' }, /--node-id/],
    [{ raftPort: '70000' }, /--raft-port/],
    [{ join: ['nowhere'] }, /--join/],
    [{ disk: 'floppy' }, /--disk/],
    [{ heartbeatMs: '400' }, /--heartbeat-ms: at most half of --election-timeout-ms/],
    [{ leaseMs: '800' }, /--lease-ms: at most --failover-ms/],
    [{ raftPort: '9000', clientPort: '9000' }, /--client-port: the same/],
  ])('%j', (given, message) => {
    expect(() => readConfig(given, {})).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', message: expect.stringMatching(message) }),
    );
  });

  test('all that is wrong is told at once', () => {
    const wrong = { raftPort: 'x', clientPort: 'y' };
    expect(() => readConfig(wrong, { WALRUS_MONITOR_CHECK_MS: 'often' })).toThrow(
      /--raft-port.*\n--client-port.*\nWALRUS_MONITOR_CHECK_MS/,
    );
  });
});

test('whatever it is told, it is a configuration or an error that names what is wrong', () => {
  const number = fc.oneof(
    fc.constantFrom('', ' ', '0', '-1', '1e400', '0x10', 'NaN', '9'.repeat(400), '65536'),
    fc.integer().map(String),
    fc.double().map(String),
  );
  const value = fc.oneof(
    number,
    fc.string(),
    fc.array(fc.string()),
    fc.boolean(),
    fc.constant(null),
  );
  const flags = fc.dictionary(fc.constantFrom(...Object.keys(FLAG_DEFAULTS)), value, {
    maxKeys: 4,
  });
  const variables = fc.dictionary(
    fc.constantFrom('WALRUS_MAX_SEGMENT_ENTRIES', 'WALRUS_MONITOR_CHECK_MS'),
    number,
  );
  fc.assert(
    fc.property(flags, variables, (given, environment) => {
      try {
        const { node, maxConnections } = readConfig(given, environment);
        for (const each of [...Object.values(node), maxConnections]) {
          if (typeof each === 'number') expect(each).toSatisfy(Number.isSafeInteger);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(WalrusError);
        expect(error).toMatchObject({ code: 'InvalidArgument' });
      }
    }),
    { numRuns: 1000 },
  );
});
