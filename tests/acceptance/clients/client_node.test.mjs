// @kubernetes/client-node's stories, run by test_clients_node.py with `node --test`. The server's kubeconfig is in KUBECONFIG.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const require = createRequire(process.env.NODE_MODULES_FROM + '/');
const k8s = await import(require.resolve('@kubernetes/client-node'));

const config = new k8s.KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = 'default';
const pod = (name) => ({
  metadata: { name, labels: { app: name } },
  spec: { containers: [{ name: 'main', image: 'busybox' }] },
});

function heard(wanted, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not heard of in time')), 60000);
    start((object) => {
      if (wanted(object)) {
        clearTimeout(timer);
        resolve(object);
      }
    }, reject);
  });
}

test('objects and patches', async () => {
  const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'c' }, data: { a: '1' } } });
  assert.ok(made.metadata.uid);
  const patched = await core.patchNamespacedConfigMap({
    namespace, name: 'c', body: [{ op: 'add', path: '/data/b', value: '2' }],
  });
  assert.deepEqual(patched.data, { a: '1', b: '2' });
  await assert.rejects(core.readNamespacedConfigMap({ namespace, name: 'nothing' }), (error) => error.code === 404);
  await core.deleteNamespacedConfigMap({ namespace, name: 'c' });
});

test('an informer sees a pod come to life', async () => {
  const informer = k8s.makeInformer(config, '/api/v1/namespaces/default/pods', () => core.listNamespacedPod({ namespace }));
  const running = heard((object) => object.status.phase === 'Running', (hear, fail) => {
    informer.on('add', hear);
    informer.on('update', hear);
    informer.on('error', fail);
  });
  await informer.start();
  await core.createNamespacedPod({ namespace, body: pod('watched') });
  await running;
  await informer.stop();
  const log = await core.readNamespacedPodLog({ namespace, name: 'watched' });
  assert.ok(log.length > 0);
});

test('apply with a conflict', async () => {
  const objects = k8s.KubernetesObjectApi.makeApiClient(config);
  const body = (value) => ({
    apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 's', namespace }, data: { a: value },
  });
  const apply = (value, manager, force) =>
    objects.patch(body(value), undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
  await apply('1', 'one', undefined);
  await assert.rejects(apply('2', 'two', undefined), (error) => error.code === 409);
  const forced = await apply('2', 'two', true);
  assert.equal(forced.data.a, '2');
});

test('custom resources', async () => {
  const extensions = config.makeApiClient(k8s.ApiextensionsV1Api);
  const definition = JSON.parse(process.env.SHIRT);
  const size = definition.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size;
  size._default = size.default; // the library's name for it; "default" would be left out of what it sends
  await extensions.createCustomResourceDefinition({ body: definition });
  const established = (object) => (object.status?.conditions ?? []).some((each) => each.type === 'Established');
  const watch = new k8s.Watch(config);
  let request;
  await heard(established, async (hear, fail) => {
    request = await watch.watch('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {}, (_, object) => hear(object), () => {});
  });
  request.abort();
  const shirts = config.makeApiClient(k8s.CustomObjectsApi);
  const made = await shirts.createNamespacedCustomObject({
    group: 'stable.example.com', version: 'v1', namespace, plural: 'shirts',
    body: { apiVersion: 'stable.example.com/v1', kind: 'Shirt', metadata: { name: 'a' }, spec: { colour: 'blue' } },
  });
  assert.equal(made.spec.size, 'M');
});
