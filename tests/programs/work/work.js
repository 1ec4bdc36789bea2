// Work for node: JSON, Buffers, Maps, zlib, and worker threads that send their memory to the main thread.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

function digest(data) {
  return crypto.createHash('sha256').update(data).digest('hex');
}

function show(name, data) {
  console.log(name + ' ' + digest(data));
}

function generator(seed) {
  let state = seed >>> 0 || 1;
  return (limit) => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state % limit;
  };
}

function records(seed, count) {
  const below = generator(seed);
  return Array.from({ length: count }, (_, i) => ({ id: i, name: 'n' + below(1e9).toString(16), text: 'lorem '.repeat(below(20)) }));
}

function churnBuffers(seed, count) {
  const below = generator(seed);
  const slots = new Array(512).fill(null);
  const hash = crypto.createHash('sha256');
  for (let i = 0; i < count; i++) {
    const at = below(slots.length);
    if (slots[at]) hash.update(slots[at]);
    slots[at] = Buffer.alloc(1 + below(20000), i & 255);  // alloc, not from the pool: calloc behind it
  }
  for (const slot of slots) if (slot) hash.update(slot);
  return hash.digest('hex');
}

function work(seed) {
  const text = JSON.stringify(records(seed, 8000));
  const packed = zlib.deflateSync(text, { level: 6 });
  if (zlib.inflateSync(packed).toString() !== text) throw new Error('zlib');
  return { text: digest(text), packed: Uint8Array.from(packed), buffers: churnBuffers(seed, 8000) };
}

async function main() {
  const text = JSON.stringify(records(3, 60000));
  show('json', JSON.stringify(JSON.parse(text)));
  console.log('buffers ' + churnBuffers(5, 30000));
  const map = new Map();
  const below = generator(9);
  for (let i = 0; i < 400000; i++) {
    const key = 'k' + below(50000);
    if (i % 3 === 0) map.delete(key); else map.set(key, (map.get(key) || '') + i % 10);
  }
  show('map', JSON.stringify([...map]));
  show('gzip', zlib.gunzipSync(zlib.gzipSync(text)));
  show('brotli', zlib.brotliCompressSync(text.slice(0, 400000), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } }));
  const streams = await Promise.all([1, 2, 3, 4].map((level) => new Promise((resolve, reject) => {
    zlib.deflate(text, { level }, (error, out) => (error ? reject(error) : resolve(digest(out))));
  })));
  show('async', streams.join());
  for (let round = 0; round < 2; round++) {
    const results = await Promise.all([11, 12, 13, 14].map((seed) => new Promise((resolve, reject) => {
      const worker = new Worker(__filename, { workerData: seed + 10 * round });
      worker.once('message', (result) => worker.once('exit', () => resolve(result)));
      worker.once('error', reject);
    })));
    show('workers' + round, results.map((r) => r.text + digest(r.packed) + r.buffers).join());
  }
}

if (isMainThread) {
  main().catch((error) => { console.error(error); process.exit(1); });
} else {
  const result = work(workerData);
  parentPort.postMessage(result, [result.packed.buffer]);
}
