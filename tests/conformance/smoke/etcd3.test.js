// etcd3 of npm (grpc-js): keys, ranges, transactions, watches, leases, locks, elections, STM, users.
'use strict';
const assert = require('node:assert');
const { after, afterEach, before, test } = require('node:test');
const { Etcd3, EtcdLeaseInvalidError, EtcdLockFailedError, EtcdUserNotFoundError } = require('etcd3');

let client;
before(() => { client = new Etcd3({ hosts: process.env.CONFORMANCE_URLS.split(',') }); });
afterEach(async () => { await client.delete().all(); });
after(() => client.close());

test('keys', async () => {
  await client.put('a').value('1');
  await client.put('b').value(JSON.stringify({ x: 2 }));
  assert.strictEqual(await client.get('a').string(), '1');
  assert.strictEqual(await client.get('a').number(), 1);
  assert.deepStrictEqual(await client.get('b').json(), { x: 2 });
  assert.strictEqual(await client.get('missing').string(), null);
  assert.strictEqual(await client.get('a').exists(), true);
  assert.strictEqual((await client.put('a').value('2').getPrevious()).value.toString(), '1');
  await client.delete().key('a');
  assert.strictEqual(await client.get('a').exists(), false);
});

test('ranges', async () => {
  for (const name of ['foo1', 'foo2', 'foo3', 'other']) await client.put(name).value(name.toUpperCase());
  assert.deepStrictEqual(await client.getAll().prefix('foo').strings(), { foo1: 'FOO1', foo2: 'FOO2', foo3: 'FOO3' });
  assert.deepStrictEqual(await client.getAll().prefix('foo').sort('Key', 'Descend').limit(2).keys(), ['foo3', 'foo2']);
  assert.strictEqual(await client.getAll().count(), 4);
  assert.strictEqual((await client.delete().prefix('foo')).deleted, '3');
});

test('a namespace', async () => {
  const space = client.namespace('space/');
  await space.put('k').value('v');
  assert.strictEqual(await client.get('space/k').string(), 'v');
  assert.deepStrictEqual(await space.getAll().strings(), { k: 'v' });
});

test('a transaction takes one branch', async () => {
  await client.put('t').value('1');
  const swap = () => client.if('t', 'Value', '==', '1')
    .then(client.put('t').value('2'), client.get('t')).else(client.delete().key('t')).commit();
  const yes = await swap();
  assert.strictEqual(yes.succeeded, true);
  assert.strictEqual(yes.responses[1].response_range.kvs[0].value.toString(), '2');
  assert.strictEqual((await swap()).succeeded, false);
  assert.strictEqual(await client.get('t').exists(), false);
});

test('software transactional memory', async () => {
  await client.put('n').value('0');
  await Promise.all([1, 2, 3, 4].map(() => client.stm().transact(async (tx) => {
    await tx.put('n').value(String((await tx.get('n').number()) + 1));
  })));
  assert.strictEqual(await client.get('n').number(), 4);
});

test('a watch', async () => {
  const watcher = await client.watch().prefix('w/').withPreviousKV().create();
  const seen = [];
  const done = new Promise((resolve) => {
    watcher.on('put', (kv, previous) => { seen.push(['put', kv.key.toString(), previous && previous.value.toString()]); });
    watcher.on('delete', (kv, previous) => { seen.push(['delete', kv.key.toString(), previous.value.toString()]); resolve(); });
  });
  await client.put('w/1').value('a');
  await client.put('w/1').value('b');
  await client.delete().key('w/1');
  await done;
  await watcher.cancel();
  assert.strictEqual(seen.length, 3);
  assert.deepStrictEqual(seen.slice(1), [['put', 'w/1', 'a'], ['delete', 'w/1', 'b']]);
});

test('a watch from a revision', async () => {
  const first = await client.put('r').value('1');
  await client.put('r').value('2');
  const watcher = await client.watch().key('r').startRevision(first.header.revision).create();
  const seen = [];
  await new Promise((resolve) => watcher.on('put', (kv) => { seen.push(kv.value.toString()); if (seen.length === 2) resolve(); }));
  await watcher.cancel();
  assert.deepStrictEqual(seen, ['1', '2']);
});

test('a lease', async () => {
  const lease = client.lease(60);
  await lease.put('l').value('x');
  await lease.keepaliveOnce();
  await lease.revoke();
  assert.strictEqual(await client.get('l').exists(), false);
  await assert.rejects(client.lease(60).put('l').value('x').lease('12345').exec(), EtcdLeaseInvalidError);
});

test('a lock', async () => {
  const lock = client.lock('mutex').ttl(10);
  await lock.acquire();
  await assert.rejects(client.lock('mutex').acquire(), EtcdLockFailedError);
  await lock.release();
  assert.strictEqual(await client.lock('mutex').do(() => 'inside'), 'inside');
});

test('an election', async () => {
  const election = client.election('post');
  const campaign = election.campaign('me');
  await new Promise((resolve, reject) => { campaign.on('elected', resolve); campaign.on('error', reject); });
  assert.strictEqual(await election.leader(), 'me');
  await campaign.proclaim('still me');
  assert.strictEqual(await election.leader(), 'still me');
  await campaign.resign();
});

test('users and roles', async () => {
  const role = client.role('reader');
  await role.create();
  await role.grant({ permission: 'Read', range: client.range({ prefix: 'r/' }) });
  assert.strictEqual((await role.permissions())[0].permission, 'Read');
  const user = client.user('ann');
  await user.create('secret');
  await user.addRole('reader');
  assert.deepStrictEqual((await user.roles()).map((one) => one.name), ['reader']);
  await user.delete();
  await role.delete();
  await assert.rejects(client.user('nobody').delete(), EtcdUserNotFoundError);
});

test('maintenance', async () => {
  const status = await client.maintenance.status();
  assert.match(status.version, /^3\./);
  assert.strictEqual((await client.cluster.memberList({})).members.length, process.env.CONFORMANCE_URLS.split(',').length);
  await client.maintenance.defragment();
});
